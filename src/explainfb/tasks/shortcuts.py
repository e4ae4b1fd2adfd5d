"""Shortcuts: a patch that gives the label away in training and says nothing in testing.

`grey` is the swatch of Ross et al. 2017 (a grey level in a random corner); `position` is a white patch whose place on
the image's frame is the label.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.tasks.settings import Kind as Kind

LEVELS = 250
"""How many of the 8-bit grey levels 255, 254 … 6 can stand for a class."""


@dataclass(frozen=True)
class Shortcut:
    """How the patch is drawn on images of one size."""

    kind: Kind
    classes: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.kind not in ("position", "grey"):
            raise InputError(f"Unknown shortcut {self.kind!r}; expected 'position' or 'grey'.")
        if min(self.height, self.width) < 3 * self.side:
            raise InputError(f"A shortcut needs images of at least 6×6 pixels; found {self.height}×{self.width}.")
        if self.kind == "grey" and self.classes > LEVELS:
            raise InputError(f"The grey shortcut tells at most {LEVELS} classes apart; found {self.classes}.")
        if self.kind == "position" and self.classes > len(self.frame_corners()):
            raise InputError(
                f"{self.classes} classes do not fit on the frame of a {self.height}×{self.width} image, which holds "
                f"{len(self.frame_corners())} patches; use the grey shortcut or larger images."
            )

    @property
    def side(self) -> int:
        """The patch's side in pixels: 4 on a 28×28 image."""
        return max(2, round(min(self.height, self.width) / 7))

    def frame_corners(self) -> list[tuple[int, int]]:
        """(row, column) of the upper left pixel of each patch that fits on the frame, clockwise."""
        rows = self._starts(self.height)
        columns = self._starts(self.width)
        top = [(rows[0], column) for column in columns]
        right = [(row, columns[-1]) for row in rows[1:]]
        bottom = [(rows[-1], column) for column in reversed(columns[:-1])]
        left = [(row, columns[0]) for row in reversed(rows[1:-1])]
        return top + right + bottom + left

    def _starts(self, length: int) -> list[int]:
        return [int(start) for start in np.linspace(0, length - self.side, length // self.side).round()]

    def plant(self, images: Tensor, shown_classes: Tensor, *, seed: int) -> tuple[Tensor, Tensor]:
        """Draw on copies of `images` (N, C, H, W) the patch that stands for `shown_classes` (N,).

        Returns the images and a mask (N, H, W) of where the patch is. Raises `InputError` for images of another size.
        """
        if images.shape[2:] != (self.height, self.width):
            raise InputError(
                f"The shortcut is drawn on {self.height}×{self.width} images; found {tuple(images.shape[2:])}."
            )
        return self.draw(images, shown_classes, self.corners(len(images), seed=seed))

    @staticmethod
    def corners(count: int, *, seed: int) -> Tensor:
        """(count,) the number of the corner that each grey patch is in."""
        return torch.randint(4, (count,), generator=torch_generator(seed, "grey corner"))

    def draw(self, images: Tensor, shown_classes: Tensor, corners: Tensor) -> tuple[Tensor, Tensor]:
        """As `plant`, with grey patches in these corners (N,)."""
        images = images.clone()
        mask = torch.zeros(len(images), self.height, self.width, dtype=torch.bool)
        for index, (row, column, value) in enumerate(self._patches(shown_classes, corners)):
            area = (slice(row, row + self.side), slice(column, column + self.side))
            images[(index, slice(None), *area)] = value
            mask[(index, *area)] = True
        return images, mask

    def _patches(self, shown_classes: Tensor, corners: Tensor) -> list[tuple[int, int, float]]:
        frame = self.frame_corners()
        if self.kind == "position":
            return [(*frame[int(shown) * len(frame) // self.classes], 1.0) for shown in shown_classes]
        places = [(row, column) for row in (0, self.height - self.side) for column in (0, self.width - self.side)]
        step = LEVELS / self.classes
        drawn = zip(corners.tolist(), shown_classes, strict=True)
        return [(*places[corner], (255 - step * int(shown)) / 255) for corner, shown in drawn]

    def possible_area(self) -> Tensor:
        """(H, W) mask of wherever the patch of any class can be: the frame, or its four corners."""
        mask = torch.zeros(self.height, self.width, dtype=torch.bool)
        mask[: self.side] = mask[-self.side :] = True
        mask[:, : self.side] = mask[:, -self.side :] = True
        if self.kind == "grey":
            mask[self.side : -self.side] = False
            mask[:, self.side : -self.side] = False
        return mask
