"""Counterexamples: training images whose irrelevant superpixels show other training images (Teso & Kersting 2019).

    x' = z ⊙ x + (1 − z) ⊙ b,    z_s = 0 where v_s < mean_t v_t, else 1

v_s is the mean of a relevance map over superpixel s, b an image drawn from the background. Labels stay, so that a
classifier learns that what is in irrelevant superpixels does not matter. Teso & Kersting ask people to mark these
pixels; here a relevance map says where they are, such as that of a reward learned from comparisons.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.explanations.perturbation import Perturber
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.superpixels import batch_superpixels, pool
from explainfb.finetuning.batches import Batch

RelevanceMap = Callable[[Tensor, Tensor], Tensor]
"""(images (B, C, H, W), which images of the split they are (B,)) → (B, H, W): how relevant each pixel is; only
differences within an image count."""


@dataclass(frozen=True, eq=False)
class Counterexamples:
    """Makes counterexamples of the first images of a batch; may mark the irrelevant pixels of all, for a penalty."""

    relevance_map: RelevanceMap
    background: Tensor
    """(M, C, H, W) in [0, 1]: what irrelevant superpixels show."""
    lime: LimeSettings
    """Of which `superpixels` and `n_segments` count."""
    share: float
    """Of the batch, in [0, 1]; the other images stay as they are."""
    mark_irrelevant: bool
    """Whether `Batch.irrelevant` is set, which `irrelevant_gradient` needs."""
    generator: torch.Generator
    """Where background images are drawn from."""

    def __call__(self, classifier: Classifier, batch: Batch) -> Batch:
        changed = round(self.share * len(batch))
        asked = len(batch) if self.mark_irrelevant else changed  # no map is computed of images that stay as they are
        if asked == 0:
            return batch
        images = batch.images
        segments = batch_superpixels(images[:asked], self.lime.superpixels, self.lime.n_segments).to(images.device)
        relevance = self.relevance_map(images[:asked], batch.index[:asked])  # (asked, H, W)
        irrelevant = irrelevant_pixels(relevance, segments) if self.mark_irrelevant else None
        if changed:
            first = (images[:changed], segments[:changed], relevance[:changed])
            shown = make_counterexamples(*first, background=self.background, generator=self.generator)
            images = torch.cat([shown, images[changed:]])
        return replace(batch, images=images, irrelevant=irrelevant)


def make_counterexamples(
    images: Tensor, segments: Tensor, relevance_map: Tensor, *, background: Tensor, generator: torch.Generator
) -> Tensor:
    """Images (B, C, H, W) with all their irrelevant superpixels from one background image (M, C, H, W) each."""
    shown = (~irrelevant_superpixels(relevance_map, segments)).float()  # (B, d)
    return Perturber(images, segments, "data", background)(shown[:, None], generator)[:, 0]  # one mask an image


def irrelevant_superpixels(relevance_map: Tensor, segments: Tensor) -> Tensor:
    """(B, d) bool: superpixels of segments (B, H, W) whose relevance (B, H, W) is below their image's mean.

    The mean is over superpixels, whatever their size; labels that an image does not have are never irrelevant.
    """
    count = int(segments.max()) + 1
    values = pool(relevance_map[:, None], segments, count)[:, 0]  # (B, d)
    own = torch.arange(count, device=segments.device) <= segments.flatten(1).amax(1, keepdim=True)  # (B, d)
    mean = (values * own).sum(1, keepdim=True) / own.sum(1, keepdim=True)
    return own & (values < mean)


def irrelevant_pixels(relevance_map: Tensor, segments: Tensor) -> Tensor:
    """(B, H, W) bool: the pixels of irrelevant superpixels."""
    return irrelevant_superpixels(relevance_map, segments).gather(1, segments.flatten(1)).view_as(segments)
