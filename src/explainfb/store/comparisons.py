"""Rounds of comparisons: stored once, opened, closed, counted."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, ScalarSelect, Select, and_, exists, func, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from explainfb.core.errors import InputError
from explainfb.core.types import Comparison
from explainfb.store import schema
from explainfb.store.annotators import excluded_ids
from explainfb.store.records import Progress, StoredComparison, stored_comparison
from explainfb.store.safekeeping.checksums import RESTORE, DamagedRowError, check_row, insert_rows

COMPARISON = (
    schema.comparisons.c.id.label("comparison_id"),
    *(column for column in schema.comparisons.c if column.name not in ("id", "answers", "checksum")),
)
_SUCCESSOR = schema.answers.alias("successor")
CURRENT: ColumnElement[bool] = and_(
    schema.answers.c.answer.is_not(None), ~exists().where(_SUCCESSOR.c.supersedes == schema.answers.c.id)
)
"""An answer that neither a change nor an undo has superseded."""


def load(connection: Connection, round: int | None) -> list[StoredComparison]:
    """Raises `DamagedRowError` for a comparison that is not as it was written."""
    query = select(*COMPARISON, schema.comparisons.c.checksum).order_by(schema.comparisons.c.id)
    if round is not None:
        query = query.where(schema.comparisons.c.round == round)
    return [checked_comparison(row, row["checksum"]) for row in connection.execute(query).mappings()]


def checked_comparison(row: RowMapping, checksum: str | None) -> StoredComparison:
    """From a row with the columns of `COMPARISON`."""
    check_row(schema.comparisons, row["comparison_id"], row, checksum)
    return stored_comparison(row)


def add_round(connection: Connection, round: int, wanted: Sequence[Comparison], seed: int, now: datetime) -> None:
    """Insert a round that is new; pass over one that is on record; raise `InputError` where the two differ."""
    on_record = connection.execute(select(schema.rounds.c.seed).where(schema.rounds.c.round == round)).scalar()
    if on_record is not None:
        _check_same(round, [stored.comparison for stored in load(connection, round)], wanted, on_record, seed)
        return
    if len(wanted) >= schema.ROUND_SIZE:
        raise InputError(f"A round holds fewer than {schema.ROUND_SIZE} comparisons; found {len(wanted)}.")
    connection.execute(insert(schema.rounds).values(round=round, seed=seed, added_at=now))
    insert_rows(connection, schema.comparisons, [_row(item, place) for place, item in enumerate(wanted)])


def _row(comparison: Comparison, position: int) -> dict[str, object]:
    return {
        "id": comparison.round * schema.ROUND_SIZE + position,
        "round": comparison.round,
        "position": position,
        "left_classifier": comparison.left.classifier,
        "left_image": comparison.left.image,
        "left_superpixel": comparison.left.superpixel,
        "right_classifier": comparison.right.classifier,
        "right_image": comparison.right.image,
        "right_superpixel": comparison.right.superpixel,
        "gold": comparison.gold,
        # none of a comparison of two, as of those that were stored before there was anything else
        "asked": None if comparison.asked == "compare" else comparison.asked,
        "others": " ".join(map(str, comparison.others)) or None,
    }


def _check_same(
    round: int, stored: Sequence[Comparison], wanted: Sequence[Comparison], stored_seed: int, seed: int
) -> None:
    advice = "go on with the settings the study began with, or start a new study"
    if stored_seed != seed:
        raise InputError(f"Round {round} is on record with seed {stored_seed}; found seed {seed}; {advice}.")
    if len(stored) != len(wanted):
        raise InputError(f"Round {round} is on record with {len(stored)} comparisons; found {len(wanted)}; {advice}.")
    for place, (old, new) in enumerate(zip(stored, wanted, strict=True)):
        if old != new:
            raise InputError(
                f"Round {round} is on record with other comparisons: at position {place} {old.left} against "
                f"{old.right}, found {new.left} against {new.right}; {advice}."
            )


def set_closed(connection: Connection, round: int, closed_at: datetime | None) -> None:
    """Close a round (the first closing's time stays), or open it again with None."""
    change = update(schema.rounds).where(schema.rounds.c.round == round).values(closed_at=closed_at)
    if closed_at is not None:
        change = change.where(schema.rounds.c.closed_at.is_(None))
    connection.execute(change)


def progress(connection: Connection, round: int, overlap: int) -> Progress:
    counted = schema.comparisons.c.answers
    query = select(func.count(), func.count().filter(counted >= overlap), func.coalesce(func.sum(counted), 0))
    return Progress(*connection.execute(query.where(schema.comparisons.c.round == round)).one())


def recount(connection: Connection, rounds: Select[tuple[int]] | Sequence[int]) -> None:
    """Count the answers of these rounds anew: current, not surplus, by annotators who are not excluded.

    The count is kept beside each comparison, because it is asked for at every question that somebody is shown.
    """
    change = update(schema.comparisons).where(schema.comparisons.c.round.in_(rounds))
    connection.execute(change.values(answers=_counted()))


def check_counts(connection: Connection) -> None:
    """Raise `DamagedRowError` where a comparison's count is not what its answers add up to: one of the two is lost."""
    item = schema.comparisons.c
    wrong = connection.execute(
        select(item.id, item.answers).where(item.answers != _counted()).order_by(item.id)
    ).first()
    if wrong is not None:
        raise DamagedRowError(
            f"row {wrong.id} of comparisons counts {wrong.answers} answers, and has others; {RESTORE}"
        )


def _counted() -> ScalarSelect[int]:
    return (
        select(func.count())
        .select_from(schema.answers)
        .where(
            schema.answers.c.comparison_id == schema.comparisons.c.id,
            schema.answers.c.surplus.is_(False),
            schema.answers.c.annotator_id.not_in(excluded_ids()),
            CURRENT,
        )
        .scalar_subquery()
    )
