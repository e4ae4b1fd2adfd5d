"""Explanations laid over their images: one drawing, for the app, the report, notebooks and files.

The photograph gives a pixel its lightness and the weight of its superpixel gives it its colour, in CIELAB: a weight has
the same colour (a*, b*) over black as over white. Superpixels within their noise stay grey.
"""

import base64
import io
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import skimage.color
from matplotlib.colors import to_hex
from PIL import Image
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.types import BoolArray, FloatArray, IntArray

Pixels = npt.NDArray[np.floating]
Number = TypeVar("Number", np.float64, np.int64)
SIDE = 224
"""Smaller images are drawn about this large, each pixel a square: enough for a phone's dense screen."""
LARGEST = 640
"""Larger images are resampled to this many pixels on their longer side."""
PHOTO = 64
"""Images at least this high are stored as JPEG; smaller ones, drawn with hard pixels, as PNG."""
COUNTED = 0.1
"""Where errors are unknown, a superpixel counted when its weight is at least this share of the largest."""
GAP = 8
"""Pixels between an image and its explanation in a file."""
HIDDEN = 0.5
"""The grey of superpixels that are left out."""
DARKEST, LIGHTEST = 43.0, 75.0
"""Lightness L* of black and of white under an explanation: between them screens show both full colours."""
CHROMA = 52.0
"""Of the full colour."""
ORANGE, PURPLE = (np.array([np.cos(hue), np.sin(hue)]) for hue in np.radians([65.0, 312.0]))
"""Directions in the plane of a* and b*. They differ most from blue to yellow, which nearly all colour-blind see."""
OUTLINE = 7.0
"""How much darker an outline is, in L*."""


class Drawable(Protocol):
    """What is drawn of an `Explanation`, which has all of it, and draws itself by what stands here."""

    @property
    def segments(self) -> IntArray:
        """(H, W) labels of superpixels."""

    @property
    def weights(self) -> FloatArray:
        """(d,)"""

    @property
    def standard_errors(self) -> FloatArray | None:
        """(d,)"""

    @property
    def probability(self) -> float:
        """Of the class."""

    @property
    def name(self) -> str:
        """Of the class."""

    @property
    def quality(self) -> str:
        """How far it can be relied on, in words."""

    def top(self, count: int | None = None) -> IntArray:
        """The strongest superpixels."""


def save_overlay(image: Tensor | Pixels, explanation: Drawable, path: Path | str) -> None:
    """Write a picture of an explanation: the image on the left, and on the right the weight of each superpixel.

    `image` (C, H, W), C 1 or 3, in [0, 1] is the one that was explained. Orange speaks for the explained class and
    purple against it; the largest weight has the full colour, and what does not stand out from its standard error has
    none. The file's ending, such as `.png`, says its format. `Explanation.save` writes a legend as well. Raises
    `InputError` for an image of another shape than the explanation's, and where the file cannot be written.

    >>> from explainfb import LimeSettings, TrainingSettings, explain, load_task, save_overlay, train
    >>> task = load_task("digits-decoy")
    >>> classifier = train(task, settings=TrainingSettings(steps=100))
    >>> (why,) = explain(classifier, task.shifted.images[:1], settings=LimeSettings(n_samples=100, fill="zero"))
    >>> save_overlay(task.shifted.images[0], why, "why.png")
    """
    pixels = checked(image, explanation)
    plain, tinted = plain_pixels(pixels), drawn(pixels, explanation, row_scale(explanation))
    gap = np.ones((plain.shape[0], GAP, 3))
    write(_picture(np.concatenate([plain, gap, tinted], axis=1)).save, path)


def picture(image: FloatArray) -> str:
    """A data URI of `image` (C, H, W) in [0, 1], one channel or three."""
    return _encode(plain_pixels(image), photo=image.shape[1] >= PHOTO)


def overlay(
    image: FloatArray, explanation: Drawable, scale: float, *, strength: float = 1.0, top: int | None = None
) -> str:
    """A data URI of `drawn`."""
    pixels = drawn(image, explanation, scale, strength=strength, top=top)
    return _encode(pixels, photo=image.shape[1] >= PHOTO)


def supporting(image: FloatArray, explanation: Drawable, top: int | None = None) -> str:
    """A data URI of `alone`."""
    return _encode(alone(image, explanation, top), photo=image.shape[1] >= PHOTO)


def heat(image: FloatArray | None, values: FloatArray, scale: float) -> str:
    """A data URI of `values` (H, W) in colours from −`scale` to `scale`, over `image` (C, H, W) where there is one."""
    shares = np.clip(at_size(values) / max(scale, 1e-12), -1, 1)
    return _encode(_coloured(_lightness(image, shares.shape, 1.0), shares), photo=values.shape[0] >= PHOTO)


def drawn(
    image: FloatArray, explanation: Drawable, scale: float, *, strength: float = 1.0, top: int | None = None
) -> FloatArray:
    """(h, w, 3) in [0, 1]: the image in grey, each superpixel outlined and coloured by its weight.

    ±`scale`, in units of probability, is the full colour. Only what stands out from its error is coloured, or the `top`
    strongest of it, and has a coloured outline, or a frame where it is alone. `strength` in [0, 1] says how much of the
    picture is colour; at 0 the grey image is left. Images up to 640 pixels are drawn at their own size or larger.
    """
    labels = at_size(explanation.segments)
    counted = _counted(explanation, top)
    shares = np.where(counted, np.clip(explanation.weights / max(scale, 1e-12), -1, 1), 0.0)[labels]
    lightness, outline = _lightness(image, labels.shape, strength), _outline(labels)
    # the sign alone, so that a weak piece that stands out is told from one that does not
    shares[outline] = np.where(counted, np.sign(explanation.weights), 0.0)[labels[outline]]
    lightness[outline] -= OUTLINE * strength
    pixels = _coloured(lightness, strength * shares)
    if counted.sum() == 1 and strength > 0:  # half light and half dark, it would be taken for two
        frame = _outline(labels, 3) & counted[labels]
        pixels[frame] = _coloured(_lightness(None, labels.shape, 1.0), np.sign(explanation.weights)[labels])[frame]
    return pixels


def alone(image: FloatArray, explanation: Drawable, top: int | None = None) -> FloatArray:
    """(h, w, 3) in [0, 1]: the superpixels that stand out, or the `top` strongest of them, on plain grey.

    They are shown as they are in the image. Those that speak for the class have an orange outline and those against it
    a purple one. Where errors are unknown, what has a tenth of the largest weight counts as standing out.
    """
    labels, counted = at_size(explanation.segments), _counted(explanation, top)
    if explanation.standard_errors is None:
        counted &= np.abs(explanation.weights) >= COUNTED * np.abs(explanation.weights).max()
    outline = _outline(labels, 3) & counted[labels]
    pixels = np.where(counted[labels][..., None], plain_pixels(image), HIDDEN)
    signs = np.sign(explanation.weights)[labels]
    pixels[outline] = _coloured(_lightness(None, labels.shape, 1.0), signs)[outline]
    return pixels


def row_scale(*explanations: Drawable) -> float:
    """The largest absolute weight of the explanations that are to be compared; 1 where all are zero."""
    return max(float(np.abs(e.weights).max()) for e in explanations) or 1.0


def scale_colours(count: int = 9) -> list[str]:
    """The scale from its lowest to its highest value as `#rrggbb`, over middle grey, for a legend."""
    shares = np.linspace(-1, 1, count)[None]
    return [to_hex(colour) for colour in _coloured(_lightness(None, shares.shape, 1.0), shares)[0]]


def _counted(explanation: Drawable, top: int | None) -> BoolArray:
    """(d,)"""
    counted = np.zeros(explanation.weights.shape, dtype=np.bool_)
    counted[explanation.top(top)] = True
    return counted


def _lightness(image: FloatArray | None, shape: tuple[int, ...], strength: float) -> FloatArray:
    """(h, w) L* of the image, brought between `DARKEST` and `LIGHTEST` as far as `strength` says."""
    if image is None:
        return np.full(shape, (DARKEST + LIGHTEST) / 2)
    lightness: FloatArray = skimage.color.rgb2lab(plain_pixels(image))[..., 0]
    return (1 - strength) * lightness + strength * (DARKEST + (LIGHTEST - DARKEST) / 100 * lightness)


def _coloured(lightness: FloatArray, shares: FloatArray) -> FloatArray:
    """(h, w, 3) in [0, 1]: lightness (h, w) with as much orange as shares (h, w) are above 0, or purple below."""
    hues = np.where(shares[..., None] > 0, ORANGE, PURPLE)
    lab = np.concatenate([lightness[..., None], CHROMA * np.abs(shares)[..., None] * hues], axis=-1)
    pixels: FloatArray = np.clip(skimage.color.lab2rgb(lab), 0, 1)
    return pixels


def _outline(labels: IntArray, width: int = 1) -> BoolArray:
    """(h, w) pixels of a superpixel that are at most `width` from another."""
    found = np.zeros(labels.shape, dtype=np.bool_)
    for step in range(1, width + 1):
        for own, other in ((labels, found), (labels.T, found.T)):
            differs = own[step:] != own[:-step]
            other[step:] |= differs
            other[:-step] |= differs
    return found


def checked(image: Tensor | Pixels, explanation: Drawable) -> FloatArray:
    if not isinstance(image, Tensor | np.ndarray):
        raise InputError(
            f"Found {type(image).__name__} as the image; give the tensor or array (C, H, W) in [0, 1] that was "
            "explained, or none where the explanation has its image."
        )
    pixels = np.asarray(image.detach().cpu() if isinstance(image, Tensor) else image, dtype=np.float64)
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3) or pixels.shape[1:] != explanation.segments.shape:
        height, width = explanation.segments.shape
        raise InputError(
            f"The explanation is of an image (1 or 3, {height}, {width}); found {pixels.shape}. Give the one image "
            "that was explained."
        )
    if not 0 <= np.min(pixels) <= np.max(pixels) <= 1:
        raise InputError(
            f"Pixels must lie in [0, 1]; found {np.min(pixels):g} to {np.max(pixels):g}. Divide 8-bit pictures by 255."
        )
    return pixels


def plain_pixels(image: Pixels) -> FloatArray:
    """(h, w, 3) in [0, 1]: the image (C, H, W) in its colours, at the size that it is drawn."""
    colour = image if image.shape[0] == 3 else image[:1].repeat(3, axis=0)
    pixels: FloatArray = np.clip(np.moveaxis(colour, 0, -1), 0, 1).astype(np.float64)
    height, width = _drawn_size(pixels.shape)
    if height < pixels.shape[0]:
        resampled = _picture(pixels).resize((width, height), Image.Resampling.LANCZOS)
        return np.asarray(resampled, dtype=np.float64) / 255
    return at_size(pixels)


def _drawn_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of the picture of something (H, W, …)."""
    height, width, longest = *shape[:2], max(shape[:2])
    if longest > LARGEST:
        return max(1, round(height * LARGEST / longest)), max(1, round(width * LARGEST / longest))
    factor = max(1, SIDE // longest)
    return height * factor, width * factor


def at_size(values: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Values (H, W, …) at the size of their picture; nothing is smoothed, so that superpixels keep their edges."""
    height, width = _drawn_size(values.shape)
    rows = (np.arange(height) + 0.5) * values.shape[0] // height
    columns = (np.arange(width) + 0.5) * values.shape[1] // width
    chosen: npt.NDArray[Number] = values[rows.astype(np.int64)][:, columns.astype(np.int64)]
    return chosen


def write(save: Any, path: Path | str | io.BytesIO, **options: Any) -> None:
    try:
        save(path, **options)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be written ({error}); give a name such as why.png in a folder.") from error


def _picture(pixels: FloatArray) -> Image.Image:
    return Image.fromarray(np.round(255 * pixels).astype(np.uint8))


def _encode(pixels: FloatArray, *, photo: bool) -> str:
    buffer = io.BytesIO()
    if photo:
        _picture(pixels).save(buffer, format="JPEG", quality=85, subsampling=0)  # outlines are thin and coloured
    else:
        # not optimised, which takes ten times as long for a tenth less: somebody may be waiting for it
        _picture(pixels).save(buffer, format="PNG")
    kind = "jpeg" if photo else "png"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
