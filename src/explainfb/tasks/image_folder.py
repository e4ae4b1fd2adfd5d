"""A folder of anyone's own pictures, in torchvision's ImageFolder layout: PATH/class/picture.png.

PATH may instead hold train, validation (or val) and test, each with the classes inside, and test-shifted, test pictures
whose shortcut misleads. What of the first three is not given is taken
from the training pictures by the SHA-256 of their bytes: a fifth for the test and a tenth for validation, so the split
does not depend on names or order, and a copy of a picture is never on both sides. A class that a part would be without
gives it the picture whose hash is nearest.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from explainfb.core.errors import InputError
from explainfb.tasks.folder_layout import MASKS, mask_file, read_layout
from explainfb.tasks.groups_file import GROUPS, in_order, read_groups
from explainfb.tasks.image_io import decode, file_bytes, has_several, is_grey
from explainfb.tasks.problems import Problem, left_out_note, refuse, several_note, shown
from explainfb.tasks.settings import Fit
from explainfb.tasks.stored.reading import Part, PartRead, Picture, each, read_part

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1
RANGES = {
    "test": (0.0, TEST_SHARE),
    "validation": (TEST_SHARE, TEST_SHARE + VALIDATION_SHARE),
    "train": (TEST_SHARE + VALIDATION_SHARE, 1.0),
}
"""Where the hash of a picture lies, as a number in [0, 1), that is drawn for each part."""
DARK = 0.26
"""Where no pixel of all pictures is brighter, they may have 14 bits or fewer in files of 16."""
CUT_OFF = 0.1
"""The share of the median picture that may be cropped away without a word."""


@dataclass(frozen=True, eq=False)
class Folder:
    """What was read from a folder."""

    class_names: tuple[str, ...]
    """In alphabetical order, as ImageFolder numbers them."""
    train: Part
    validation: Part
    test: Part
    shifted: Part | None = None
    """Test pictures whose shortcut misleads; None where the folder has none."""
    notes: tuple[str, ...] = ()
    """What its owner should know of it, in sentences: what was left out, and what looks wrong but may be right."""


def read_folder(
    path: Path, *, image_size: int = 64, train_images: int = 10_000, fit: Fit = "crop", every_class: bool = True
) -> Folder:
    """The pictures under `path`, each turned upright, resized and cropped to its central square of `image_size`,
    or padded to one.

    Transparent pictures are laid on white; 16-bit greys are brought to 8 bits. At most `train_images` training pictures
    are decoded, the first by hash, a tenth as many for validation, and all of the test's. Without `every_class` the
    hash alone divides them, as before 0.1, and a part may lack a rare class. Raises `InputError` for a folder or a file
    that cannot be used, naming it.
    """
    root = path.expanduser()
    if image_size < 8:
        raise InputError(f"Pictures need a side of at least 8 pixels; found {image_size}.")
    if not root.is_dir():
        raise InputError(f"There is no folder {root}; give one that holds a folder of pictures for each class.")
    layout = read_layout(root)
    # a folder may hold many more pictures than are used: only those are decoded
    pictures, problems = each(layout.files, "Looking at the pictures", lambda file: _inspect(*file))
    if problems:  # all that is damaged is told at once, also what only decoding finds
        files = [picture.path for picture in pictures]
        refuse([*problems, *each(files, "Looking for more", lambda file: decode(file, "L"))[1]])
    _check_copies(pictures)
    groups = read_groups(root, [file for file, _, _ in layout.files])
    masks = [kind for kind in MASKS if _has_masks(pictures, kind)]
    divide = _split if every_class else _split_by_hash
    shifted = sorted(
        (picture for picture in pictures if picture.part == "shifted"),
        key=lambda picture: (picture.digest, picture.path),
    )
    others = [picture for picture in pictures if picture.part != "shifted"]
    used = divide(others, set(layout.parts), layout.class_names, train_images) | (
        {"shifted": shifted} if shifted else {}
    )
    # by all pictures, used or not: how many are used must not change the number of channels
    colours = "L" if all(picture.grey for picture in pictures) else "RGB"
    read = {part: read_part(found, masks, colours, image_size, fit) for part, found in used.items()}
    refuse(problem for found in read.values() for problem in found.problems)
    parts = {
        part: replace(found.part, groups=in_order(groups, [picture.path for picture in used[part]]))
        for part, found in read.items()
    }
    notes = (
        *left_out_note([file for file in layout.left_out if file != root / GROUPS]),
        *several_note([picture.path for picture in pictures if picture.several], len(pictures)),
        *_too_dark(read.values()),
        *(_cut_off([share for found in read.values() for share in found.lost]) if fit == "crop" else ()),
        *_kept([found.kept for found in read.values() if found.kept is not None]),
    )
    return Folder(layout.class_names, parts["train"], parts["validation"], parts["test"], parts.get("shifted"), notes)


def _too_dark(read: Iterable[PartRead]) -> list[str]:
    brightest = max(found.record.brightest for found in read) / 255
    if brightest > DARK:
        return []
    return [
        f"No picture is brighter than {brightest:.0%} of white. Pictures of 10, 12 or 14 bits in files of 16 look like "
        "this: multiply their levels by 64, 16 or 4, save them again, and begin anew."
    ]


def _cut_off(lost: Sequence[float]) -> list[str]:
    """What cropping costs, where that is more than a tenth of the median picture: a reason or a watermark may lie
    there."""
    if not lost or np.median(lost) <= CUT_OFF:
        return []
    return [
        f"Cropping to squares cuts off {np.median(lost):.0%} of the median picture, and {max(lost):.0%} of one. "
        "To keep all, pad them: --fit pad."
    ]


def _kept(files: Sequence[Path]) -> list[str]:
    if not files:
        return []
    size = sum(file.stat().st_size for file in files) / 2**30
    return [
        f"Too many for memory: they are kept in 8 bits in {shown(files[0].parent)} ({size:.1f} GB) and read from there "
        "as they are used. What no study needs any more may be deleted there."
    ]


def _inspect(file: Path, part: str, label: int) -> Picture:
    content = file_bytes(file)
    digest = hashlib.sha256(content).digest()
    return Picture(file, part, label, digest, is_grey(file, content), has_several(content))


def _check_copies(pictures: Sequence[Picture]) -> None:
    seen: dict[bytes, Picture] = {}
    problems = []
    for picture in pictures:
        twin = seen.setdefault(picture.digest, picture)
        both_tests = {twin.part, picture.part} == {"test", "shifted"}  # neither is learned from
        if twin.label != picture.label or (twin.part != picture.part and not both_tests):
            where = "two classes" if twin.label != picture.label else f"both {twin.part} and {picture.part}"
            found = f"and {shown(picture.path)} are the same picture in {where}"
            problems.append(Problem(twin.path, found, "remove one of the two"))
    refuse(problems)


def _has_masks(pictures: Sequence[Picture], kind: str) -> bool:
    lacking = [picture.path for picture in pictures if not mask_file(picture.path, kind).is_file()]
    if lacking and len(lacking) < len(pictures):
        raise InputError(
            f"{len(lacking)} of {len(pictures)} pictures lack a {kind} mask, such as {shown(lacking[0])}; draw "
            f"{shown(mask_file(lacking[0], kind).name)} and its like, or remove the other {kind} masks."
        )
    return not lacking


def _split(
    pictures: Sequence[Picture], given: set[str], class_names: tuple[str, ...], train_images: int
) -> dict[str, list[Picture]]:
    """The pictures to decode of each part, in the order of their hashes; every class is in every part."""
    if train_images < len(class_names):
        raise InputError(
            f"{len(class_names)} classes need as many training pictures; found --train-images {train_images}."
        )
    drawn = _draw_parts(pictures, given, class_names)
    parts: dict[str, list[Picture]] = {"train": [], "validation": [], "test": []}
    # by path too, because copies within a class have the same digest
    for picture in sorted(pictures, key=lambda picture: (picture.digest, picture.path)):
        parts[drawn[picture.digest]].append(picture)
    parts["train"] = _first(parts["train"], train_images)
    parts["validation"] = _first(parts["validation"], max(len(class_names), train_images // 10))
    return parts


def _split_by_hash(
    pictures: Sequence[Picture], given: set[str], class_names: tuple[str, ...], train_images: int
) -> dict[str, list[Picture]]:
    """As they were divided before every class was in every part."""
    taken = [part for part in RANGES if part not in given]
    parts: dict[str, list[Picture]] = {"train": [], "validation": [], "test": []}
    for picture in sorted(pictures, key=lambda picture: (picture.digest, picture.path)):
        given_part = picture.part not in ("all", "train")
        parts[picture.part if given_part else _part_at(picture.place, taken)].append(picture)
    limits = {"train": train_images, "validation": max(1, train_images // 10), "test": len(pictures)}
    used = {part: found[: limits[part]] for part, found in parts.items()}
    if not all(used.values()) or len({picture.label for picture in used["train"]}) < len(class_names):
        raise InputError("By their hashes alone these pictures leave a part empty, or no training pictures of a class.")
    return used


def _draw_parts(pictures: Sequence[Picture], given: set[str], class_names: tuple[str, ...]) -> dict[bytes, str]:
    """The part of each digest. What no folder is given for is taken from the pictures that are free."""
    taken = [part for part in RANGES if part not in given or part == "train"]
    parts = {picture.digest: picture.part for picture in pictures if picture.part not in ("all", "train")}
    free: dict[int, dict[bytes, float]] = defaultdict(dict)
    for picture in pictures:
        if picture.digest not in parts:
            free[picture.label][picture.digest] = picture.place
    few = [(class_names[label], len(places)) for label, places in sorted(free.items()) if len(places) < len(taken)]
    if few:
        counts = ", ".join(f"{count} of {name!r}" for name, count in few)
        raise InputError(
            f"A class needs at least {len(taken)} different pictures, one each for {' and '.join(taken)}; "
            f"found {counts}. Add pictures, or remove the class."
        )
    for places in free.values():
        parts |= _draw_class(places, taken)
    return parts


def _draw_class(places: dict[bytes, float], taken: Sequence[str]) -> dict[bytes, str]:
    """The part of each digest of one class, by its place in [0, 1); no part is left without one."""
    drawn = {digest: _part_at(place, taken) for digest, place in places.items()}
    for missing in taken:
        if missing not in drawn.values():
            counts = {part: list(drawn.values()).count(part) for part in taken}
            largest = max(taken, key=lambda part: counts[part])
            middle = sum(RANGES[missing]) / 2
            nearest = min(
                (digest for digest in places if drawn[digest] == largest), key=lambda one: abs(places[one] - middle)
            )
            drawn[nearest] = missing
    return drawn


def _part_at(place: float, taken: Sequence[str]) -> str:
    return next((part for part in taken if RANGES[part][0] <= place < RANGES[part][1]), "train")


def _first(pictures: Sequence[Picture], count: int) -> list[Picture]:
    """The first `count` pictures; of a class that has none among them, its first one in place of the last others."""
    first = {picture.label: picture for picture in reversed(pictures)}.values()
    already = {picture.path for picture in first}
    others = [picture for picture in pictures if picture.path not in already]
    chosen = {picture.path for picture in (*first, *others[: max(0, count - len(first))])}
    return [picture for picture in pictures if picture.path in chosen]
