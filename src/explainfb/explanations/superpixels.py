"""Image → superpixels: the pieces that an explanation speaks about."""

import hashlib
import warnings
from collections import OrderedDict
from threading import Lock
from typing import get_args

import numpy as np
import numpy.typing as npt
import skimage.segmentation
import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.types import BoolArray, FloatArray, IntArray
from explainfb.explanations.settings import LimeSettings, Method

TRIES = 6
"""How often an image is cut anew, to come nearer to the number of superpixels that was asked for."""
CLOSE = 0.1
"""A number of superpixels that is this share off is near enough."""
KEPT_BYTES = 2**28
"""Divisions that are kept in memory: those of 1,337 images of 224×224."""


def check_segments(segments: IntArray | npt.NDArray[np.int32]) -> None:
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

    `count` is how many superpixels are asked for. slic and quickshift follow what is in the picture: they are tried
    with a few settings, and the division is taken whose number is nearest, within a tenth for most pictures. It is
    kept in memory: the same picture is not cut twice. A picture in which they find one superpixel alone is cut by a
    grid, with a warning. Raises `InputError` when the method is unknown, or two do not fit on the image.
    """
    _, height, width = image.shape
    if method == "grid":
        segments = grid(height, width, count)
        check_segments(segments)
        return segments
    if method not in get_args(Method):
        raise InputError(f"Unknown superpixels {method!r}; expected one of {', '.join(get_args(Method))}.")
    pixels = image.detach().cpu().contiguous().numpy()
    key = hashlib.sha256(pixels.tobytes() + repr((pixels.shape, method, count)).encode()).digest()
    kept = _KEPT.get(key)
    if kept is None:
        kept = _nearest_in_number(pixels, method, count).astype(np.int32)
        if np.max(kept) == 0:  # one such picture must not end the explanation of all others
            warnings.warn(
                f"{method} finds a single superpixel in some pictures, which may be grainy or even; these are cut by a "
                "grid instead.",
                stacklevel=2,
            )
            kept = grid(height, width, count).astype(np.int32)
        check_segments(kept)
        _KEPT.put(key, kept)
    return kept.astype(np.int64)


def own_segments(image: Tensor, given: IntArray | None, settings: LimeSettings) -> IntArray:
    """(H, W) labels of image (C, H, W): those `given`, or those that the settings ask for."""
    if given is None:
        return segment(image, settings.superpixels, settings.n_segments)
    if given.shape != image.shape[1:]:
        raise InputError(f"Segments must have the image's shape {tuple(image.shape[1:])}; found {given.shape}.")
    check_segments(given)
    return given


def _nearest_in_number(pixels: FloatArray, method: Method, count: int) -> IntArray:
    """(H, W) labels of pixels (C, H, W), of those tried the division whose number of superpixels is nearest."""
    colours = np.moveaxis(pixels.astype(np.float64), 0, -1)
    colours = colours if colours.shape[-1] == 3 else np.repeat(colours[..., :1], 3, axis=-1)
    asked, best = float(count), None
    for _ in range(TRIES):
        # both may skip labels
        found = np.unique(_cut(colours, method, asked), return_inverse=True)[1].reshape(colours.shape[:2])
        number = int(np.max(found)) + 1
        if best is None or abs(number - count) < abs(int(np.max(best)) + 1 - count):
            best = found
        if abs(number - count) <= CLOSE * count:
            break
        asked *= count / number  # where it gave too few, more are asked for in the same proportion
    assert best is not None
    return best.astype(np.int64)


def _cut(colours: FloatArray, method: Method, asked: float) -> IntArray:
    """(H, W) labels of an image (H, W, 3), about `asked` of them, as far as the picture lets it."""
    if method == "slic":
        # labels from 0: by default they begin at 1, and a superpixel 0 without pixels would be explained too
        found = skimage.segmentation.slic(colours, n_segments=max(2, round(asked)), compactness=10.0, start_label=0)
    else:
        # lime's own kernel and distance are for photographs, and leave a 28×28 image one superpixel or two
        side = (colours.shape[0] * colours.shape[1] / asked) ** 0.5
        found = skimage.segmentation.quickshift(colours, kernel_size=max(1.0, side / 6), max_dist=side, ratio=0.2)
    return np.asarray(found, dtype=np.int64)


class _Kept:
    """The divisions used last, as many as fit into so many bytes."""

    def __init__(self, most: int) -> None:
        self.most, self.bytes = most, 0
        self.found: OrderedDict[bytes, npt.NDArray[np.int32]] = OrderedDict()
        self.lock = Lock()

    def get(self, key: bytes) -> npt.NDArray[np.int32] | None:
        with self.lock:
            if key in self.found:
                self.found.move_to_end(key)
            return self.found.get(key)

    def put(self, key: bytes, segments: npt.NDArray[np.int32]) -> None:
        with self.lock:
            if key not in self.found:
                self.bytes += segments.nbytes
            self.found[key] = segments
            while self.bytes > self.most and len(self.found) > 1:
                self.bytes -= self.found.popitem(last=False)[1].nbytes


_KEPT = _Kept(KEPT_BYTES)


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
