"""Kills at any durable operation: a run in a process of its own that dies at the n-th of them."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

DURABLE = ((os, "fsync"), (os, "replace"), (os, "unlink"), (os, "mkdir"), (DefaultDialect, "do_commit"))
"""What changes what a killed process leaves: bytes, names, folders, and what a database has committed."""


def run_and_kill(work: Callable[[], object], at: int) -> int:
    """Do `work` in a child that is killed at point `at`, from 1; returns how many points it passed, `at` where it was
    killed. A point is just before and just after each durable operation."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _as_child(work, at, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        passed = int.from_bytes(told.read(), "big")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == -signal.SIGKILL:
        return at
    assert status == 0, "the run failed; its traceback is above"
    return passed


def _as_child(work: Callable[[], object], at: int, writing: int) -> None:
    """Never returns: the child must not go on with the tests of its parent."""
    passed = 0

    def point() -> None:
        nonlocal passed
        passed += 1
        if passed == at:
            os.kill(os.getpid(), signal.SIGKILL)

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
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        os._exit(1)
