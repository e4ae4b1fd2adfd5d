"""Files that are either whole or not there."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from explainfb.core.errors import InputError

LEAST_SPACE = 200 * 2**20
"""Bytes that must be free before a study starts."""

RESTORE = "restore it from a copy; where its round has no classifier yet, delete it and it is made again"
"""What to do about a damaged file from which later files of its round were made."""


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` on a name beside `path`, bring it to the disk, then rename: `path` is never half of it, not even
    after the power failed."""
    # in the same folder, because a file cannot be renamed into another file system
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(partial)
        # a rename may reach the disk before the bytes do; after a power cut the file would be there, and empty
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        # safetensors' own error has no errno; the number stands in its text alone
        if getattr(error, "errno", None) == errno.ENOSPC or f"os error {errno.ENOSPC}" in str(error):
            raise InputError(f"No space is left on the disk for {path}; make room and run the same command.") from error
        raise


def make_folder(folder: Path) -> None:
    """Make `folder`, if it is not there. Raises `InputError` where a file is in its place or nothing may be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
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
