"""Shortcuts that lie elsewhere in every image: no mask that is the same for all images covers them alone.

For images of an object on black, whose masks of the object are known. Lengths are in pixels of a 28×28 image, and grow
with it.

    ring     a white patch beside or on the object; in which direction it lies tells the class
    canvas   object and a white bar anywhere on a canvas twice as wide and high; the bar's length tells the class
    two      ring, and the patch on the image's frame that the -decoy tasks have
    stripe   a white stripe two pixels wide across the object; its angle tells the class
    texture  waves behind the object; their angle tells the class
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from explainfb.core.seeding import torch_generator
from explainfb.tasks.shortcuts import Shortcut
from explainfb.tasks.task import Split, Task

Plant = Callable[[Split, Tensor, int, torch.Generator], tuple[Tensor, Tensor]]
"""(images of an object with its mask, classes (N,) that the shortcuts are to say, how many classes there are, where
chance is drawn from) → images (N, C, H, W) with the shortcut and masks (N, H, W) bool of where it is."""


def ring(split: Split, shown: Tensor, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    images, scale = split.images, _scale(split.images)
    side = max(2, round(4 * scale))
    angle = 2 * math.pi * (shown + _uniform(-0.1, 0.1, len(split), generator)) / classes
    away = scale * _uniform(8, 10, len(split), generator)
    row, column = _middle(images)
    return _with_patches(images, row + away * angle.sin(), column + away * angle.cos(), images.new_ones(side, side))


def stripe(split: Split, shown: Tensor, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    images, scale = split.images, _scale(split.images)
    angle = math.pi * (shown + _uniform(-0.2, 0.2, len(split), generator)) / classes
    beside = scale * _uniform(-2, 2, len(split), generator)
    down, right = _from_middle(images)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    near = (down * cosine - right * sine - beside[:, None, None]).abs() < scale
    mask = near & ((down * sine + right * cosine).abs() < 12 * scale)
    return torch.where(mask[:, None], 1.0, images), mask


def texture(split: Split, shown: Tensor, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    assert split.relevance is not None
    angle = math.pi * shown / classes
    begin = _uniform(0, 2 * math.pi, len(split), generator)
    down, right = _from_middle(split.images)
    along = down * angle.sin()[:, None, None] + right * angle.cos()[:, None, None]
    waves = 0.15 + 0.15 * (2 * math.pi * along / (5 * _scale(split.images)) + begin[:, None, None]).sin()
    mask = ~split.relevance
    return torch.where(mask[:, None], waves[:, None], split.images), mask


def two(split: Split, shown: Tensor, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    images, beside = ring(split, shown, classes, generator)
    frame = Shortcut("position", classes, *images.shape[2:])
    images, on_frame = frame.plant(images, shown, seed=0)  # the place on the frame has nothing random
    return images, beside | on_frame


def anywhere(split: Split, shown: Tensor, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A white bar at a random place, longer with each class, up to half of the image's width."""
    images = split.images
    unit = max(1, images.shape[3] // (2 * classes))
    length = unit * (1 + torch.arange(classes))
    bars = (torch.arange(unit * classes) < length[:, None]).float()  # (classes, longest)
    bars = bars[:, None].expand(-1, 4, -1)
    row = _uniform(0, images.shape[2], len(split), generator)
    column = _uniform(0, images.shape[3], len(split), generator)
    return _with_patches(images, row, column, bars[shown])


SPLITS = ("train", "validation", "clean")
PLANTS: dict[str, Plant] = {"ring": ring, "canvas": anywhere, "two": two, "stripe": stripe, "texture": texture}


def with_image_shortcut(task: Task, kind: str, *, rate: float, seed: int) -> Task:
    """`task`, whose images have masks of their object, with the shortcut called `kind`: in a share `rate` of its
    training and validation images, and, saying a random class, in its test images."""
    plant, classes = PLANTS[kind], len(task.class_names)
    if kind == "canvas":
        train, validation, clean = (_on_canvas(getattr(task, name), name, seed) for name in SPLITS)
        task = replace(task, train=train, validation=validation, clean=clean)

    def mark(split: Split, name: str, shown: Tensor, rate: float) -> Split:
        generator = torch_generator(seed, kind, name)
        images, mask = plant(split, shown, classes, generator)
        carries = torch.rand(len(split), generator=generator) < rate
        images = torch.where(carries[:, None, None, None], images, split.images)
        mask &= carries[:, None, None]
        assert split.relevance is not None
        return Split(images, split.labels, split.relevance & ~mask, mask, torch.where(carries, shown, -1))

    random_class = torch.randint(classes, (len(task.clean),), generator=torch_generator(seed, kind, "random class"))
    return replace(
        task,
        name=f"{task.name}-{kind}",
        train=mark(task.train, "train", task.train.labels, rate),
        validation=mark(task.validation, "validation", task.validation.labels, rate),
        shifted=mark(task.clean, "shifted", random_class, 1.0),
        train_without_shortcut=task.train,
        validation_without_shortcut=task.validation,
    )


def _on_canvas(split: Split, name: str, seed: int) -> Split:
    """Each image at a random place of a black canvas twice as high and wide."""
    count, channels, height, width = split.images.shape
    generator = torch_generator(seed, "canvas", "places", name)
    rows = torch.randint(height + 1, (count,), generator=generator).tolist()
    columns = torch.randint(width + 1, (count,), generator=generator).tolist()
    images = split.images.new_zeros(count, channels, 2 * height, 2 * width)
    relevance = torch.zeros(count, 2 * height, 2 * width, dtype=torch.bool)
    assert split.relevance is not None
    for index, (row, column) in enumerate(zip(rows, columns, strict=True)):
        images[index, :, row : row + height, column : column + width] = split.images[index]
        relevance[index, row : row + height, column : column + width] = split.relevance[index]
    return Split(images, split.labels, relevance)


def _with_patches(images: Tensor, row: Tensor, column: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W), white where one of patches (h, w) or (N, h, w) is above 0; masks of where that is.

    Each is put around its (row, column), and moved inside.
    """
    height, width = patches.shape[-2:]
    top = (row - height / 2).round().clamp(0, images.shape[2] - height).long().tolist()
    left = (column - width / 2).round().clamp(0, images.shape[3] - width).long().tolist()
    mask = torch.zeros(len(images), *images.shape[2:], dtype=torch.bool)
    patches = patches.expand(len(images), height, width)
    for index, (first, start) in enumerate(zip(top, left, strict=True)):
        mask[index, first : first + height, start : start + width] = patches[index] > 0
    return images.masked_fill(mask[:, None], 1.0), mask


def _scale(images: Tensor) -> float:
    return min(images.shape[2:]) / 28


def _uniform(low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)


def _middle(images: Tensor) -> tuple[Tensor, Tensor]:
    """(N,) row and (N,) column of each image's centre of brightness."""
    bright = images.mean(1).clamp_min(1e-6)  # so that a black image has its middle
    rows, columns = (torch.arange(length, dtype=torch.float32) + 0.5 for length in bright.shape[1:])
    total = bright.sum((1, 2))
    return (bright.sum(2) @ rows) / total, (bright.sum(1) @ columns) / total


def _from_middle(images: Tensor) -> tuple[Tensor, Tensor]:
    """(N, H, 1) and (N, 1, W): how far below, and to the right of, its image's centre of brightness a pixel lies."""
    row, column = _middle(images)
    rows, columns = (torch.arange(length, dtype=torch.float32) + 0.5 for length in images.shape[2:])
    return rows[None, :, None] - row[:, None, None], columns[None, None] - column[:, None, None]
