"""A checksum for every row that says what was asked, answered and decided, by which a row that changed is seen.

It is over the row's id as well, which is therefore drawn before the row is inserted, and it is the same on every
database, so that rows can be copied from one to the other. It finds what disks do; it is no signature.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from hashlib import blake2b
from itertools import islice
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, bindparam, func, insert, select, update

from explainfb.store import schema

DIGEST_BYTES = 8
MOST_NAMED = 5
"""How many damaged rows are named at once."""
PART = 10_000
"""How many rows are in memory at once."""
COVERED = {
    table: tuple(column.name for column in table.c if column.name not in ("id", "checksum", "answers"))
    for table in schema.CHECKED
}
"""The columns that a checksum is over, beside the id: all but itself and the counter of answers."""
CLEANED = {
    table: tuple(column.name for column in table.c if isinstance(column.type, schema.CleanText))
    for table in schema.CHECKED
}


RESTORE = "bring back a copy of it"
FORGET = "or, where there is none, have explainfb annotators forget whoever gave that"
Row = Mapping[str, Any] | RowMapping


class DamagedRowError(ValueError):
    """A row is not as it was written."""


def checksum(table: Table, key: object, row: Row) -> str:
    """Of the row with id `key`, 16 hexadecimal digits."""
    cells: list[object] = [key]
    for name in COVERED[table]:
        value = row[name]
        if value is not None:  # so that a column that comes later leaves the checksums of before as they are
            cells += (name, value.isoformat() if isinstance(value, datetime) else value)
    # `repr` would write characters as they are that this version of Python knows, and escape those that come later
    return blake2b(ascii(cells).encode(), digest_size=DIGEST_BYTES).hexdigest()


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Insert rows in their order, with the next ids where they have none, and checksums; returns their ids."""
    if not rows:
        return []
    ids = [row["id"] for row in rows] if "id" in rows[0] else _next_ids(connection, table, len(rows))
    whole = []
    for key, row in zip(ids, rows, strict=True):
        kept = {name: _as_read(row.get(name), name in CLEANED[table]) for name in COVERED[table]}
        whole.append(kept | {"id": key, "checksum": checksum(table, key, kept)})
    connection.execute(insert(table), whole)
    return ids


def _as_read(value: Any, is_cleaned: bool) -> Any:
    """A value as a database gives it back."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value  # one without a zone is refused by its column
    if isinstance(value, Enum):
        return value.value
    return schema.cleaned(value) if is_cleaned and value is not None else value


def _next_ids(connection: Connection, table: Table, count: int) -> list[int]:
    # no other writer comes between
    last = int(connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one())
    if connection.dialect.name != "sqlite":
        # ids of rows that are gone are not given again; a sequence may be behind its rows, where those were restored
        sequence = func.pg_get_serial_sequence(table.name, "id")
        last = max(last, int(connection.execute(select(func.nextval(sequence))).scalar_one()) - 1)
        connection.execute(select(func.setval(sequence, last + count)))
    return list(range(last + 1, last + 1 + count))


def check_row(table: Table, key: int, row: Row, known: str | None) -> None:
    """Raise `DamagedRowError` for a row with another checksum than `known`; one without is taken as it is."""
    if known is not None and known != checksum(table, key, row):
        raise _damaged([(table, key)])


def check_rows(connection: Connection, *tables: Table) -> int:
    """Look at every row of `tables`, or of all that have checksums; returns how many rows have none.

    Raises `DamagedRowError`, which names the first of those that are not as they were written.
    """
    without = 0

    def damaged() -> Iterator[tuple[Table, int]]:
        nonlocal without
        for table in tables or schema.CHECKED:
            for row in connection.execute(select(table).order_by(table.c.id)).mappings():
                without += row["checksum"] is None
                if row["checksum"] not in (None, checksum(table, row["id"], row)):
                    yield table, row["id"]

    if found := list(islice(damaged(), MOST_NAMED + 1)):
        raise _damaged(found)
    return without


def _damaged(found: Sequence[tuple[Table, int]]) -> DamagedRowError:
    named = ", ".join(f"row {key} of {table.name}" for table, key in found[:MOST_NAMED])
    advice = RESTORE if any(table is schema.comparisons for table, _ in found) else f"{RESTORE}, {FORGET}"
    more = " and more" if len(found) > MOST_NAMED else ""
    return DamagedRowError(f"{named}{more} {'is' if len(found) == 1 else 'are'} not as written; {advice}")


def lack_checksums(connection: Connection) -> bool:
    """Whether any row has none: all do of an earlier schema, and those that an earlier explainfb that was still
    running has written since."""
    return any(
        connection.execute(select(table.c.id).where(table.c.checksum.is_(None)).limit(1)).first() is not None
        for table in schema.CHECKED
    )


def write_checksums(connection: Connection) -> None:
    """Give a checksum to every row that has none: what is there is taken as it is, as nobody knows what was written."""
    for table in schema.CHECKED:
        change = update(table).where(table.c.id == bindparam("key")).values(checksum=bindparam("found"))
        query = select(table).where(table.c.checksum.is_(None)).limit(PART)
        while rows := connection.execute(query).mappings().all():
            connection.execute(change, [{"key": row["id"], "found": checksum(table, row["id"], row)} for row in rows])
