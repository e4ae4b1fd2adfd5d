"""Explanations rated one by one, from 1 to 5, and the comparisons that follow from the ratings."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from explainfb.core.errors import InputError
from explainfb.core.types import ExplanationKey
from explainfb.store import schema
from explainfb.store.annotators import kept_name
from explainfb.store.answers import APP_VERSION
from explainfb.store.safekeeping.checksums import check_rows, insert_rows


@dataclass(frozen=True, kw_only=True)
class Rating:
    """How good one annotator found one explanation."""

    explanation: ExplanationKey
    rating: int
    """1 (bad) to 5 (good)."""
    annotator: str
    round: int
    """The round that asked, from 1."""
    shown_at: datetime
    responded_at: datetime
    app_version: str = APP_VERSION
    comment: str | None = None
    token: str | None = None
    """A repeated token changes nothing."""

    def __post_init__(self) -> None:
        if self.rating not in range(1, 6):
            raise InputError(f"A rating is a whole number from 1 to 5; found {self.rating}.")


def add(connection: Connection, annotator: int, rating: Rating, *, now: datetime) -> None:
    """Append a rating; one with a token on record is passed over."""
    table = schema.ratings
    same = select(table.c.id).where(table.c.annotator_id == annotator, table.c.token == rating.token)
    if rating.token is not None and connection.execute(same).first() is not None:
        return
    values: dict[str, Any] = {name: getattr(rating, name) for name in _SAME}
    values |= {"classifier": rating.explanation.classifier, "image": rating.explanation.image, "recorded_at": now}
    insert_rows(connection, table, [values | {"annotator_id": annotator}])


def load(connection: Connection, annotator: str | None, round: int | None) -> list[Rating]:
    """The last rating of each explanation by each annotator in each round, in the order of recording.

    Raises `DamagedRowError` for rows that are not as they were written, whoever's they are: a person or a round may be
    what is damaged in them.
    """
    check_rows(connection, schema.annotators, schema.ratings)
    table = schema.ratings
    last = select(func.max(table.c.id)).group_by(table.c.annotator_id, table.c.round, table.c.classifier, table.c.image)
    query = select(table, schema.annotators.c.name).join(schema.annotators).where(table.c.id.in_(last))
    if annotator is not None:
        query = query.where(schema.annotators.c.name == kept_name(connection, annotator))
    if round is not None:
        query = query.where(table.c.round == round)
    rows = connection.execute(query.order_by(table.c.id)).mappings()
    return [
        Rating(
            explanation=ExplanationKey(row["classifier"], row["image"]),
            annotator=row["name"],
            **{name: row[name] for name in _SAME},
        )
        for row in rows
    ]


_SAME = ("round", "rating", "shown_at", "responded_at", "app_version", "comment", "token")
