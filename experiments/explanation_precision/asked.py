"""What is explained: one image of a classifier, asked about under masks."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.core.types import IntArray
from explainfb.explanations.control_variate import MIXTURES, ControlVariate, fit_control_variate
from explainfb.explanations.explainer import Explainer
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.perturbation import Perturber
from explainfb.explanations.settings import LimeSettings, Sampling
from explainfb.explanations.superpixels import segment

CHUNK = 128
"""Perturbed images that the classifier is given at a time."""
EXPLANATIONS = 250
"""How many explanations share what is paid once for a classifier; a round of a study asks about 250 pairs."""
SHAPES: Mapping[Sampling, LimeSettings] = {
    "leverage": LimeSettings(),
    "kernelshap": LimeSettings(sampling="kernelshap"),
    "lime": LimeSettings(sampling="lime"),
}


@dataclass(eq=False)
class Case:
    """A classifier, the images that are explained and those that stand behind what is hidden."""

    name: str
    classifier: Classifier
    images: Tensor
    """(B, C, H, W)"""
    background: Tensor
    """(M, C, H, W)"""
    controls: dict[int, ControlVariate] = field(default_factory=dict)
    """By seed."""
    explainers: dict[tuple[Sampling, bool, int], Explainer] = field(default_factory=dict)

    def explain(self, place: int, masks: int, sampling: Sampling, seed: int, *, control: bool) -> Explanation:
        """This project's explanation of one image."""
        key = (sampling, control, seed)
        if key not in self.explainers:
            self.explainers[key] = self._explainer(*key)
        asked = copy(self.explainers[key])
        asked.settings = replace(asked.settings, n_samples=masks)
        return asked(self.images[[place]])[0]

    def control(self, seed: int) -> ControlVariate:
        """The distilled model, which is the same for every way to draw masks."""
        if seed not in self.controls:
            settings = SHAPES["leverage"]
            self.controls[seed] = fit_control_variate(self.classifier, self.background, settings=settings, seed=seed)
        return self.controls[seed]

    def _explainer(self, sampling: Sampling, control: bool, seed: int) -> Explainer:
        explainer = Explainer(self.classifier, settings=SHAPES[sampling], background=self.background, seed=seed)
        if control:
            fitted = self.control(seed)
            explainer.control = ControlVariate(
                fitted.background, fitted.answers, fitted.maps, SHAPES[sampling], seed, fitted.explained
            )
        return explainer

    def forget(self, seed: int) -> None:
        """Give back the memory of what a seed knows."""
        self.controls.pop(seed, None)
        for key in [key for key in self.explainers if key[2] == seed]:
            del self.explainers[key]

    @property
    def shared(self) -> int:
        """Passes an explanation of what the control variate asks once: mixtures, and every background image."""
        return -(-(MIXTURES + len(self.background)) // EXPLANATIONS)

    @property
    def shared_backgrounds(self) -> int:
        """The same for a method that asks about every background image alone."""
        return -(-len(self.background) // EXPLANATIONS)


class Asked:
    """The predicted class's probability of one image under masks, and how often it was asked for."""

    def __init__(self, case: Case, place: int) -> None:
        self.case, self.image = case, case.images[place]
        self.segments: IntArray = segment(self.image, SHAPES["leverage"].superpixels, SHAPES["leverage"].n_segments)
        self.superpixels = int(np.max(self.segments)) + 1
        self.perturber = Perturber(
            self.image[None], torch.from_numpy(self.segments)[None], SHAPES["leverage"].fill, case.background
        )
        with torch.inference_mode():
            plain = case.classifier(self.image[None]).softmax(1)[0]
        self.target, self.plain = int(plain.argmax()), float(plain.max())
        self.empty = float(case.control(0).answers[:, self.target].double().mean())
        """The mean over all background images."""
        self.passes = 0

    @torch.inference_mode()
    def __call__(self, masks: Tensor, chosen: Tensor) -> Tensor:
        """(N,) for masks (N, d) with the background images `chosen` (N,) behind them."""
        found, unused = [], torch.Generator()
        for part in torch.arange(len(masks)).split(CHUNK):
            images = self.perturber(masks[None, part], unused, chosen[None, part])[0]
            found.append(self.case.classifier(images).softmax(1)[:, self.target])
        self.passes += len(masks)
        return torch.cat(found).double()
