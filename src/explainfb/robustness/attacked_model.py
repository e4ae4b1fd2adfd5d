"""A classifier as attacks see it, and which of the images that they return count."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier
from explainfb.core.types import Norm

BoolArray = npt.NDArray[np.bool_]
ROUNDING = 1e-6
"""By how much a float32 image may overstep epsilon."""


class AttackedModel(nn.Module):
    """A classifier as attacks see it: always with a gradient, if only zero, and noting outputs that are not finite
    though the images were."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier
        self.finite = True

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(images)
        # an attack may lose its way and feed NaN: then NaN is no fault of the classifier
        sound = torch.isfinite(images).flatten(1).all(1)
        self.finite = self.finite and bool(torch.isfinite(logits[sound]).all())
        # a network that detaches its input has no gradient, and attacks would raise; with one of 0 they run, and the
        # sanity checks say so
        if images.requires_grad and not logits.requires_grad:
            logits = logits + 0 * images.flatten(1).sum(1, keepdim=True)
        return logits

    @torch.no_grad()
    def wrong(self, images: Tensor, labels: Tensor) -> Tensor:
        """(N,): which images it gets wrong."""
        return wrong_outputs(self(images), labels)


def wrong_outputs(outputs: Tensor, labels: Tensor) -> Tensor:
    """(N,): whether the decision is not the label; an output that is not finite decides nothing, so is wrong."""
    wrong: Tensor = (outputs.argmax(1) != labels) | ~torch.isfinite(outputs).all(1)
    return wrong


@contextmanager
def attacked(classifier: Classifier) -> Iterator[AttackedModel]:
    """The classifier in evaluation mode with its parameters frozen; afterwards both are as they were."""
    modes = [(module, module.training) for module in classifier.modules()]
    required = [(parameter, parameter.requires_grad) for parameter in classifier.parameters()]
    try:
        # attacks need the gradient of pixels alone; Foolbox's backward() would fill those of the parameters as well
        classifier.requires_grad_(False)
        yield AttackedModel(classifier).eval()
    finally:
        for module, training in modes:
            module.training = training
        for parameter, was_required in required:
            parameter.requires_grad_(was_required)


def verified(
    target: AttackedModel, images: Tensor, candidates: Tensor, labels: Tensor, norm: Norm, epsilon: float
) -> BoolArray:
    """(N,): which candidates are adversarial: finite, in [0, 1], within `epsilon`, and the decision is wrong."""
    pixels = candidates.flatten(1)
    change = (candidates.double() - images.double()).flatten(1)  # float32 would round the difference once more
    length = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    allowed = (torch.isfinite(pixels) & (pixels >= 0) & (pixels <= 1)).all(1) & (length <= epsilon + ROUNDING)
    # what is not allowed is no attack, and NaN need not be shown to a network
    judged = torch.where(allowed.view(-1, 1, 1, 1), candidates, images)
    adversarial: BoolArray = (allowed & target.wrong(judged, labels)).cpu().numpy()
    return adversarial
