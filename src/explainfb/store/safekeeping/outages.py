"""Databases that are away for a moment are waited for."""

import time
from collections.abc import Callable
from typing import TypeVar

from explainfb.store.database_errors import UnreachableError

T = TypeVar("T")
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before a database that was away is tried again: at first, and at most, doubled from time to time."""


def through_outages(call: Callable[[], T], say: Callable[[str], None] | None) -> T:
    """Call until the database is there, however long it takes; without `say`, which is told once, just call."""
    wait, told = FIRST_WAIT, False
    while True:
        try:
            found = call()
        except UnreachableError as error:
            if say is None:
                raise
            if not told:
                say(f"{error} It is waited for; what is under way goes on when it is there again.")
            told = True
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
        else:
            if told and say is not None:
                say("The database is there again.")
            return found
