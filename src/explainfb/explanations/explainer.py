"""Explaining images: the classifier is asked about perturbed copies, and a linear model is fitted to what it says."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, check_classifier
from explainfb.classifiers.passes import Passes, in_layout, passes_of
from explainfb.classifiers.pictures import Picture, as_images
from explainfb.core.errors import InputError
from explainfb.core.fields import whole_number
from explainfb.core.seeding import torch_generator
from explainfb.core.types import IntArray, check_images
from explainfb.explanations.control_variate import ControlVariate, even_draws, fit_control_variate
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.lime import KnownPart, PerturbationSample
from explainfb.explanations.perturbation import Perturber, draw_masks, in_pairs
from explainfb.explanations.settings import LimeSettings, without_background
from explainfb.explanations.superpixels import own_segments

Targets = int | str | Sequence[int | str] | Tensor | None
"""Classes by number or by name: one for each image, or one for one image."""
NORMAL_95 = 1.96
"""Half the width of a 95 % interval, in standard errors."""
STRONGEST = 5
"""How many superpixels `auto` tells from the rest."""


class Explainer:
    """Explains images by one classifier; what has to be learned of the classifier is learned once.

    >>> from explainfb import Explainer, LimeSettings, TrainingSettings, load_task, train
    >>> task = load_task("digits-decoy")
    >>> classifier = train(task, settings=TrainingSettings(steps=100))
    >>> lime = LimeSettings(n_samples=256, control_variate=True)
    >>> explainer = Explainer(classifier, settings=lime, background=task.train.images)
    >>> (why,) = explainer(task.shifted.images[:1])
    >>> why.reliability > 0.8
    True
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        settings: LimeSettings = LimeSettings(),
        background: Tensor | None = None,
        seed: int = 0,
        passes: Passes | None = None,
    ) -> None:
        """Arguments as for `explain`; `passes` are known ones in place of those that the settings say."""
        check_classifier(classifier)
        self.classifier, self.settings, self.background, self.seed = classifier, settings, background, seed
        self.passes = passes or passes_of(classifier, settings.passes, bfloat16=settings.bfloat16)
        # the classifier, or a copy of it that lies otherwise in memory
        self.asked = in_layout(classifier, channels_last=self.passes.channels_last, bfloat16=settings.bfloat16)
        self.control: ControlVariate | None = None
        if settings.control_variate and settings.fill == "data" and background is not None and len(background):
            self.control = fit_control_variate(
                self.asked, background, settings=settings, seed=seed, at_a_time=self.passes.images
            )

    @overload
    def __call__(
        self, images: str | Path | Image.Image | npt.NDArray[Any], *, targets: Targets = None, segments: Any = None
    ) -> Explanation: ...

    @overload
    def __call__(
        self, images: Tensor | list[Picture] | tuple[Picture, ...], *, targets: Targets = None, segments: Any = None
    ) -> list[Explanation]: ...

    def __call__(
        self,
        images: Tensor | Picture | Sequence[Picture],
        *,
        targets: Targets = None,
        segments: Sequence[IntArray] | IntArray | None = None,
    ) -> Explanation | list[Explanation]:
        """Why the classifier gives each image its class in `targets`, or the class it predicts; as `explain` says."""
        every, single = as_images(images, self.classifier.architecture)
        targets = [targets] if isinstance(targets, int | float | str) else targets
        segments = [segments] if isinstance(segments, np.ndarray) and segments.ndim == 2 else segments
        for name, given in (("targets", targets), ("segments", segments)):
            if given is not None and len(given) != len(every):
                raise InputError(f"Every image needs its own {name}; found {len(given)} for {len(every)} images.")
        found = []
        for index, image in enumerate(every):
            own = None if segments is None else segments[index]
            target = None if targets is None else self.classifier.class_number(targets[index])
            found.append(self._named(self.sample(image, segments=own, target=target).explain(target)))
        return found[0] if single else found

    def _named(self, explanation: Explanation) -> Explanation:
        names = self.classifier.class_names
        return explanation if names is None else replace(explanation, class_name=names[explanation.target])

    @torch.inference_mode()
    def sample(
        self, image: Tensor, *, segments: IntArray | None = None, target: int | None = None
    ) -> PerturbationSample:
        """The classifier's outputs, in evaluation mode, on one image (C, H, W) under the masks of the settings.

        `target` is the class that `auto` looks at; None is the one that is predicted.
        """
        check_images(image[None])
        segments = own_segments(image, segments, self.settings)
        # a stream for each image, named by its pixels: the images explained before or beside it change nothing
        content = hashlib.sha256(image.cpu().contiguous().numpy().tobytes()).hexdigest()
        self.asked.eval()
        asked = _PerturbedImage(self, image, segments, torch_generator(self.seed, "explain", content))
        sample = asked.ask(self.settings.first_samples)
        if self.settings.n_samples == "auto":
            while not sample.complete and not self._precise(sample, target):
                left = self.settings.most_samples - len(sample.masks)
                if left < 2:
                    break
                sample = asked.ask(min(len(sample.masks), left // 2 * 2))
        return sample

    def _precise(self, sample: PerturbationSample, target: int | None) -> bool:
        """Whether every weight is known well enough, or the strongest superpixels stand apart from the rest."""
        found = sample.explain(target)
        assert found.standard_errors is not None
        if NORMAL_95 * np.max(found.standard_errors) <= self.settings.precision:
            return True
        strength = np.abs(found.weights)
        order = np.argsort(-strength, kind="stable")[: STRONGEST + 1]
        if len(order) <= STRONGEST:
            return False
        last, next_one = order[STRONGEST - 1], order[STRONGEST]
        apart = strength[last] - strength[next_one]
        return bool(apart >= NORMAL_95 * np.hypot(found.standard_errors[last], found.standard_errors[next_one]))


class _PerturbedImage:
    """One image, and what the classifier was asked about it so far."""

    def __init__(self, explainer: Explainer, image: Tensor, segments: IntArray, generator: torch.Generator) -> None:
        self.explainer, self.image, self.segments, self.generator = explainer, image, segments, generator
        device = explainer.classifier.device
        labels = torch.from_numpy(segments)[None].to(device)
        self.perturber = Perturber(image[None].to(device), labels, explainer.settings.fill, explainer.background)
        self.superpixels = int(np.max(segments)) + 1
        behind = self.perturber.draw(1, generator) if explainer.settings.fill == "data" else None
        self.behind = None if behind is None else behind[0]  # (1,) the background image behind the image itself
        self.plain: Tensor | None = None  # (classes,) of the image itself, once it was asked about
        self.parts: list[tuple[Tensor, Tensor, Tensor, Tensor | None]] = []

    def ask(self, count: int) -> PerturbationSample:
        """Ask about `count` masks more, and return all that was asked."""
        settings, generator = self.explainer.settings, self.generator
        if settings.sampling == "leverage" and not settings.random_fill and self.superpixels < 24:
            count = min(count, 2**self.superpixels - 2)  # to ask again would give the same answers
        masks, weights = draw_masks(count, self.superpixels, settings.sampling, generator)
        chosen = None
        if settings.fill == "data":
            assert self.explainer.background is not None
            chosen = even_draws(len(self.explainer.background), count, generator)
        self.parts.append((masks, weights, self._outputs(masks, chosen), chosen))
        return self._sample()

    def _outputs(self, masks: Tensor, chosen: Tensor | None) -> Tensor:
        """(N, classes) probabilities under masks (N, d); the first time `plain` is found as well."""
        count = -(-len(masks) // self.explainer.passes.images)  # of parts, with no small one at the end
        first = self.plain is None
        if first:  # the image itself, among the others: a pass of its own would cost as much as ten of these
            masks = torch.cat([torch.ones_like(masks[:1]), masks])
            if chosen is not None and self.behind is not None:
                chosen = torch.cat([self.behind, chosen])
        classifier = self.explainer.asked
        behind = [None] * count if chosen is None else chosen[None].tensor_split(count, 1)
        outputs = [
            classifier(self.perturber(part[None], self.generator, drawn)[0]).softmax(1)
            for part, drawn in zip(masks.to(classifier.device).tensor_split(count), behind, strict=True)
        ]
        found = torch.cat(outputs).cpu()
        if first:
            self.plain, found = found[0], found[1:]
        return found

    def _sample(self) -> PerturbationSample:
        assert self.plain is not None
        settings = self.explainer.settings
        asked = [part[:3] for part in self.parts]
        masks, weights, outputs = (in_pairs(each, settings.sampling) for each in zip(*asked, strict=True))
        chosen = [part[3] for part in self.parts if part[3] is not None]
        known = self._known(masks, in_pairs(chosen, settings.sampling)) if self.explainer.control is not None else None
        return PerturbationSample(self.segments, masks, weights, outputs, self.plain, settings, self.image, known)

    def _known(self, masks: Tensor, chosen: Tensor) -> KnownPart:
        control = self.explainer.control
        assert control is not None
        assert self.plain is not None
        mixtures = control.known(self.segments)
        contributions = mixtures.contributions(self.image[None].cpu(), self.plain[None])[0]
        logits = masks @ contributions + mixtures.background_logits(masks, chosen)
        return KnownPart(logits.softmax(1), mixtures, contributions)


def sample_perturbations(
    classifier: Classifier,
    image: Tensor,
    *,
    settings: LimeSettings = LimeSettings(),
    background: Tensor | None = None,
    segments: IntArray | None = None,
    seed: int = 0,
) -> PerturbationSample:
    """The classifier's outputs on one image (C, H, W) under masks, from which any class can be explained.

    Arguments as for `explain`. For several classes at the cost of one pass:
    `sample = sample_perturbations(classifier, image); explanations = [sample.explain(target) for target in range(10)]`.
    """
    explainer = Explainer(classifier, settings=settings, background=background, seed=seed)
    return explainer.sample(image, segments=segments)


@overload
def explain(
    classifier: Classifier,
    images: str | Path | Image.Image | npt.NDArray[Any],
    *,
    targets: Targets = None,
    top: int | None = None,
    settings: LimeSettings | None = None,
    background: Tensor | None = None,
    segments: Any = None,
    seed: int = 0,
) -> Explanation: ...


@overload
def explain(
    classifier: Classifier,
    images: Tensor | list[Picture] | tuple[Picture, ...],
    *,
    targets: Targets = None,
    top: int | None = None,
    settings: LimeSettings | None = None,
    background: Tensor | None = None,
    segments: Any = None,
    seed: int = 0,
) -> list[Explanation]: ...


def explain(
    classifier: Classifier,
    images: Any,
    *,
    targets: Targets = None,
    top: int | None = None,
    settings: LimeSettings | None = None,
    background: Tensor | None = None,
    segments: Any = None,
    seed: int = 0,
) -> Explanation | list[Explanation]:
    """Why the classifier gives each image its class in `targets`, or the class it predicts.

    `images` is a tensor (B, C, H, W) in [0, 1], or a list of pictures; one picture alone gives one explanation. A
    picture is a file's path, a PIL image, an array (H, W, C) or (C, H, W) of uint8 or of floats in [0, 1], or a tensor
    (C, H, W); its middle is brought to the size and the colours that the classifier takes. `targets` has a number for
    each image, or the class's name where the classifier knows it. `top` says how many superpixels are told and drawn.
    `background` (M, C, H, W) are the training images that the fill `data` draws from; without them and without
    settings, hidden superpixels have their mean colour, and photographs are cut along their edges. `segments` (H, W),
    one for each image, replace the superpixels of the settings. An explanation depends on the seed and the image alone,
    not on the images beside it. Raises `InputError` for what is no picture, pixels outside [0, 1], unknown targets and
    superpixels that skip a label.

    >>> from explainfb import LimeSettings, TrainingSettings, explain, load_task, train
    >>> task = load_task("digits-decoy")
    >>> classifier = train(task, settings=TrainingSettings(steps=100))
    >>> lime = LimeSettings(n_samples=200)
    >>> first, second = explain(classifier, task.shifted.images[:2], settings=lime, background=task.train.images)
    >>> first.weights.shape, first.heatmap().shape
    ((49,), (28, 28))
    >>> picture = 255 * task.shifted.images[0, 0].numpy()
    >>> why = explain(classifier, picture.astype("uint8"), targets="3", settings=lime, background=task.train.images)
    >>> why.name
    'class 3'
    """
    check_classifier(classifier)
    if top is not None:
        whole_number(top, "top", least=1)
    shape = classifier.architecture
    if settings is None:
        settings = without_background(min(shape.height, shape.width)) if background is None else LimeSettings()
    explainer = Explainer(classifier, settings=settings, background=background, seed=seed)
    found: Explanation | list[Explanation] = explainer(images, targets=targets, segments=segments)
    if top is None:
        return found
    return [replace(each, shown=top) for each in found] if isinstance(found, list) else replace(found, shown=top)
