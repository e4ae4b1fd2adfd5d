"""What planted shortcuts are drawn with: a colour for each class, text, and backgrounds without their object."""

import colorsys
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

GOLDEN = 0.618034
"""Hues this far apart, in turns, stay apart however many there are."""
OUTLINE = (0, 0, 0, 255)
INK = (255, 255, 255, 235)


def colour_of(label: int, channels: int) -> Tensor:
    """(channels, 1, 1) in [0, 1]: a bright colour, or a grey, that no other class has."""
    if channels != 3:
        return torch.full((channels, 1, 1), 1 - (label * GOLDEN) % 1)
    return torch.tensor(colorsys.hsv_to_rgb((0.08 + label * GOLDEN) % 1, 0.85, 0.95)).view(3, 1, 1)


@lru_cache(maxsize=64)  # pictures are drawn a few at a time, and a long text is measured at many sizes
def text_of(text: str, height: int, width: int, share: float) -> tuple[Tensor, Tensor]:
    """The text as wide letters with a dark rim at the lower left of an image: (2, H, W) grey and opacity in [0, 1],
    and (H, W) bool, the box that it fills. Its letters are `share` of the image high, or less where it is too long."""
    canvas = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw, rim, size = ImageDraw.Draw(canvas), max(1, height // 100), max(6, round(share * height))
    while size > 6 and _length(draw, text, size, rim) > 0.94 * width:
        size -= 1
    font = ImageFont.load_default(size)
    place = (max(1, width // 40), height - max(1, height // 40))
    draw.text(place, text, font=font, fill=INK, anchor="ld", stroke_width=rim, stroke_fill=OUTLINE)
    box = draw.textbbox(place, text, font=font, anchor="ld", stroke_width=rim)
    left, top, right, bottom = (round(end) for end in box)
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[max(0, top) : bottom, max(0, left) : right] = True
    pixels = torch.from_numpy(np.array(canvas)).float() / 255  # (H, W, 4)
    return torch.stack([pixels[..., 0], pixels[..., 3]]), mask


def _length(draw: ImageDraw.ImageDraw, text: str, size: int, rim: int) -> float:
    left, _, right, _ = draw.textbbox((0, 0), text, font=ImageFont.load_default(size), stroke_width=rim)
    return right - left


def without_object(image: Tensor, relevance: Tensor) -> Tensor:
    """(C, H, W): the image with its object painted over by what is around it.

    What is not known is taken from smaller and smaller copies (the pull-push of Gortler et al. 1996).
    """
    known = (~relevance).float()[None, None]
    if not bool(known.any()):
        return image.mean((1, 2), keepdim=True).expand_as(image)
    return _filled(image[None] * known, known)[0]


def _filled(total: Tensor, weight: Tensor) -> Tensor:
    """(1, C, H, W): `total / weight` where there is weight, else what a copy half as large has there."""
    here = total / weight.clamp_min(1e-6)
    if bool((weight > 0).all()):
        return here
    smaller = [F.avg_pool2d(part, 2, ceil_mode=True) for part in (total, weight)]
    above = F.interpolate(_filled(*smaller), size=total.shape[2:], mode="bilinear", align_corners=False)
    return torch.where(weight > 0, here, above)
