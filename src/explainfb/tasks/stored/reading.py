"""The pictures of one part of a folder, decoded: in memory where they are few, else kept on the disk in 8 bits."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import torch
from torch import Tensor

from explainfb.core.progress import with_progress_bar
from explainfb.tasks.folder_layout import mask_file
from explainfb.tasks.image_io import decode, read_mask, square
from explainfb.tasks.problems import FileError, Problem
from explainfb.tasks.settings import Fit
from explainfb.tasks.stored.cache import Record, keep, name_of
from explainfb.tasks.stored.on_demand import on_demand, too_many

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, eq=False)
class Part:
    """Pictures that are used together, in the order of their hashes."""

    images: Tensor
    """(N, C, H, W) float32 in [0, 1]; C is 1 where every file of the folder is grey, else 3."""
    labels: Tensor
    """(N,) int64."""
    relevance: Tensor | None
    """(N, H, W) bool, from `name.relevance.png`; None where there are no such files."""
    shortcut: Tensor | None
    """(N, H, W) bool, from `name.shortcut.png`; None where there are no such files."""
    groups: Tensor | None = None
    """(N,) int64, from `groups.csv`; None where there is none."""


@dataclass(frozen=True)
class Picture:
    """A picture whose header was read, and which is not decoded yet."""

    path: Path
    part: str
    """`train`, `validation`, `test` or `shifted` as the folder says, or `all` where it does not."""
    label: int
    digest: bytes
    grey: bool
    several: bool
    """Whether other pictures lie behind it in its file."""

    @property
    def place(self) -> float:
        """In [0, 1), by its own content alone, so that one more picture moves no other to another side."""
        return int.from_bytes(self.digest[:8], "big") / 2**64


@dataclass(frozen=True, eq=False)
class PartRead:
    """A part, and what was seen while it was read."""

    part: Part
    record: Record
    kept: Path | None
    """The file that its pictures are read from as they are used; None where they are in memory."""
    problems: list[Problem]
    """What is wrong with files that could not be read."""

    @property
    def lost(self) -> list[float]:
        """The share of each picture that a square leaves out."""
        return [1 - min(size) / max(size) for size in self.record.sizes]


class _DamagedError(Exception):
    """Some pictures could not be decoded, so that nothing is kept."""

    def __init__(self, sizes: dict[int, tuple[int, int]], problems: list[Problem]) -> None:
        self.sizes, self.problems = sizes, problems
        super().__init__(problems)


def each(items: Sequence[T], doing: str, do: Callable[[T], U]) -> tuple[list[U], list[Problem]]:
    """What `do` gives for each of the items, and what is wrong with the files of the others."""
    found, problems = [], []
    for item in with_progress_bar(items, doing):
        try:
            found.append(do(item))
        except FileError as error:
            problems.append(error.problem)
    return found, problems


def read_part(pictures: Sequence[Picture], kinds: Sequence[str], colours: str, side: int, fit: Fit) -> PartRead:
    """The pictures as tensors, with their masks of these kinds; problems where some cannot be read."""
    shape = (len(pictures), len(colours), side, side)
    images: Tensor
    kept, problems = None, []
    try:
        if too_many(shape):
            name = name_of((picture.digest for picture in pictures), colours, side, fit)
            source = keep(name, shape, lambda file: _decode(pictures, colours, side, fit, file))
            images, record, kept = on_demand(source, shape), source.record, source.path
        else:
            memory = io.BytesIO()
            record = _decode(pictures, colours, side, fit, memory)
            levels = torch.frombuffer(memory.getbuffer(), dtype=torch.uint8).view(shape)
            images = levels.float().div_(255)
        sizes = dict(enumerate(record.sizes))
    except _DamagedError as error:
        images, record, sizes, problems = torch.zeros(0, *shape[1:]), Record([], 0), error.sizes, error.problems
    masks, wrong = _read_masks(pictures, sizes, kinds, side, fit)
    labels = torch.tensor([picture.label for picture in pictures], dtype=torch.int64)
    part = Part(images, labels, masks.get("relevance"), masks.get("shortcut"))
    return PartRead(part, record, kept, [*problems, *wrong])


def _decode(pictures: Sequence[Picture], colours: str, side: int, fit: Fit, file: IO[bytes]) -> Record:
    """Write the levels of all pictures, (C, side, side) each, one after another."""
    sizes: dict[int, tuple[int, int]] = {}
    brightest = 0

    def read(index: int) -> None:
        nonlocal brightest
        image = decode(pictures[index].path, colours)
        levels = square(image, side, fit).reshape(side, side, -1)
        brightest = max(brightest, int(np.max(levels)))
        sizes[index] = image.size
        file.write(np.moveaxis(levels, -1, 0).tobytes())

    _, problems = each(range(len(pictures)), "Reading the pictures", read)
    if problems:
        raise _DamagedError(sizes, problems)
    return Record(list(sizes.values()), brightest)


def _read_masks(
    pictures: Sequence[Picture], sizes: Mapping[int, tuple[int, int]], kinds: Sequence[str], side: int, fit: Fit
) -> tuple[dict[str, Tensor], list[Problem]]:
    """(N, side, side) bool by kind: the masks of the pictures with these sizes, and what is wrong with the others."""
    found = {kind: torch.zeros(len(pictures), side, side, dtype=torch.bool) for kind in kinds}

    def read(index: int) -> None:
        for kind in kinds:
            found[kind][index] = read_mask(mask_file(pictures[index].path, kind), sizes[index], side, fit)

    _, problems = each(list(sizes) if kinds else [], "Reading the masks", read)
    return found, problems
