"""Hiding superpixels: what is put in their place decides what an explanation can show.

`zero` and `mean` show whether what is there matters. `data`, the same place in other training images (the background
distribution of Lundberg & Lee 2017), also shows what something foreign in that place would do.
"""

from typing import get_args

import torch
import torchvision.transforms.functional as TF
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.explanations.settings import Fill
from explainfb.explanations.superpixels import pool


class Perturber:
    """Hides superpixels of images.

    `zero` is black; `mean` the mean colour of each superpixel, as in the `lime` package; `blur` the image without
    detail finer than an eighth of it; `noise` uniform in [0, 1]; `data` the same place in a background image. The last
    two are drawn anew for each mask.
    """

    def __init__(self, images: Tensor, segments: Tensor, fill: Fill, background: Tensor | None = None) -> None:
        """images (B, C, H, W) in [0, 1]; segments (B, H, W); background (M, C, H, W), which only `data` needs."""
        if fill not in get_args(Fill):
            raise InputError(f"Unknown fill {fill!r}; expected one of {', '.join(get_args(Fill))}.")
        if fill == "data":
            _check_background(background, images)
        self.images = images
        self.background = background
        self.fill = fill
        self.pixels = segments.flatten(1).unsqueeze(1)  # (B, 1, H·W)
        self.fixed = _fixed_fill(fill, images, segments)

    def __call__(self, masks: Tensor, generator: torch.Generator, chosen: Tensor | None = None) -> Tensor:
        """(B, N, C, H, W): the images under masks (B, N, d), with what is 0 in a mask hidden.

        `chosen` (B, N) says which background image is behind each mask; None draws them.
        """
        batch, count = masks.shape[:2]
        shown = masks.to(self.images).gather(2, self.pixels.expand(-1, count, -1))  # (B, N, H·W)
        shown = shown.view(batch, count, 1, *self.images.shape[2:])
        if self.fixed is not None:
            # exact where shown is 0 or 1, and one new tensor where z ⊙ x + (1 − z) ⊙ b needs several
            return torch.lerp(self.fixed, self.images.unsqueeze(1), shown)
        return self._draw(count, generator, chosen).lerp_(self.images.unsqueeze(1), shown)

    def _draw(self, count: int, generator: torch.Generator, chosen: Tensor | None) -> Tensor:
        """(B, count, C, H, W), a tensor that may be overwritten."""
        batch, *shape = self.images.shape
        # drawn on the CPU wherever the images are, so that every device hides with the same pixels
        if self.fill == "noise":
            return torch.rand(batch, count, *shape, generator=generator).to(self.images)
        assert self.background is not None
        if chosen is None:
            chosen = torch.randint(len(self.background), (batch, count), generator=generator)
        drawn = self.background.index_select(0, chosen.flatten().to(self.background.device))
        return drawn.view(batch, count, *shape).to(self.images)


def _check_background(background: Tensor | None, images: Tensor) -> None:
    if background is None or not len(background):
        raise InputError("The fill 'data' needs background images; give some training images as background.")
    if background.shape[1:] != images.shape[1:]:
        raise InputError(
            f"Background images must have the shape {tuple(images.shape[1:])} of the images explained; "
            f"found {tuple(background.shape[1:])}."
        )


def _fixed_fill(fill: Fill, images: Tensor, segments: Tensor) -> Tensor | None:
    """The same for every mask: (B, 1, C, H, W) or a shape that broadcasts to it; None where it is drawn for each."""
    match fill:
        case "zero":
            return images.new_zeros(1, 1, 1, 1, 1)
        case "mean":
            means = pool(images, segments, int(segments.max()) + 1)  # (B, C, d)
            index = segments.flatten(1).unsqueeze(1).expand(-1, images.shape[1], -1)  # (B, C, H·W)
            return means.gather(2, index).view_as(images).unsqueeze(1)
        case "blur":
            side = min(images.shape[2:]) / 8
            size = 2 * max(1, round(side)) + 1
            rows = TF.gaussian_blur(images, [1, size], sigma=side / 2)  # one direction at a time is far faster
            both: Tensor = TF.gaussian_blur(rows, [size, 1], sigma=side / 2)
            return both.unsqueeze(1)
        case "noise" | "data":
            return None
