"""Explaining images: the classifier is asked about perturbed copies, and a linear model is fitted to what it says."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, check_classifier
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.core.types import Explanation, IntArray, check_images
from explainfb.explanations.control_variate import ControlVariate, KnownMixtures, even_draws, fit_control_variate
from explainfb.explanations.lime import fit_linear, fit_with_lime, standard_errors
from explainfb.explanations.masks import draw_masks
from explainfb.explanations.perturbation import Perturber
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.superpixels import check_segments, segment

CPU_CHUNK_BYTES, CHUNK_BYTES = 2**21, 2**24
"""Perturbed images held at a time. On a CPU 3 of 224×224 in colour, whose activations stay in its cache: 16 take twice
as long (EfficientNet-Lite0)."""
CHUNK_IMAGES = 128
"""Activations of many more images go back to the system after each chunk, which can double the time on a CPU."""
NORMAL_95 = 1.96
"""Half the width of a 95 % interval, in standard errors."""
STRONGEST = 5
"""How many superpixels `auto` tells from the rest."""


class KnownPart(NamedTuple):
    """What a control variate says under the masks that were asked about, and on average over all."""

    outputs: Tensor
    """(N, classes)"""
    mixtures: KnownMixtures
    contributions: Tensor
    """(d, classes) what the image's superpixels add to the logits."""


@dataclass(frozen=True, eq=False)
class PerturbationSample:
    """A classifier's outputs on an image and on its perturbed copies: enough to explain any class."""

    segments: IntArray
    """(H, W) labels 0 … d−1."""
    masks: Tensor
    """(N, d): 0 where a superpixel is hidden."""
    mask_weights: Tensor
    """(N,) float64: the weight of each mask in the regression."""
    outputs: Tensor
    """(N, classes) probabilities under each mask."""
    plain: Tensor
    """(classes,) probabilities of the image itself."""
    settings: LimeSettings
    known: KnownPart | None = None

    @property
    def complete(self) -> bool:
        """Whether every mask there is was asked about, so that nothing was left to chance."""
        every = 2 ** self.masks.shape[1] - 2
        return self.settings.sampling == "leverage" and not self.settings.random_fill and len(self.masks) == every

    def explain(self, target: int | None = None) -> Explanation:
        """Why the class `target`, or the one that is predicted. Raises `InputError` for a class there is not."""
        target = int(self.plain.argmax()) if target is None else target
        if not 0 <= target < len(self.plain):
            raise InputError(f"The classifier has classes 0 … {len(self.plain) - 1}; found the target {target}.")
        fit = fit_with_lime if self.settings.backend == "lime" else fit_linear
        alpha, outputs = self.settings.alpha, self.outputs[:, [target]].double()
        differences = outputs if self.known is None else outputs - self.known.outputs[:, [target]]
        model = fit(self.masks, differences, self.mask_weights, alpha)
        weights = model.weights[:, 0]
        residuals = (differences - model.intercept - self.masks.double() @ model.weights)[:, 0]
        paired = self.settings.sampling != "lime"
        errors = standard_errors(self.masks, residuals, self.mask_weights, alpha, paired=paired)
        intercept, r_squared = model.intercept[0], float(model.fit[0])
        if self.known is not None:
            known, variances = self.known.mixtures.mean_weights(self.known.contributions, target)
            weights, errors = weights + known, (errors**2 + variances).sqrt()
            intercept, r_squared = _intercept_and_fit(self.masks, outputs[:, 0], self.mask_weights, weights)
        return Explanation(
            target=target,
            probability=float(self.plain[target]),
            segments=self.segments,
            weights=weights.numpy(),
            intercept=float(intercept),
            fit=r_squared,
            standard_errors=np.zeros(len(weights)) if self.complete else errors.numpy(),
            n_samples=len(self.masks),
        )


def _intercept_and_fit(masks: Tensor, outputs: Tensor, mask_weights: Tensor, weights: Tensor) -> tuple[Tensor, float]:
    """The best intercept beside given weights (d,), and R² with it."""
    share = mask_weights / mask_weights.sum()
    unexplained = outputs - masks.double() @ weights
    intercept = share @ unexplained
    total = share @ (outputs - share @ outputs).square()
    r_squared = 1 - share @ (unexplained - intercept).square() / total.clamp_min(torch.finfo(total.dtype).tiny)
    return intercept, float(r_squared)


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
    ) -> None:
        """Arguments as for `explain`."""
        check_classifier(classifier)
        self.classifier, self.settings, self.background, self.seed = classifier, settings, background, seed
        self.control: ControlVariate | None = None
        if settings.control_variate and settings.fill == "data" and background is not None and len(background):
            self.control = fit_control_variate(classifier, background, settings=settings, seed=seed)

    def __call__(
        self,
        images: Tensor,
        *,
        targets: Sequence[int] | Tensor | None = None,
        segments: Sequence[IntArray] | None = None,
    ) -> list[Explanation]:
        """Why the classifier gives each of images (B, C, H, W) its class in `targets`, or the class it predicts."""
        check_images(images)
        for name, given in (("targets", targets), ("segments", segments)):
            if given is not None and len(given) != len(images):
                raise InputError(f"Every image needs its own {name}; found {len(given)} for {len(images)} images.")
        found = []
        for index, image in enumerate(images):
            own = None if segments is None else segments[index]
            target = None if targets is None else int(targets[index])
            found.append(self.sample(image, segments=own, target=target).explain(target))
        return found

    @torch.inference_mode()
    def sample(
        self, image: Tensor, *, segments: IntArray | None = None, target: int | None = None
    ) -> PerturbationSample:
        """The classifier's outputs, in evaluation mode, on one image (C, H, W) under the masks of the settings.

        `target` is the class that `auto` looks at; None is the one that is predicted.
        """
        check_images(image[None])
        segments = _own_segments(image, segments, self.settings)
        # a stream for each image, named by its pixels: the images explained before or beside it change nothing
        content = hashlib.sha256(image.cpu().contiguous().numpy().tobytes()).hexdigest()
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
        if NORMAL_95 * found.standard_errors.max() <= self.settings.precision:
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
        self.superpixels = int(segments.max()) + 1
        [self.plain] = self._outputs(torch.ones(1, self.superpixels), None)
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
        """(N, classes) probabilities under masks (N, d)."""
        classifier = self.explainer.classifier
        classifier.eval()
        limit = CPU_CHUNK_BYTES if classifier.device.type == "cpu" else CHUNK_BYTES
        most = limit // (self.image.numel() * self.image.element_size())
        chunk = max(1, min(CHUNK_IMAGES, classifier.comfortable_batch, most))
        outputs = []
        for part in torch.arange(len(masks)).tensor_split(-(-len(masks) // chunk)):  # with no small one at the end
            asked = masks[None, part].to(classifier.device)
            behind = None if chosen is None else chosen[None, part]
            outputs.append(classifier(self.perturber(asked, self.generator, behind)[0]).softmax(1))
        return torch.cat(outputs).cpu()

    def _sample(self) -> PerturbationSample:
        masks, weights, outputs = (torch.cat(parts) for parts in list(zip(*self.parts, strict=True))[:3])
        return PerturbationSample(
            self.segments, masks, weights, outputs, self.plain, self.explainer.settings, self._known(masks)
        )

    def _known(self, masks: Tensor) -> KnownPart | None:
        control = self.explainer.control
        if control is None:
            return None
        mixtures = control.known(self.segments)
        contributions = mixtures.contributions(self.image[None].cpu(), self.plain[None])[0]
        chosen = torch.cat([part[3] for part in self.parts if part[3] is not None])
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


def _own_segments(image: Tensor, given: IntArray | None, settings: LimeSettings) -> IntArray:
    if given is None:
        return segment(image, settings.superpixels, settings.n_segments)
    if given.shape != image.shape[1:]:
        raise InputError(f"Segments must have the image's shape {tuple(image.shape[1:])}; found {given.shape}.")
    check_segments(given)
    return given


def explain(
    classifier: Classifier,
    images: Tensor,
    *,
    targets: Sequence[int] | Tensor | None = None,
    settings: LimeSettings = LimeSettings(),
    background: Tensor | None = None,
    segments: Sequence[IntArray] | None = None,
    seed: int = 0,
) -> list[Explanation]:
    """Why the classifier gives each of images (B, C, H, W) its class in `targets`, or the class it predicts.

    `background` (M, C, H, W) are the training images that the fill `data` draws from. `segments` replaces the
    superpixels of the settings. An explanation depends on the seed and the image alone, not on the images beside it.
    Raises `InputError` for images outside [0, 1] and superpixels that skip a label.

    >>> from explainfb import LimeSettings, TrainingSettings, explain, load_task, train
    >>> task = load_task("digits-decoy")
    >>> classifier = train(task, settings=TrainingSettings(steps=100))
    >>> lime = LimeSettings(n_samples=200)
    >>> first, second = explain(classifier, task.shifted.images[:2], settings=lime, background=task.train.images)
    >>> first.weights.shape, first.heatmap().shape
    ((49,), (28, 28))
    """
    explainer = Explainer(classifier, settings=settings, background=background, seed=seed)
    return explainer(images, targets=targets, segments=segments)
