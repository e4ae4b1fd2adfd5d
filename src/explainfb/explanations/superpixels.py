"""Image → superpixels: the pieces that an explanation speaks about, and how much of it lies on a mask."""

from typing import TYPE_CHECKING, get_args

import numpy as np
import skimage.segmentation
import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.types import BoolArray, FloatArray, IntArray
from explainfb.explanations.settings import Method

if TYPE_CHECKING:
    from explainfb.explanations.explanation import Explanation


def check_segments(segments: IntArray) -> None:
    """Raise `InputError` unless labels are 0 … d−1, each used, and there are at least two.

    A label that is skipped would be a superpixel that is hidden without effect; one that starts at 1 leaves a
    superpixel that is never hidden.
    """
    labels = np.unique(segments)
    if not np.array_equal(labels, np.arange(len(labels))):
        missing = sorted(set(range(int(labels[-1]) + 1)) - set(labels.tolist()))
        raise InputError(
            f"Superpixel labels must be 0 … d−1 without gaps; found {labels[0]} … {labels[-1]} "
            f"without {missing[:5]}. Relabel them with skimage.segmentation.relabel_sequential."
        )
    if len(labels) < 2:
        raise InputError("Only one superpixel was found; an explanation needs at least two. Ask for smaller ones.")


def grid(height: int, width: int, count: int) -> IntArray:
    """(H, W) labels of a checkerboard of about `count` cells, as nearly square as the image is."""
    rows = max(1, min(height, round((count * height / width) ** 0.5)))
    columns = max(1, min(width, round(count / rows)))
    row = np.arange(height) * rows // height
    column = np.arange(width) * columns // width
    segments: IntArray = (row[:, None] * columns + column[None, :]).astype(np.int64)
    return segments


def segment(image: Tensor, method: Method = "grid", count: int = 49) -> IntArray:
    """(H, W) labels 0 … d−1 of one image (C, H, W) in [0, 1].

    `count` is how many superpixels are asked for; slic and quickshift give about as many as the picture suggests.
    Raises `InputError` when the method is unknown or finds fewer than two.
    """
    _, height, width = image.shape
    if method == "grid":
        segments = grid(height, width, count)
    else:
        pixels = image.detach().cpu().movedim(0, -1).numpy().astype(np.float64)
        pixels = pixels if pixels.shape[-1] == 3 else np.repeat(pixels[..., :1], 3, axis=-1)
        if method == "slic":
            # labels from 0: by default they begin at 1, and a superpixel 0 without pixels would be explained too
            found = skimage.segmentation.slic(pixels, n_segments=count, compactness=10.0, start_label=0)
        elif method == "quickshift":
            # lime's own kernel and distance are for photographs, and leave a 28×28 image one superpixel or two
            side = (height * width / count) ** 0.5
            found = skimage.segmentation.quickshift(pixels, kernel_size=max(1.0, side / 6), max_dist=side, ratio=0.2)
        else:
            raise InputError(f"Unknown superpixels {method!r}; expected one of {', '.join(get_args(Method))}.")
        # both may skip labels
        segments = np.unique(found, return_inverse=True)[1].reshape(height, width).astype(np.int64)
    check_segments(segments)
    return segments


def batch_superpixels(images: Tensor, method: Method, count: int) -> Tensor:
    """(B, H, W) labels of images (B, C, H, W), on the CPU."""
    if method == "grid":  # the same for every image, so one in memory serves them all
        return torch.from_numpy(segment(images[0], method, count)).expand(len(images), -1, -1)
    return torch.from_numpy(np.stack([segment(image, method, count) for image in images]))


def pool(maps: Tensor, segments: Tensor, count: int) -> Tensor:
    """(B, M, d): the mean of maps (B, M, H, W) over each superpixel of segments (B, H, W)."""
    index = segments.flatten(1).unsqueeze(1).expand(-1, maps.shape[1], -1)  # (B, M, H·W)
    sums = maps.new_zeros(*index.shape[:2], count).scatter_add(2, index, maps.flatten(2))
    sizes = maps.new_zeros(*index.shape[:2], count).scatter_add(2, index, torch.ones_like(maps).flatten(2))
    return sums / sizes.clamp_min(1)


def coverage(mask: BoolArray, segments: IntArray) -> FloatArray:
    """(d,) in [0, 1]: the share of the pixels of each superpixel of segments (H, W) that lie on mask (H, W).

    What `pool` is for a batch, for one image and in double precision.
    """
    labels = segments.ravel()
    shares: FloatArray = np.bincount(labels, weights=mask.ravel()) / np.bincount(labels)
    return shares


def relevance_mass(explanation: "Explanation", relevance: BoolArray) -> float:
    """The share in [0, 1] of the explanation's absolute weight that lies on `relevance` (H, W).

    The weight of a superpixel is spread evenly over its pixels. An explanation without any weight gets 0.
    """
    inside = coverage(relevance, explanation.segments)  # (d,)
    strength = np.abs(explanation.weights)
    total = float(strength.sum())
    return float((strength * inside).sum()) / total if total > 0 else 0.0
