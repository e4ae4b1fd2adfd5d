"""Training images whose unwanted superpixels show other training images.

Where the reward holds weight against an explanation, what is there should not matter; a classifier learns that from
images in which it is exchanged and the label is not (the counterexamples of Teso & Kersting 2019, with what people
preferred in place of what they marked).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from explainfb.explanations.perturbation import Perturber
from explainfb.explanations.superpixels import pool

RelevanceMap = Callable[[Tensor, Tensor], Tensor]
"""(images (B, C, H, W), which images of the split they are (B,)) → (B, H, W): how much weight is wanted at each place;
only differences within an image count."""


def irrelevant_superpixels(relevance_map: Tensor, segments: Tensor) -> Tensor:
    """(B, d) bool: superpixels of segments (B, H, W) that are worth (B, H, W) less than their image's mean.

    The mean is over superpixels; labels that an image does not have are never unwanted.
    """
    count = int(segments.max()) + 1
    values = pool(relevance_map[:, None], segments, count)[:, 0]
    own = torch.arange(count, device=segments.device) <= segments.flatten(1).amax(1, keepdim=True)
    mean = (values * own).sum(1, keepdim=True) / own.sum(1, keepdim=True)
    return own & (values < mean)


def irrelevant_pixels(relevance_map: Tensor, segments: Tensor) -> Tensor:
    """(B, H, W) bool: the pixels of unwanted superpixels."""
    return irrelevant_superpixels(relevance_map, segments).gather(1, segments.flatten(1)).view_as(segments)


def make_counterexamples(
    images: Tensor, segments: Tensor, relevance_map: Tensor, *, background: Tensor, generator: torch.Generator
) -> Tensor:
    """Images (B, C, H, W) with all their unwanted superpixels from one background image (M, C, H, W) each."""
    shown = (~irrelevant_superpixels(relevance_map, segments)).float()
    return Perturber(images, segments, "data", background)(shown[:, None], generator)[:, 0]
