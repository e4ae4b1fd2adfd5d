"""Pictures as they were decoded, in 8 bits in a file, so that only those in use need be in memory.

A file is named by what it was made from: the pictures' bytes in their order, their size and colours, how they were
squared, and the Pillow that did it. It has its name only once all of it is on the disk, and its record comes after it.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
import PIL
import torch
from filelock import FileLock
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.files import LEAST_SPACE, read_json, write_json, write_whole

FOLDER = "EXPLAINFB_CACHE"
"""The environment variable that says where pictures are kept."""
VERSION = "1"
"""Of how pictures are decoded: with another one, what was kept before is not used."""


@dataclass(frozen=True)
class Record:
    """What is known of the kept pictures without a look at them."""

    sizes: list[tuple[int, int]]
    """(width, height) of each picture as it was, upright."""
    brightest: int
    """The highest level of all, up to 255."""


@dataclass(frozen=True, eq=False)
class KeptPictures:
    """The file, as the source of images (N, C, H, W)."""

    path: Path
    shape: tuple[int, ...]
    record: Record

    def read(self, rows: Tensor) -> Tensor:
        """(n, C, H, W) float32 in [0, 1]; `InputError` where the file is gone."""
        try:
            # mapped anew each time: what stays mapped counts as memory of the process once it was looked at
            levels = np.memmap(self.path, np.uint8, "r", shape=self.shape)[rows.numpy()]
        except (OSError, ValueError) as error:
            raise InputError(
                f"The pictures kept in {self.path} are gone or cut short ({error}); run the same command again, and "
                "they are kept anew."
            ) from error
        return torch.from_numpy(levels).float().div_(255)


def cache_folder() -> Path:
    """Where pictures are kept: what the variable EXPLAINFB_CACHE says, or a folder among the user's cached files."""
    if given := os.environ.get(FOLDER):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "explainfb"


def name_of(contents: Iterable[bytes], *settings: object) -> str:
    """The name of what is made of files with these digests, in this order, by these settings."""
    digest = hashlib.sha256("\n".join(map(str, (VERSION, PIL.__version__, *settings))).encode())
    for content in contents:
        digest.update(content)
    return digest.hexdigest()[:32]


def keep(name: str, shape: Sequence[int], write: Callable[[IO[bytes]], Record]) -> KeptPictures:
    """The pictures called `name`, of `shape` (N, C, H, W); where they are not kept yet, `write` writes their levels in
    that order and says what is known of them.

    Raises `InputError` where there is no room, or the folder cannot be written; what `write` raises leaves nothing.
    """
    path, shape = cache_folder() / f"{name}.pixels", tuple(shape)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # one of several processes writes, and the others wait for it
        with FileLock(path.with_suffix(".lock")):
            record = _known(path, prod(shape)) or _written(path, prod(shape), write)
    except OSError as error:
        raise InputError(
            f"Pictures that are too many for memory are kept in {path.parent}, where nothing can be written ({error}); "
            f"set the environment variable {FOLDER} to a folder of yours."
        ) from error
    return KeptPictures(path, shape, record)


def _known(path: Path, size: int) -> Record | None:
    """The record of what is kept; None where it is not all there."""
    try:
        found = read_json(_record(path))
        sizes = [(int(width), int(height)) for width, height in found["sizes"]]
        return Record(sizes, int(found["brightest"])) if path.stat().st_size == size else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _written(path: Path, size: int, write: Callable[[IO[bytes]], Record]) -> Record:
    free = shutil.disk_usage(path.parent).free
    if free < size + LEAST_SPACE:
        raise InputError(
            f"These pictures are too many for memory. In 8 bits they take {size / 2**30:.1f} GB in {path.parent}, "
            f"where {free / 2**30:.1f} GB are free; make room, or set the environment variable {FOLDER} to another "
            "folder."
        )
    found = []

    def write_all(partial: Path) -> None:
        with partial.open("wb") as file:
            found.append(write(file))

    try:
        write_whole(path, write_all, noted=False)
        write_json(asdict(found[0]), _record(path))
    finally:  # what a kill leaves behind is written over by the next who needs it
        path.with_name(f"{path.name}.partial").unlink(missing_ok=True)
    return found[0]


def _record(path: Path) -> Path:
    return path.with_suffix(".json")
