"""What each entry of a folder of pictures is: a class, a picture, a mask, or what must not be passed over in silence.

Names with a meaning are exact (`train`, `one.relevance.png`). One that is nearly such a name is refused: `Training`
would be a class, and `one.relevance.PNG` a picture.
"""

import difflib
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from explainfb.core.errors import InputError
from explainfb.tasks.image_io import EXTENSIONS
from explainfb.tasks.problems import Problem, refuse, shown

MASKS = ("relevance", "shortcut")
PARTS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "test-shifted": "shifted",
}
LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"})
"""What desktops and archives leave in folders without being asked."""
LIKE_A_PART = re.compile(
    r"(seg|images?|imgs?|data)?(train|training|trn|test|testing|tst|val|valid|validation|validate|dev|eval|evaluation"
    r"|(test|testing)?shift(ed)?(test|testing)?)"
    r"(set|data|images?|imgs?)?"
)
"""Names, of small letters alone, that others give to the parts of a data set."""
LIKE_PICTURES = frozenset({"images", "image", "imgs", "img", "pictures", "photos", "jpegimages", "frames", "inputs"})
LIKE_MASKS = frozenset(
    {"masks", "mask", "labels", "label", "annotations", "annotation", "groundtruth", "gt", "segmentations", "trimaps"}
)
MASK_WORDS = frozenset({*MASKS, "mask", "masks"})


@dataclass(frozen=True, eq=False)
class Layout:
    """What lies where. Nothing has been read but names."""

    parts: tuple[str, ...]
    """Which of train, validation, test and shifted the folder is divided into, or the one word `all`."""
    class_names: tuple[str, ...]
    """In alphabetical order, as ImageFolder numbers them."""
    files: tuple[tuple[Path, str, int], ...]
    """Each picture, the part that it lies in, and the number of its class."""
    left_out: tuple[Path, ...]
    """Files that lie beside the classes, and mean nothing."""


def read_layout(root: Path) -> Layout:
    """What every entry of the folder `root` is. Raises `InputError` naming all that cannot be placed."""
    _check_printable([str(root)], "The path")
    folders, left_out = _entries(root)
    parts = _parts(root, folders)
    inside = {
        part: (folder, *_entries(folder)) if part != "all" else (root, folders, []) for part, folder in parts.items()
    }
    class_names = _class_names({part: (folder, sorted(found)) for part, (folder, found, _) in inside.items()})
    files: list[tuple[Path, str, int]] = []
    problems: list[Problem] = []
    for part, (folder, _, beside) in inside.items():
        left_out += beside
        for label, name in enumerate(class_names):
            pictures, wrong = _pictures_of_class(folder / name)
            files += [(picture, part, label) for picture in pictures]
            problems += wrong
    refuse(problems)
    return Layout(tuple(parts), class_names, tuple(files), tuple(left_out))


def mask_file(picture: Path, kind: str) -> Path:
    """Where the mask of a picture is."""
    return picture.with_name(f"{picture.stem}.{kind}.png")


def _entries(folder: Path) -> tuple[dict[str, Path], list[Path]]:
    """The folders in `folder` by name, and files that mean nothing. Pictures and dead links are refused."""
    entries, problems = _visible(folder)
    beside = [entry for entry in entries if not entry.is_dir()]
    if pictures := [entry for entry in beside if entry.suffix.lower() in EXTENSIONS and entry.exists()]:
        problems += [
            Problem(entry, "lies beside the class folders", "move each picture into the folder of its class")
            for entry in pictures
        ]
    refuse([*problems, *(problem for entry in beside if (problem := _no_file(entry)) is not None)])
    return {entry.name: entry for entry in entries if entry.is_dir()}, beside


def _visible(folder: Path) -> tuple[list[Path], list[Problem]]:
    """The entries that neither begin with a dot nor are what a desktop leaves behind, sorted."""
    try:
        names = os.listdir(folder)
    except OSError as error:
        return [], [Problem(folder, f"cannot be read ({error.strerror})", "change who may read it")]
    shown_names = sorted(name for name in names if not name.startswith(".") and name.lower() not in LITTER)
    return [folder / name for name in shown_names], []


def _no_file(entry: Path) -> Problem | None:
    if entry.is_file():
        return None
    if entry.is_symlink():
        return Problem(
            entry, "links to a file that is not there", "fetch what is linked to (git annex get), or remove the links"
        )
    return Problem(entry, "is neither a file nor a folder", "move it away")


def _parts(root: Path, folders: dict[str, Path]) -> dict[str, Path]:
    """Where the classes of each part are; the one key `all` where the folder is not split.

    A class may be called train. Then there are pictures in it; a part holds folders only.
    """
    _check_part_names(root, folders)
    foreign = sorted(folders.keys() - PARTS.keys())
    is_part = "train" in folders and not _holds_pictures(folders["train"])
    if not folders or (foreign and not is_part):
        return {"all": root}
    named = sorted({PARTS[name] for name in folders if name in PARTS})
    if "train" not in folders or len(named) < len(folders):
        raise InputError(
            f"{shown(root)} holds the folders {', '.join(map(shown, sorted(folders)))}; expected either one folder a "
            "class, or train with at most one validation (or val), one test and one test-shifted folder beside it, "
            "each holding one folder a class."
        )
    return {PARTS[name]: folder for name, folder in sorted(folders.items())}


def _holds_pictures(folder: Path) -> bool:
    return any(entry.suffix.lower() in EXTENSIONS for entry in _visible(folder)[0])


def _check_part_names(root: Path, folders: dict[str, Path]) -> None:
    """Raise `InputError` where folders are called nearly as the parts are and hold classes, or there are no others."""
    like = [name for name in sorted(folders) if LIKE_A_PART.fullmatch(_letters(name))]
    if all(name in PARTS for name in like):
        return
    holding = [name for name in like if not _holds_pictures(folders[name]) and len(_folders_in(folders[name])) > 1]
    if len(like) == len(folders) or any(name not in PARTS for name in holding):
        raise InputError(
            f"{shown(root)} holds the folders {', '.join(map(shown, sorted(folders)))}. If these are parts of the "
            "data, call them train, validation and test (and test-shifted, where a shortcut misleads), each with one "
            "folder a class; if they are classes, give them names that say what is in the pictures."
        )


def _folders_in(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder)[0] if entry.is_dir()]


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.casefold())


def _class_names(found: dict[str, tuple[Path, Sequence[str]]]) -> tuple[str, ...]:
    _, expected = found.get("train") or found["all"]
    for folder, names in found.values():
        _check_names(folder, names)
        if list(names) != list(expected):
            odd = sorted(set(names) ^ set(expected))[0]
            train = found["train"][0]
            raise InputError(
                f"Class {odd!r} is not in both {shown(train)} and {shown(folder)}; make the classes equal."
            )
    return tuple(expected)


def _check_names(folder: Path, names: Sequence[str]) -> None:
    if len(names) < 2:
        raise InputError(
            f"{shown(folder)} holds {len(names)} class folder{'' if len(names) == 1 else 's'}"
            f"{': ' + shown(names[0]) if names else ''}; expected at least two, with the pictures of one class in each."
        )
    _check_printable(names, f"The name of a class folder in {shown(folder)}")
    plain = {_letters(name) for name in names}
    if plain & LIKE_PICTURES and plain & LIKE_MASKS:
        raise InputError(
            f"{shown(folder)} holds the folders {', '.join(names)}; expected one folder a class. A mask lies beside "
            "its picture: one.relevance.png beside one.jpg."
        )
    alike: dict[str, str] = {}
    for name in names:
        twin = alike.setdefault(unicodedata.normalize("NFKC", name).casefold().strip(), name)
        if twin != name:
            raise InputError(
                f"{folder} holds the class folders {twin!r} and {name!r}, which differ in capitals, spaces or how an "
                "accent is stored; make them one, or give them different names."
            )


def _check_printable(names: Iterable[str], what: str) -> None:
    """Raise `InputError` for a name that no file of the study could hold, such as one in Latin-1."""
    for name in names:
        if not name.isprintable():
            raise InputError(
                f"{what} is {name!a}, which is not UTF-8 or has characters that cannot be printed; rename it."
            )


def _pictures_of_class(folder: Path) -> tuple[list[Path], list[Problem]]:
    """The pictures of one class, at any depth, and what is wrong with the other files there."""
    files, problems = _files_below(folder, ())
    masks = {file for file in files if file.suffix == ".png" and Path(file.stem).suffix[1:] in MASKS}
    pictures = [file for file in files if file not in masks]
    stems = {file.with_suffix("") for file in pictures}
    for file in pictures:
        if file.suffix.lower() not in EXTENSIONS:
            advice = "move it out of the class folder or convert it to PNG or JPEG"
            problems.append(Problem(file, "is no picture", advice))
        elif _nearly_a_mask(file, stems):
            advice = "masks are called one.relevance.png or one.shortcut.png beside one.jpg: rename it, or move it away"
            problems.append(Problem(file, "is called nearly as a mask is", advice))
    if not pictures and not problems:
        problems.append(Problem(folder, "holds no pictures of its class", "add some or remove the folder"))
    expected = {mask_file(picture, kind) for picture in pictures for kind in MASKS}
    for mask in sorted(masks - expected):
        problems.append(Problem(mask, "belongs to no picture", "name the mask after one, or move it away"))
    return pictures, problems


def _files_below(folder: Path, above: tuple[Path, ...]) -> tuple[list[Path], list[Problem]]:
    """All files in `folder` and in folders there, linked ones too, as ImageFolder reads them."""
    real = folder.resolve()
    if real in above:
        return [], [Problem(folder, "links to a folder that holds it", "remove the link")]
    files: list[Path] = []
    entries, problems = _visible(folder)
    for entry in entries:
        if entry.is_dir():
            deeper, wrong = _files_below(entry, (*above, real))
            files += deeper
            problems += wrong
        elif (problem := _no_file(entry)) is not None:
            problems.append(problem)
        else:
            files.append(entry)
    return sorted(files), problems


def _nearly_a_mask(file: Path, stems: set[Path]) -> bool:
    """Whether the file, which is a picture by its name, was probably meant as another one's mask."""
    found = re.fullmatch(r"(.+)([._ -])([^._ -]+)", file.stem)
    if found is None:
        return False
    stem, sign, word = found.groups()
    word = word.casefold()
    if sign == "." and difflib.get_close_matches(word, MASKS, n=1, cutoff=0.8):
        return True
    return word in MASK_WORDS and file.with_name(stem) in stems
