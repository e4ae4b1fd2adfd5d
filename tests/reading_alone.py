"""Work in a process that may write nowhere that the modes of files forbid, even for root."""

import ctypes
import os
import struct
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

CAP_VERSION_3 = 0x20080522


def may_not_write(folder: Path) -> None:
    """Take the right to write from everything in `folder`."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def may_write_again(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def as_reader(work: Callable[[], object]) -> None:
    """Do `work` in a child without root's privilege to pass over the modes of files; it must not raise."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                nothing = ctypes.create_string_buffer(struct.pack("6I", *[0] * 6))
                header = ctypes.create_string_buffer(struct.pack("Ii", CAP_VERSION_3, 0))
                assert ctypes.CDLL(None, use_errno=True).capset(header, nothing) == 0
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the work failed; its traceback is above"
