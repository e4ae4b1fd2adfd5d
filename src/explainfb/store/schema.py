"""The tables of a study's database; `explainfb.store` says what each is for."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
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
    text,
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


KNOWN_ANSWER = "answer IN ('left', 'right', 'equal', 'both_good', 'both_bad', 'cant_tell')"
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
    # last, as an upgraded database has them
    Column("left_superpixel", Integer),
    Column("right_superpixel", Integer),
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


def _know_both_good_and_both_bad(connection: Connection) -> None:
    """Schema 1 → 2: an answer may be `both_good` or `both_bad`."""
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
    names = ", ".join(column.name for column in answers.c)
    connection.exec_driver_sql(f"INSERT INTO answers ({names}) SELECT {names} FROM answers_before ORDER BY id")
    connection.exec_driver_sql("DROP TABLE answers_before")


def _know_superpixels(connection: Connection) -> None:
    """Schema 2 → 3: a side of a comparison may be one superpixel alone."""
    for side in ("left", "right"):
        connection.exec_driver_sql(f"ALTER TABLE comparisons ADD COLUMN {side}_superpixel INTEGER")


UPGRADES: dict[int, Callable[[Connection], None]] = {1: _know_both_good_and_both_bad, 2: _know_superpixels}
"""What makes a database of each earlier schema one of the next, in the one transaction in which it is opened."""
