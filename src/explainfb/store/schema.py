"""The tables of a study's database; `explainfb.store` says what each is for."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
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

SCHEMA_VERSION = 5
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
        return None if value is None else cleaned(value)


def cleaned(text: str) -> str:
    """`text` as a column of `CleanText` keeps it."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


KNOWN_ANSWER = "answer IN ('left', 'right', 'equal', 'both_good', 'both_bad', 'cant_tell', 'yes', 'no', 'ranked')"
metadata = MetaData()
Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself under INTEGER alone


def _checksum() -> Column[str]:
    """Over the rest of its row; none in rows that an explainfb before schema 4 wrote."""
    return Column("checksum", String(16))


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
    Column("left_superpixel", Integer),
    Column("right_superpixel", Integer),
    _checksum(),
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
    _checksum(),
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
    _checksum(),
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
    _checksum(),
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

kept = Table(
    "kept",
    metadata,
    Column("annotator_id", ForeignKey(annotators.c.id), primary_key=True, autoincrement=False),
    Column("comparison_id", ForeignKey(comparisons.c.id), nullable=False, index=True),
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
    _checksum(),
    UniqueConstraint("annotator_id", "token"),
    CheckConstraint("rating BETWEEN 1 AND 5", name="rating_1_to_5"),
)
Index("ratings_by_explanation", ratings.c.annotator_id, ratings.c.round, ratings.c.classifier, ratings.c.image)

CHECKED = (annotators, events, comparisons, answers, ratings)
"""Tables that say what was asked and answered. Their rows are written once, each with a checksum, and never
change but for the counter `comparisons.answers`."""
LATER = ("asked", "others", "left_superpixel", "right_superpixel")
LATER_COLUMNS = {*(comparisons.c[name] for name in LATER), answers.c.said, *(table.c.checksum for table in CHECKED)}
"""That schema 2 did not have. They hold nothing of what was asked before."""
