"""Faults at any durable operation: a run in a process of its own in which something happens at the n-th of them."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

from explainfb.core.errors import InputError

DURABLE = ((os, "fsync"), (os, "replace"), (os, "unlink"), (os, "mkdir"), (DefaultDialect, "do_commit"))
"""What changes what a killed process leaves: bytes, names, folders, and what a database has committed."""
TOLD = 3
"""The exit status of a run that ended in words."""


def run_and_kill(work: Callable[[], object], at: int) -> int:
    """Do `work` in a child that is killed at point `at`, from 1; returns how many points it passed, `at` where it was
    killed. A point is just before and just after each durable operation."""
    child, reading = begin_child(work, at, kill)
    passed, status = end_child(child, reading)
    if status == -signal.SIGKILL:
        return at
    assert status == 0, "the run failed; its traceback is above"
    return passed


def kill() -> None:
    """As power that fails, but for what is not on the disk yet."""
    os.kill(os.getpid(), signal.SIGKILL)


def begin_child(work: Callable[[], object], at: int, fault: Callable[[], object]) -> tuple[int, int]:
    """Begin `work` in a child in which `fault` happens at point `at`; returns its number and a pipe for `end_child`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _as_child(work, at, fault, writing)
    os.close(writing)
    return child, reading


def end_child(child: int, reading: int) -> tuple[int, int]:
    """Wait for the child; returns how many points it passed, 0 where it did not come to its end, and its status."""
    with os.fdopen(reading, "rb") as told:
        passed = int.from_bytes(told.read(), "big")
    return passed, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _as_child(work: Callable[[], object], at: int, fault: Callable[[], object], writing: int) -> None:
    """Never returns: the child must not go on with the tests of its parent."""
    passed = 0

    def point() -> None:
        nonlocal passed
        passed += 1
        if passed == at:
            fault()

    def watched(operation: Callable[..., Any]) -> Callable[..., Any]:
        def operate(*given: Any, **named: Any) -> Any:
            point()
            found = operation(*given, **named)
            point()
            return found

        return operate

    try:
        for owner, name in DURABLE:
            setattr(owner, name, watched(getattr(owner, name)))
        work()
        os.write(writing, passed.to_bytes(4, "big"))
        os._exit(0)
    except InputError:
        os._exit(TOLD)
    except OSError as error:  # the command line tells those that name a file
        if error.filename is not None:
            os._exit(TOLD)
        traceback.print_exc(file=sys.__stderr__)
        os._exit(1)
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        os._exit(1)
