"""What a classifier's convolutions see at each place of an image, for a reward to read beside the pixels.

A classifier that has learned a shortcut has features of it, wherever in the image it lies; pixels seen through a small
window do not tell a shortcut from the object as well. The outputs of several convolutions at one place, brought to one
grid, are a hypercolumn (Hariharan et al. 2015).
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, fingerprint
from explainfb.core.errors import InputError

MOST_CELLS = 16
"""The grid has a cell for every four pixels, and so many a side at most."""


@dataclass(frozen=True, eq=False)
class ClassifierFeatures:
    """The features of one classifier, which stay as they are while a copy of it is tuned.

    >>> import torch
    >>> from explainfb import ClassifierFeatures, TrainingSettings, load_task, train
    >>> task = load_task("digits")
    >>> classifier = train(task, settings=TrainingSettings(steps=10))  # a LeNet: convolutions of 16 and 32 channels
    >>> ClassifierFeatures(classifier)(task.train.images[:5]).shape
    torch.Size([5, 96, 7, 7])
    """

    classifier: Classifier

    @property
    def fingerprint(self) -> str:
        """The same for classifiers of equal weights, and for no others."""
        return fingerprint(self.classifier)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """(B, F, h, w) of images (B, C, H, W): what speaks for each channel of a convolution, then what against it.

        Of the convolutions with outputs of one size it is the last of the narrowest, where a network has put most into
        least; those with less than half of the grid's cells a side are left out. Raises `InputError` for a network
        without convolutions.
        """
        height, width = (min(MOST_CELLS, -(-side // 4)) for side in images.shape[2:])
        by_size: dict[tuple[int, ...], Tensor] = {}
        for output in _convolved(self.classifier, images):
            size = tuple(output.shape[2:])
            large = all(2 * have >= want for have, want in zip(size, (height, width), strict=True))
            if large and (size not in by_size or output.shape[1] <= by_size[size].shape[1]):
                by_size[size] = output
        if not by_size:
            raise InputError(
                f"The classifier {self.classifier.architecture.name} has no convolutions whose features a reward could "
                "read; set reward.features to pixels."
            )
        halves = [half for each in by_size.values() for half in (each.relu(), (-each).relu())]
        return torch.cat([F.adaptive_avg_pool2d(half, (height, width)) for half in halves], dim=1)


def _convolved(classifier: Classifier, images: Tensor) -> list[Tensor]:
    """What every convolution of the classifier gives for the images, in the order of computation."""
    found: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        found.append(output)

    hooks = [each.register_forward_hook(keep) for each in classifier.modules() if isinstance(each, nn.Conv2d)]
    was_training = classifier.training
    try:
        classifier.eval()(images)
    finally:
        classifier.train(was_training)
        for hook in hooks:
            hook.remove()
    return found
