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

RESTORE = "restore it from a copy; that of a round without a classifier may be deleted, and is made again"
"""What to do about a damaged file on which a later one of its round rests."""


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` on a name beside `path`, bring it to the disk, then rename: `path` is never half of it, not even
    after the power failed."""
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(partial)
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        if getattr(error, "errno", None) == errno.ENOSPC or f"os error {errno.ENOSPC}" in str(error):
            raise InputError(f"No space is left on the disk for {path}; make room and run the same command.") from error
        raise


def check_space(folder: Path, least: int = LEAST_SPACE) -> None:
    """Raise `InputError` when less than `least` bytes are free where `folder` is."""
    free = shutil.disk_usage(folder).free
    if free < least:
        raise InputError(
            f"Only {free / 2**20:.0f} MiB are free at {folder} and a study needs about {least / 2**20:.0f}; "
            "make room, or give another folder with --study."
        )
