"""Explanations rated one by one, from 1 to 5, and the comparisons that follow from the ratings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

from sqlalchemy import Connection, func, insert, select

from explainfb.core.errors import InputError
from explainfb.core.seeding import derive
from explainfb.core.types import Answer, Comparison, ExplanationKey, Preference
from explainfb.store import schema
from explainfb.store.answers import APP_VERSION


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
    connection.execute(insert(table).values(annotator_id=annotator, **values))


def load(connection: Connection, annotator: str | None, round: int | None) -> list[Rating]:
    """The last rating of each explanation by each annotator in each round, in the order of recording."""
    table = schema.ratings
    last = select(func.max(table.c.id)).group_by(table.c.annotator_id, table.c.round, table.c.classifier, table.c.image)
    query = select(table, schema.annotators.c.name).join(schema.annotators).where(table.c.id.in_(last))
    if annotator is not None:
        query = query.where(schema.annotators.c.name == annotator)
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


def comparisons_from_ratings(ratings: Sequence[Rating], *, seed: int) -> list[Preference]:
    """Every pair that one annotator rated in the same round, as an answered comparison; gold ones are left out.

    The explanation with the higher rating wins; the same rating is `EQUAL`. Which one stands left is drawn from
    `seed`. n ratings of a round give n (n − 1) / 2 comparisons, which are far from independent of each other.
    Raises `InputError` for ratings by several annotators, or two of one explanation in one round.
    """
    people = sorted({rating.annotator for rating in ratings})
    if len(people) > 1:
        raise InputError(f"Ratings are compared within one annotator; found {len(people)}: {', '.join(people[:3])}.")
    ordinary = [rating for rating in ratings if not rating.explanation.gold]
    ordered = sorted(ordinary, key=lambda rating: (rating.round, rating.explanation))
    pairs = [pair for pair in combinations(ordered, 2) if pair[0].round == pair[1].round]
    return [_preference(*pair, seed) for pair in pairs]


def _preference(first: Rating, second: Rating, seed: int) -> Preference:
    if first.explanation == second.explanation:
        raise InputError(f"{first.explanation} is rated twice in round {first.round}; give the current rating only.")
    turned = derive(seed, "ratings", first.explanation, second.explanation) % 2
    left, right = (second, first) if turned else (first, second)
    answer = Answer.EQUAL
    if left.rating != right.rating:
        answer = Answer.LEFT if left.rating > right.rating else Answer.RIGHT
    return Preference(
        Comparison(left.explanation, right.explanation, left.round),
        answer,
        left.annotator,
        seed,
        min(left.shown_at, right.shown_at),
        max(left.responded_at, right.responded_at),
    )


_SAME = ("round", "rating", "shown_at", "responded_at", "app_version", "comment", "token")
