"""A small sound classifier of scikit-learn's digits, 8×8, and ways to make it look more robust than it is."""

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, build_classifier, clone
from explainfb.classifiers.networks import Architecture
from explainfb.core.seeding import torch_generator
from explainfb.robustness.attacked_model import AttackedModel
from explainfb.robustness.attacks import Attacker
from explainfb.robustness.settings import AttackSettings

ARCHITECTURE = Architecture("lenet", 10, 1, 8, 8, (0.305,), (0.376,))


def digits() -> tuple[Tensor, Tensor]:
    """All 1,797 images (N, 1, 8, 8) in [0, 1] in a random order, and their labels."""
    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch_generator(0, "digits"))
    return torch.tensor(pixels / 16).float().view(-1, 1, 8, 8)[order], torch.tensor(labels)[order]


@functools.cache
def trained(name: str = ARCHITECTURE.name) -> Classifier:
    """Trained on all but the first 100 images."""
    images, labels = (part[100:] for part in digits())
    classifier, generator = build_classifier(replace(ARCHITECTURE, name=name)).train(), torch_generator(0, "batches")
    optimizer = torch.optim.Adam(classifier.parameters(), 3e-3)
    for _ in range(15):
        for batch in torch.randperm(len(images), generator=generator).split(64):
            optimizer.zero_grad()
            F.cross_entropy(classifier(images[batch]), labels[batch]).backward()
            optimizer.step()
    return classifier.eval()


IMAGES, LABELS = (part[:100] for part in digits())
"""Those that it was not trained on."""


def correct() -> np.ndarray:
    """(M,): which of `IMAGES` the trained classifier gets right."""
    return np.flatnonzero((trained()(IMAGES).argmax(1) == LABELS).numpy())


def attacker(classifier: nn.Module, norm: str = "linf", settings: AttackSettings | None = None) -> Attacker:
    """Of `IMAGES`."""
    return Attacker(AttackedModel(classifier).eval(), IMAGES, LABELS, norm, settings or AttackSettings(), 0)


class Changed(Classifier):
    """A classifier whose forward pass is wrapped."""

    def __init__(self, classifier: Classifier, wrap: Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]) -> None:
        super().__init__(classifier.architecture, clone(classifier).network)
        self.wrap = wrap

    def forward(self, images: Tensor) -> Tensor:
        return self.wrap(super().forward, images)


def changed(wrap: Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]) -> Classifier:
    """The trained classifier with `wrap(forward, images)` in place of its forward pass."""
    return Changed(trained(), wrap).eval()
