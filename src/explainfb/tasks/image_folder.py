"""A folder of anyone's own pictures, in torchvision's ImageFolder layout: PATH/class/picture.png.

PATH may instead hold train, validation (or val) and test, each with the classes inside. What is not given is taken
from the training pictures by the SHA-256 of their bytes: a fifth for the test and a tenth for validation, so the split
does not depend on names or order, and a copy of a picture is never on both sides.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.progress import with_progress_bar
from explainfb.tasks.image_io import EXTENSIONS, decode, file_bytes, is_grey, read_mask, square

MASKS = ("relevance", "shortcut")
PARTS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"})
"""What desktops and archives leave in folders without being asked."""
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1


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


@dataclass(frozen=True, eq=False)
class Folder:
    """What was read from a folder."""

    class_names: tuple[str, ...]
    """In alphabetical order, as ImageFolder numbers them."""
    train: Part
    validation: Part
    test: Part


@dataclass(frozen=True)
class _Picture:
    """A picture whose header was read, and which is not decoded yet."""

    path: Path
    part: str
    """`train`, `validation` or `test` as the folder says, or empty where it does not."""
    label: int
    digest: bytes
    grey: bool


def read_folder(path: Path, *, image_size: int = 64, train_images: int = 10_000) -> Folder:
    """The pictures under `path`, each turned upright, resized and cropped to its central square of `image_size`.

    Transparent pictures are laid on white; 16-bit greys are brought to 8 bits. At most `train_images` training pictures
    are decoded, the first by hash, a tenth as many for validation, and all of the test's. Raises `InputError` for a
    folder or a file that cannot be used, naming it.
    """
    root = path.expanduser()
    if image_size < 8:
        raise InputError(f"Pictures need a side of at least 8 pixels; found {image_size}.")
    if not root.is_dir():
        raise InputError(f"There is no folder {root}; give one that holds a folder of pictures for each class.")
    parts = _layout(root)
    class_names = _class_names(parts)
    files = [
        (file, "" if part == "all" else part, label)
        for part, folder in parts.items()
        for label, name in enumerate(class_names)
        for file in _picture_files(folder / name)
    ]
    # a folder may hold many more pictures than are used: only those are decoded
    pictures = [_inspect(*file) for file in with_progress_bar(files, "Looking at the pictures")]
    _check_copies(pictures)
    masks = [kind for kind in MASKS if _has_masks(pictures, kind)]
    used = _split(pictures, set(parts), root, class_names, train_images)
    # by all pictures, used or not: how many are used must not change the number of channels
    colours = "L" if all(picture.grey for picture in pictures) else "RGB"
    return Folder(class_names, *(_read(used[part], masks, colours, image_size) for part in used))


def _layout(root: Path) -> dict[str, Path]:
    """Where the classes of each part are; the one key `all` where the folder is not split.

    A class may be called train. Then there are pictures in it; a part holds folders only.
    """
    folders = {entry.name: entry for entry in _visible(root.iterdir(), root) if entry.is_dir()}
    foreign = sorted(folders.keys() - PARTS.keys())
    is_part = "train" in folders and not any(
        entry.suffix.lower() in EXTENSIONS for entry in _visible(folders["train"].iterdir(), root)
    )
    if not folders or (foreign and not is_part):
        return {"all": root}
    named = sorted({PARTS[name] for name in folders if name in PARTS})
    if "train" not in folders or len(named) < len(folders):
        raise InputError(
            f"{root} holds the folders {', '.join(sorted(folders))}; expected either one folder a class, or train with "
            "at most one validation (or val) and one test folder beside it, each holding one folder a class."
        )
    return {PARTS[name]: folder for name, folder in sorted(folders.items())}


def _class_names(parts: dict[str, Path]) -> tuple[str, ...]:
    found = {
        part: tuple(sorted(entry.name for entry in _visible(folder.iterdir(), folder) if entry.is_dir()))
        for part, folder in parts.items()
    }
    expected = found.get("train", found.get("all", ()))
    for part, names in found.items():
        if len(names) < 2:
            raise InputError(
                f"{parts[part]} holds {len(names)} class folder{'' if len(names) == 1 else 's'}"
                f"{': ' + names[0] if names else ''}; expected at least two, with the pictures of one class in each."
            )
        if names != expected:
            odd = sorted(set(names) ^ set(expected))[0]
            raise InputError(
                f"Class {odd!r} is not in both {parts['train']} and {parts[part]}; make the classes equal."
            )
    return expected


def _visible(entries: Iterable[Path], base: Path) -> list[Path]:
    """The entries that neither begin with a dot nor are what a desktop leaves behind, sorted."""
    return sorted(
        entry
        for entry in entries
        if not any(part.startswith(".") or part.lower() in LITTER for part in entry.relative_to(base).parts)
    )


def _picture_files(folder: Path) -> list[Path]:
    """The pictures of one class, at any depth; its mask files are checked to belong to one of them."""
    files = [entry for entry in _visible(folder.rglob("*"), folder) if entry.is_file()]
    masks = [file for file in files if file.suffix == ".png" and Path(file.stem).suffix[1:] in MASKS]
    pictures = [file for file in files if file not in set(masks)]
    for file in pictures:
        if file.suffix.lower() not in EXTENSIONS:
            raise InputError(f"{file} is no picture; move it out of the class folder or convert it to PNG or JPEG.")
    if not pictures:
        raise InputError(f"The class folder {folder} holds no pictures; add some or remove the folder.")
    expected = {_mask_file(picture, kind) for picture in pictures for kind in MASKS}
    for mask in masks:
        if mask not in expected:
            raise InputError(f"The mask {mask} belongs to no picture; name it after one, or move it away.")
    return pictures


def _mask_file(picture: Path, kind: str) -> Path:
    return picture.with_name(f"{picture.stem}.{kind}.png")


def _inspect(file: Path, part: str, label: int) -> _Picture:
    content = file_bytes(file)
    return _Picture(file, part, label, hashlib.sha256(content).digest(), is_grey(file, content))


def _check_copies(pictures: Sequence[_Picture]) -> None:
    seen: dict[bytes, _Picture] = {}
    for picture in pictures:
        twin = seen.setdefault(picture.digest, picture)
        if (twin.label, twin.part) != (picture.label, picture.part):
            where = "two classes" if twin.label != picture.label else f"both {twin.part} and {picture.part}"
            raise InputError(f"{twin.path} and {picture.path} are the same picture in {where}; remove one of them.")


def _has_masks(pictures: Sequence[_Picture], kind: str) -> bool:
    lacking = [picture.path for picture in pictures if not _mask_file(picture.path, kind).is_file()]
    if lacking and len(lacking) < len(pictures):
        raise InputError(
            f"{len(lacking)} of {len(pictures)} pictures lack a {kind} mask, such as {lacking[0]}; draw "
            f"{_mask_file(lacking[0], kind).name} and its like, or remove the other {kind} masks."
        )
    return not lacking


def _split(
    pictures: Sequence[_Picture], given: set[str], root: Path, class_names: tuple[str, ...], train_images: int
) -> dict[str, list[_Picture]]:
    """The pictures to decode of each part, in the order of their hashes."""
    parts: dict[str, list[_Picture]] = {"train": [], "validation": [], "test": []}
    # by path too, because copies within a class have the same digest
    for picture in sorted(pictures, key=lambda picture: (picture.digest, picture.path)):
        parts[_part(picture, given)].append(picture)
    parts["train"] = parts["train"][:train_images]
    parts["validation"] = parts["validation"][: max(1, train_images // 10)]
    missing = set(range(len(class_names))) - {picture.label for picture in parts["train"]}
    empty = [f"{part} pictures" for part in parts if not parts[part]]
    empty += [f"training pictures of class {class_names[label]!r}" for label in sorted(missing)]
    if empty:
        raise InputError(
            f"The {len(pictures)} pictures in {root}, at most {train_images} of them for training, leave no {empty[0]}"
            "; add pictures, raise --train-images, or divide them yourself into train, validation and test folders."
        )
    return parts


def _part(picture: _Picture, given: set[str]) -> str:
    if picture.part not in ("", "train"):
        return picture.part
    # by its own content alone, so that one more picture moves no other to another side
    place = int.from_bytes(picture.digest[:8], "big") / 2**64
    drawn = "test" if place < TEST_SHARE else "validation" if place < TEST_SHARE + VALIDATION_SHARE else "train"
    return "train" if drawn in given else drawn


def _read(pictures: Sequence[_Picture], masks: Sequence[str], colours: str, side: int) -> Part:
    images = np.empty((len(pictures), side, side, len(colours)), dtype=np.uint8)
    found = {kind: torch.zeros(len(pictures), side, side, dtype=torch.bool) for kind in masks}
    for index, picture in enumerate(with_progress_bar(pictures, "Reading the pictures")):
        image = decode(picture.path, colours)
        images[index] = square(image, side).reshape(side, side, -1)
        for kind in masks:
            found[kind][index] = read_mask(_mask_file(picture.path, kind), image.size, side)
    pixels = torch.from_numpy(images).movedim(-1, 1).contiguous().float().div_(255)
    labels = torch.tensor([picture.label for picture in pictures], dtype=torch.int64)
    return Part(pixels, labels, found.get("relevance"), found.get("shortcut"))
