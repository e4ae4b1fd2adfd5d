"""What is on record, kept: fingerprints, by which rows that changed are seen; copies; outages that are waited out."""

import hashlib
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.exc import DBAPIError

from explainfb.core.errors import InputError
from explainfb.core.files import make_private, write_whole
from explainfb.store import schema
from explainfb.store.database import Database, UnreachableError

T = TypeVar("T")
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before a database that was away is tried again: at first, and at most, doubled from time to time."""

APPENDED = (schema.annotators, schema.events, schema.answers, schema.ratings)
"""Tables whose rows are numbered as they are appended, and never changed."""


@dataclass(frozen=True)
class Fingerprint:
    """What was on record at some time."""

    until: str
    """The last row of each appended table, such as `2.1.48.0`."""
    digest: str
    """SHA-256."""


def take(connection: Connection, through: int, until: str | None) -> Fingerprint:
    """Over the comparisons of rounds 1 … `through`, and the appended rows until `until`, or all."""
    if until is None:
        until = ".".join(str(_last(connection, table)) for table in APPENDED)
    digest = hashlib.sha256()
    item = schema.comparisons
    # that counter changes with every answer; what came later is added below, where there is any of it
    asked = [column for column in item.c if column.name != "answers" and column not in schema.LATER_COLUMNS]
    _add(digest, connection, select(*asked).where(item.c.round <= through).order_by(item.c.id))
    drawn = select(schema.rounds.c.round, schema.rounds.c.seed).where(schema.rounds.c.round <= through)
    _add(digest, connection, drawn.order_by(schema.rounds.c.round))
    for table, last in zip(APPENDED, map(int, until.split(".")), strict=True):
        known = [column for column in table.c if column not in schema.LATER_COLUMNS]
        _add(digest, connection, select(*known).where(table.c.id <= last).order_by(table.c.id))
        if table is schema.answers:
            later = select(table.c.id, table.c.said).where(table.c.id <= last, table.c.said.is_not(None))
            _add(digest, connection, later.order_by(table.c.id))
    later = select(item.c.id, item.c.asked, item.c.others).where(item.c.round <= through, item.c.asked.is_not(None))
    _add(digest, connection, later.order_by(item.c.id))
    superpixels = select(item.c.id, item.c.left_superpixel, item.c.right_superpixel).where(item.c.round <= through)
    _add(digest, connection, superpixels.where(item.c.left_superpixel.is_not(None)).order_by(item.c.id))
    return Fingerprint(until, digest.hexdigest())


def _last(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one())


def _add(digest: Any, connection: Connection, query: Any) -> None:
    # times as ISO 8601 and not as a database prints them, so that every database gives the same
    for row in connection.execute(query):
        cells = [value.isoformat() if hasattr(value, "isoformat") else value for value in row]
        digest.update(repr(cells).encode("utf-8", "surrogateescape") + b"\n")


def back_up(database: Database, file: Path) -> None:
    """Copy everything, as of one moment, into a new SQLite file."""
    if file.exists() or not file.absolute().parent.is_dir():
        raise InputError(f"{file} is there already, or its folder is not; name a new file in a folder that is there.")

    def copy(partial: Path) -> None:
        partial.unlink(missing_ok=True)
        make_private(partial)
        with database.read() as connection:
            try:
                schema.copy_all(connection, partial)
            except (sqlite3.Error, DBAPIError) as error:
                # of a server, what SQLite says is of the copy; else of either
                why = getattr(error, "orig", error)
                if not isinstance(why, sqlite3.Error):
                    raise
                partial.unlink(missing_ok=True)
                raise InputError(
                    f"{database.place} cannot be copied to {file} ({why}); look at the disk and at who may write there."
                ) from error

    try:
        write_whole(file, copy, noted=False)
    except OSError as error:
        raise InputError(f"{file} cannot be written ({error.strerror or error}); name another file.") from error


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
