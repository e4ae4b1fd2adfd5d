"""Explanations laid over their images: colours that the colour-blind tell apart, superpixels outlined."""

import base64
import io
from pathlib import Path
from typing import TypeVar

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import skimage.segmentation
from matplotlib.colors import to_hex
from PIL import Image
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.types import Explanation, FloatArray, IntArray

Number = TypeVar("Number", np.float64, np.int64)
SIDE = 224
"""Pictures are drawn about this many pixels high: enough for a phone's dense screen, small enough for a page."""
PHOTO = 64
"""Images at least this high are stored as JPEG; smaller ones, drawn with hard pixels, as PNG."""
COUNTED = 0.1
"""A superpixel counted for a class when its weight is at least this share of the largest."""
GAP = 8
"""Pixels between an image and its explanation in a file."""
HIDDEN = 0.5
"""The grey of superpixels that did not count."""
COLOURS = "PuOr_r"
"""Brewer's purple to orange: purple speaks against the class, orange for it."""


def save_overlay(image: Tensor | FloatArray, explanation: Explanation, path: Path | str) -> None:
    """Write a picture of an explanation: the image on the left, and on the right the weight of each superpixel.

    `image` (C, H, W), C 1 or 3, in [0, 1] is the one that was explained. Orange speaks for the explained class and
    purple against it; the largest weight has the full colour. The file's ending, such as `.png`, says its format.
    Raises `InputError` for an image of another shape than the explanation's, and where the file cannot be written.

    >>> from explainfb import LimeSettings, TrainingSettings, explain, load_task, save_overlay, train
    >>> task = load_task("digits-decoy")
    >>> classifier = train(task, settings=TrainingSettings(steps=100))
    >>> (why,) = explain(classifier, task.shifted.images[:1], settings=LimeSettings(n_samples=100, fill="zero"))
    >>> save_overlay(task.shifted.images[0], why, "why.png")
    """
    pixels = np.asarray(image.detach().cpu() if isinstance(image, Tensor) else image, dtype=np.float64)
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3) or pixels.shape[1:] != explanation.segments.shape:
        height, width = explanation.segments.shape
        raise InputError(
            f"The explanation is of an image (1 or 3, {height}, {width}); found {pixels.shape}. Give the one image "
            "that was explained."
        )
    plain = np.clip(_enlarge(np.moveaxis(_colour(pixels), 0, -1)), 0, 1)
    tinted = _overlaid(pixels, explanation.heatmap(), row_scale(explanation), explanation.segments, strength=1.0)
    gap = np.ones((plain.shape[0], GAP, 3))
    sheet = Image.fromarray(np.round(255 * np.concatenate([plain, gap, tinted], axis=1)).astype(np.uint8))
    try:
        sheet.save(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be written ({error}); give a name such as why.png in a folder.") from error


def picture(image: FloatArray) -> str:
    """A data URI of `image` (C, H, W) in [0, 1], one channel or three."""
    pixels = np.clip(_enlarge(np.moveaxis(_colour(image), 0, -1)), 0, 1)
    return _encode(pixels, photo=image.shape[1] >= PHOTO)


def overlay(image: FloatArray, explanation: Explanation, scale: float, *, strength: float = 1.0) -> str:
    """A data URI of the image in grey, tinted by the weight of each superpixel; ±`scale` is the full colour.

    `strength` in [0, 1] says how much of the picture is colour; at 0 the grey image is left.
    """
    return heat(image, explanation.heatmap(), scale, segments=explanation.segments, strength=strength)


def supporting(image: FloatArray, explanation: Explanation) -> str:
    """A data URI of the image where it counted for the class, and of plain grey where it did not."""
    weights = explanation.weights
    counted = (weights > 0) & (weights >= COUNTED * weights.max())
    places = _enlarge(counted.astype(np.int64)[explanation.segments]) == 1
    shown = np.where(places[..., None], _enlarge(np.moveaxis(_colour(image), 0, -1)), HIDDEN)
    return _encode(np.clip(shown, 0, 1), photo=image.shape[1] >= PHOTO)


def heat(
    image: FloatArray | None,
    values: FloatArray,
    scale: float,
    segments: IntArray | None = None,
    *,
    strength: float = 1.0,
) -> str:
    """A data URI of `values` (H, W) in colours from −`scale` to `scale`, over `image` (C, H, W) where there is one."""
    return _encode(_overlaid(image, values, scale, segments, strength=strength), photo=values.shape[0] >= PHOTO)


def _overlaid(
    image: FloatArray | None, values: FloatArray, scale: float, segments: IntArray | None, *, strength: float
) -> FloatArray:
    """(h, w, 3) in [0, 1], the size that a picture is drawn at."""
    colours = _tint(_enlarge(values) / max(scale, 1e-12))
    if image is not None:
        grey = np.clip(_enlarge(_colour(image).mean(0)), 0, 1)[..., None]
        colours = strength * colours * (0.6 + 0.4 * grey) + (1 - strength) * grey
    if segments is not None:
        border = skimage.segmentation.find_boundaries(_enlarge(segments), mode="inner")
        colours[border] *= 1 - 0.14 * strength
    return np.clip(colours, 0, 1)


def row_scale(*explanations: Explanation) -> float:
    """The largest absolute weight of the explanations that are to be compared; 1 where all are zero."""
    return max(float(np.abs(e.weights).max()) for e in explanations) or 1.0


def scale_colours(count: int = 9) -> list[str]:
    """The scale from its lowest to its highest value as `#rrggbb`, for a legend."""
    return [to_hex(colour) for colour in _tint(np.linspace(-1, 1, count)[None])[0]]


def _tint(values: FloatArray) -> FloatArray:
    """(H, W) in [−1, 1] → (H, W, 3); the darkest tenth of the map at either end is left out."""
    colours = mpl.colormaps[COLOURS](0.5 + 0.4 * np.clip(values, -1, 1))
    tinted: FloatArray = np.asarray(colours, dtype=np.float64)[..., :3]
    return tinted


def _colour(image: FloatArray) -> FloatArray:
    return image if image.shape[0] == 3 else np.repeat(image[:1], 3, axis=0)


def _enlarge(values: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Repeat pixels until the picture is about `SIDE` high; leave out some where it is larger.

    Nothing is smoothed: the edges of superpixels must stay where they are.
    """
    height = values.shape[0]
    if height > SIDE:
        step = -(-height // SIDE)
        return values[::step, ::step]
    factor = max(1, SIDE // height)
    return values.repeat(factor, axis=0).repeat(factor, axis=1)


def _encode(pixels: FloatArray, *, photo: bool) -> str:
    buffer = io.BytesIO()
    picture = Image.fromarray(np.round(255 * pixels).astype(np.uint8))
    if photo:
        picture.save(buffer, format="JPEG", quality=80)
    else:
        picture.save(buffer, format="PNG", optimize=True)
    kind = "jpeg" if photo else "png"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
