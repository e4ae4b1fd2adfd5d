"""The tables of a study's database; `explainfb.store` says what each is for."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    insert,
    inspect,
    select,
    text,
    update,
)

from explainfb.core.errors import InputError

SCHEMA_VERSION = 3
ROUND_SIZE = 1_000_000
"""The id of a comparison is round × ROUND_SIZE + position."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: stored in UTC, given back aware of its time zone (UTC); a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise InputError(f"A time needs a time zone; found {value.isoformat()}. Use datetime.now(UTC).")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment  # SQLite stores no time zone

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return moment


class CleanText(TypeDecorator[str]):
    """Text that anyone may have typed, less what a database cannot hold: NUL, and halves of characters."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.replace("\0", "").encode("utf-8", "replace").decode()


KNOWN_ANSWER = "answer IN ('left', 'right', 'equal', 'both_good', 'both_bad', 'cant_tell', 'yes', 'no', 'ranked')"
metadata = MetaData()
Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself under INTEGER alone

versions = Table("explainfb_schema", metadata, Column("version", Integer, primary_key=True))

settings = Table(
    "settings", metadata, Column("name", String(200), primary_key=True), Column("value", CleanText, nullable=False)
)

rounds = Table(
    "rounds",
    metadata,
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("seed", BigInteger, nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
)

comparisons = Table(
    "comparisons",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("round", ForeignKey(rounds.c.round), nullable=False),
    Column("position", Integer, nullable=False),
    Column("left_classifier", Text, nullable=False),
    Column("left_image", BigInteger, nullable=False),
    Column("right_classifier", Text, nullable=False),
    Column("right_image", BigInteger, nullable=False),
    Column("gold", String(16)),
    Column("answers", Integer, nullable=False, server_default="0"),
    Column("asked", String(16)),
    Column("others", Text),
    UniqueConstraint("round", "position"),
    CheckConstraint("answers >= 0", name="answers_not_negative"),
)

annotators = Table(
    "annotators",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
)

links = Table(
    "links",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("annotator_id", ForeignKey(annotators.c.id), nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)
Index(
    "one_open_link",
    links.c.annotator_id,
    unique=True,
    sqlite_where=text("revoked_at IS NULL"),
    postgresql_where=text("revoked_at IS NULL"),
)

events = Table(
    "events",
    metadata,
    Column("id", Key, primary_key=True),
    Column("annotator_id", ForeignKey(annotators.c.id), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("detail", CleanText, nullable=False),
    Column("by", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("id", Key, primary_key=True),
    Column("comparison_id", ForeignKey(comparisons.c.id), nullable=False),
    Column("annotator_id", ForeignKey(annotators.c.id), nullable=False),
    Column("answer", String(16)),
    Column("seed", BigInteger, nullable=False),
    Column("shown_left", Text, nullable=False),
    Column("shown_right", Text, nullable=False),
    Column("shown_at", UtcDateTime, nullable=False),
    Column("responded_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("app_version", String(64), nullable=False),
    Column("comment", CleanText),
    Column("token", String(64)),
    Column("supersedes", ForeignKey("answers.id"), unique=True),  # one successor at most
    Column("surplus", Boolean, nullable=False),
    Column("said", Text),
    UniqueConstraint("annotator_id", "token"),  # a request that is sent twice is stored once
    CheckConstraint(KNOWN_ANSWER, name="known_answer"),
)
Index("answers_by_pair", answers.c.comparison_id, answers.c.annotator_id)
Index(
    "one_first_answer",
    answers.c.comparison_id,
    answers.c.annotator_id,
    unique=True,
    sqlite_where=text("supersedes IS NULL"),
    postgresql_where=text("supersedes IS NULL"),
)

leases = Table(
    "leases",
    metadata,
    # as primary key, so that nobody holds two leases, whatever tabs and devices are open
    Column("annotator_id", ForeignKey(annotators.c.id), primary_key=True, autoincrement=False),
    Column("comparison_id", ForeignKey(comparisons.c.id), nullable=False, index=True),
    Column("token", String(64), nullable=False),
    Column("leased_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

ratings = Table(
    "ratings",
    metadata,
    Column("id", Key, primary_key=True),
    Column("annotator_id", ForeignKey(annotators.c.id), nullable=False),
    Column("round", ForeignKey(rounds.c.round), nullable=False),
    Column("classifier", Text, nullable=False),
    Column("image", BigInteger, nullable=False),
    Column("rating", Integer, nullable=False),
    Column("shown_at", UtcDateTime, nullable=False),
    Column("responded_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("app_version", String(64), nullable=False),
    Column("comment", CleanText),
    Column("token", String(64)),
    UniqueConstraint("annotator_id", "token"),
    CheckConstraint("rating BETWEEN 1 AND 5", name="rating_1_to_5"),
)
Index("ratings_by_explanation", ratings.c.annotator_id, ratings.c.round, ratings.c.classifier, ratings.c.image)


LATER_COLUMNS = {comparisons.c.asked, comparisons.c.others, answers.c.said}
"""That schema 2 did not have. They hold nothing of what was asked before."""


def _know_more_answers(connection: Connection) -> None:
    """An answer may be any that this explainfb knows."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("ALTER TABLE answers DROP CONSTRAINT known_answer")
        connection.exec_driver_sql(f"ALTER TABLE answers ADD CONSTRAINT known_answer CHECK ({KNOWN_ANSWER})")
        return
    # SQLite changes no constraint: the table is made anew beside the old one, filled, and takes its name. Answers
    # name each other, so that keys are looked at when all of that is done.
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    for index in answers.indexes:
        index.drop(connection)
    connection.exec_driver_sql("ALTER TABLE answers RENAME TO answers_before")
    answers.create(connection)
    there = {column["name"] for column in inspect(connection).get_columns("answers_before")}
    names = ", ".join(column.name for column in answers.c if column.name in there)
    connection.exec_driver_sql(f"INSERT INTO answers ({names}) SELECT {names} FROM answers_before ORDER BY id")
    connection.exec_driver_sql("DROP TABLE answers_before")


def _know_more_questions(connection: Connection) -> None:
    """Schema 2 → 3: what is asked may be another question than a comparison of two, with answers of its own."""
    for column in (comparisons.c.asked, comparisons.c.others):
        kind = column.type.compile(connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE comparisons ADD COLUMN {column.name} {kind}")
    if connection.dialect.name != "sqlite":  # there the table is made anew, with all of its columns
        connection.exec_driver_sql("ALTER TABLE answers ADD COLUMN said TEXT")
    _know_more_answers(connection)


UPGRADES: dict[int, Callable[[Connection], None]] = {1: _know_more_answers, 2: _know_more_questions}
"""What makes a database of each earlier schema one of the next, in the one transaction in which it is opened. Schema 2
brought the answers both good and both bad."""


def copy_all(connection: Connection, file: Path) -> None:
    """Copy everything into a new SQLite file: a file as it is, of a server every row into tables of this schema."""
    raw = connection.connection.driver_connection
    if isinstance(raw, sqlite3.Connection):
        with closing(sqlite3.connect(file)) as into:
            raw.backup(into)
            into.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        return
    # all tables as of one moment, while others write
    reading = connection.execution_options(isolation_level="REPEATABLE READ")
    target = create_engine(URL.create("sqlite", database=str(file)))
    try:
        with target.begin() as writing:
            metadata.create_all(writing)
            for table in metadata.sorted_tables:
                there = {column["name"] for column in inspect(reading).get_columns(table.name)}
                known = [column for column in table.c if column.name in there]
                query = select(*known).order_by(*table.primary_key)
                for rows in reading.execute(query).mappings().partitions(1000):
                    writing.execute(insert(table), [dict(row) for row in rows])
            writing.execute(update(versions).values(version=SCHEMA_VERSION))
    finally:
        target.dispose()
