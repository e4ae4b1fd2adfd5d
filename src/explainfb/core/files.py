"""Files that are either whole or not there."""

import errno
import json
import os
import shutil
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from explainfb.core.errors import InputError
from explainfb.core.manifest import check_contents, digest_of, note

FORMAT = 1
"""Of the files of a study whose module gives no other. Files from before they had a number are read as of format 1."""
LEAST_SPACE = 200 * 2**20
"""Bytes that must be free before a study starts."""

RESTORE = "restore it from a copy; where its round has no classifier yet, delete it and it is made again"
"""What to do about a damaged file from which later files of its round were made."""


def write_whole(path: Path, write: Callable[[Path], object], *, noted: bool = True) -> None:
    """Call `write` on a name beside `path`, bring it to the disk, then rename: `path` is never half of it, not even
    after the power failed. Its digest is `noted` in the study's manifest, but where people may change the file."""
    # in the same folder, because a file cannot be renamed into another file system
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(partial)
        # a rename may reach the disk before the bytes do; after a power cut the file would be there, and empty
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        if noted:
            note(path, digest_of(partial))  # before it has its name, or a kill between them would leave it unknown
        os.replace(partial, path)
        _sync_folder(path.parent)
    except (OSError, SafetensorError) as error:
        # safetensors' own error has no errno; the number stands in its text alone
        if getattr(error, "errno", None) == errno.ENOSPC or f"os error {errno.ENOSPC}" in str(error):
            raise InputError(f"No space is left on the disk for {path}; make room and run the same command.") from error
        raise


def write_json(content: Mapping[str, object], path: Path) -> None:
    """Write one small record, with the format's number."""
    text = json.dumps({"format": FORMAT, **content}, indent=1, ensure_ascii=False) + "\n"
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote, without the number. Raises `ValueError` or `TypeError` where it is no such record."""
    content = dict(parse_json(path.read_text(encoding="utf-8")))
    content.pop("format", None)
    return content


def parse_json(text: str | bytes) -> Any:
    """What JSON says. Raises `ValueError` for anything else, also where it is nested as no file of ours is."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def parse_toml(text: str) -> dict[str, Any]:
    """What TOML says, as `parse_json`; its errors are `ValueError`s as well."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))  # the mark of UTF-8 with which some editors begin a file
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def write_tensors(
    save_file: Callable[..., object], tensors: Mapping[str, Any], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file by the `save_file` of its arrays' library; equal contents have equal bytes."""

    def write(partial: Path) -> None:
        save_file(tensors, partial, metadata={"explainfb": str(FORMAT), **(metadata or {})})
        _sort_header(partial)

    write_whole(path, write)


def _sort_header(path: Path) -> None:
    """Metadata in the order of their names: safetensors writes them in another one each time."""
    with path.open("rb+") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        sorted_bytes = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(length)
        if len(sorted_bytes) == length:  # else it is written in other words than Python's: left as it is
            file.seek(8)
            file.write(sorted_bytes)


def check_file(path: Path, last: int = FORMAT) -> None:
    """Raise `InputError` for a file that is not as it was written, or is of a later format than `last`.

    What has no number, or cannot be read at all, is left to whoever reads it.
    """
    check_contents(path)
    found: object = None
    with suppress(OSError, ValueError, AttributeError, KeyError):
        if path.suffix == ".json":
            found = parse_json(path.read_text(encoding="utf-8")).get("format")
        elif path.suffix == ".safetensors":
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                found = int(parse_json(file.read(min(length, LONGEST_HEADER)))["__metadata__"]["explainfb"])
    if isinstance(found, int) and found > last:
        raise InputError(
            f"{path} is of format {found} and this explainfb reads formats up to {last}; take a newer explainfb."
        )


LONGEST_HEADER = 100 * 2**20
"""Bytes, as safetensors itself allows."""


def make_private(file: Path) -> None:
    """Make an empty file that only its owner may read, unless one is there; what cannot be made is told by its user."""
    with suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _sync_folder(folder: Path) -> None:
    """Bring names to the disk, so that after a power cut a later file is never there without an earlier one."""
    if os.name == "nt":  # where a folder cannot be opened
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def make_folder(folder: Path) -> None:
    """Make the folder of a study, if it is not there; only its owner may look into it, where people's names are.

    Raises `InputError` where a file is in its place or nothing may be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        why = "there is a file of that name" if folder.is_file() else error.strerror
        raise InputError(f"The folder {folder} cannot be made ({why}); choose another one.") from error


def check_space(folder: Path, least: int = LEAST_SPACE) -> None:
    """Raise `InputError` when less than `least` bytes are free where `folder` is."""
    free = shutil.disk_usage(folder).free
    if free < least:
        raise InputError(
            f"Only {free / 2**20:.0f} MiB are free at {folder} and a study needs about {least / 2**20:.0f}; "
            "make room, or give another folder with --study."
        )
