"""Fingerprints of what was on record at some time, by which it is known again."""

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, select

from explainfb.store import schema

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
