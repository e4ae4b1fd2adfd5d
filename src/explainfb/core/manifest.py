"""The manifest of a study: the SHA-256 of every file as it was written, by which a bit that flips later is seen.

    explainfb manifest 1
    <SHA-256> <check> classifiers/round-0.safetensors

A line reaches the disk before the file gets its name. So no kill leaves a file that the manifest does not know, and a
path may have lines of files that never came: it is sound when it is any of them. The check, the beginning of the
SHA-256 of what else is in the line, tells a damaged line from a damaged file. A digest of zeros says that the file was
removed. Studies from before there was a manifest have none, and their files are read unchecked.
"""

import hashlib
import json
import os
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from filelock import FileLock

from explainfb.core.errors import InputError

MANIFEST = "manifest.txt"
FORMAT = 1
REMOVED = "0" * 64
DEPTH = 4
"""Folders up to that of the study from where its files lie, as in controls/NAME/classifiers."""


@dataclass(frozen=True)
class Manifest:
    """What a manifest says."""

    digests: dict[str, tuple[str, ...]]
    """By path from the study's folder, every SHA-256 that it was written with; none where it was removed last."""
    damaged_lines: int


def begin_manifest(folder: Path) -> None:
    """Make the manifest of the study in `folder`, if there is none."""
    path = folder / MANIFEST
    if not path.is_file():
        _append(path, "")


def digest_of(path: Path) -> str:
    """The SHA-256 of a file's bytes; of settings, what they say, for people put comments beside them."""
    if (path.name.removesuffix(".partial")).endswith(".toml"):
        # what is no TOML, or holds a date, is no settings, and told by whoever reads it
        with suppress(ValueError, RecursionError, TypeError):
            said = tomllib.loads(path.read_text(encoding="utf-8-sig"))
            return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def note(path: Path, digest: str) -> None:
    """Write down that `path`, or what goes by that name, is to have this digest; nothing where there is no manifest."""
    folder = study_of(path)
    if folder is not None:
        name = path.absolute().relative_to(folder).as_posix()
        _append(folder / MANIFEST, f"{digest} {_check(digest, name)} {name}\n")


def note_removed(path: Path) -> None:
    """Write down that `path` is meant not to be there any more."""
    note(path, REMOVED)


def study_of(path: Path) -> Path | None:
    """The nearest folder above `path` that has a manifest."""
    for folder in list(path.absolute().parents)[:DEPTH]:
        if (folder / MANIFEST).is_file():
            return folder
    return None


def check_contents(path: Path) -> None:
    """Raise `InputError` where `path` is not what was written there, as the study's manifest tells."""
    known = known_digests(path)
    if not path.is_file():
        return
    try:
        found = digest_of(path) if known else ""
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"{path} cannot be read ({why}); look at who may read it, and at the disk.") from error
    if known and found not in known:
        what = "is damaged" if path.suffix == ".safetensors" else "is damaged, or was edited"
        raise InputError(
            f"{path} {what} (its bytes are not those that were written); restore it from a copy, or let "
            f"`explainfb check {study_of(path)}` say what to delete so that it is made anew."
        )


def noted_beside(path: Path) -> dict[str, tuple[str, ...]]:
    """What the manifest says of names in the folder of `path` that begin with its name and a dash."""
    folder = study_of(path)
    if folder is None:
        return {}
    begin = path.absolute().relative_to(folder).as_posix() + "-"
    found = read_manifest(folder).digests.items()
    return {path.name + "-" + name.removeprefix(begin): digests for name, digests in found if name.startswith(begin)}


def known_digests(path: Path) -> tuple[str, ...]:
    """The digests that `path` was written with; none where nobody knows."""
    folder = study_of(path)
    if folder is None:
        return ()
    return read_manifest(folder).digests.get(path.absolute().relative_to(folder).as_posix(), ())


def read_manifest(folder: Path) -> Manifest:
    """The manifest in `folder`. Raises `InputError` when it is of a later format."""
    path = folder / MANIFEST
    state = path.stat()
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(8)
def _read(path: Path, changed: int, size: int) -> Manifest:
    first, *lines = path.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    words = first.rsplit(" ", 1)
    if words[0] == HEADER and words[-1].isdigit() and int(words[-1]) > FORMAT:
        raise InputError(f"{path} is of format {words[-1]} and this explainfb reads {FORMAT}; take a newer explainfb.")
    digests: dict[str, tuple[str, ...]] = {}
    damaged = int(first != f"{HEADER} {FORMAT}")
    for number, line in enumerate(lines, 1):
        digest, _, rest = line.partition(" ")
        check, _, name = rest.partition(" ")
        if not name or check != _check(digest, name):
            # what follows the last line's end is nothing, or a line that a power cut kept from being finished
            damaged += number < len(lines)
        elif digest == REMOVED:
            digests[name] = ()
        else:
            digests[name] = (*digests.get(name, ()), digest)
    return Manifest(digests, damaged)


HEADER = "explainfb manifest"


def _check(digest: str, name: str) -> str:
    return hashlib.sha256(f"{digest} {name}".encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _append(path: Path, line: str) -> None:
    # arms may be run by several processes
    with FileLock(path.with_name(f".{MANIFEST}.lock")), path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        if not end:
            file.write(f"{HEADER} {FORMAT}\n".encode())
        else:
            file.seek(0)
            content = file.read()
            if not content.endswith(b"\n"):  # a line that was not finished: its file never got its name
                file.truncate(content.rfind(b"\n") + 1)
        file.write(line.encode("utf-8", "surrogateescape"))
        file.flush()
        os.fsync(file.fileno())
