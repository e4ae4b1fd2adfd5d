"""Who is being asked what: a comparison belongs to one annotator until it is answered or the lease expires."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, Select, delete, exists, func, insert, select

from explainfb.store import schema
from explainfb.store.annotators import excluded_ids
from explainfb.store.comparisons import COMPARISON, CURRENT
from explainfb.store.records import Lease, Outlook, stored_comparison

SKEW = timedelta(minutes=1)
"""By how much the clocks of processes may differ."""


def next_comparison(
    connection: Connection, annotator: int, *, now: datetime, overlap: int, lease_seconds: float
) -> Lease | None:
    """The annotator's leased comparison while it is still wanted, else the first one that is; None when none is."""
    free = _available(annotator, now, overlap)
    held = connection.execute(
        select(schema.leases.c.comparison_id, schema.leases.c.token).where(schema.leases.c.annotator_id == annotator)
    ).one_or_none()
    if held is not None:  # after a reload the same comparison again, with the same token, and not one more
        row = connection.execute(free.where(schema.comparisons.c.id == held.comparison_id)).mappings().one_or_none()
        if row is not None:
            return lease(connection, annotator, row["comparison_id"], now, lease_seconds, token=held.token)
    row = connection.execute(free.order_by(schema.comparisons.c.id).limit(1)).mappings().one_or_none()
    if row is None:
        release(connection, annotator)
        return None
    return lease(connection, annotator, row["comparison_id"], now, lease_seconds)


def outlook(connection: Connection, annotator: int, *, now: datetime, overlap: int) -> Outlook:
    """How many comparisons the annotator has answered, and how many are left."""
    answered = (
        select(func.count(), func.count().filter(schema.rounds.c.closed_at.is_(None)))
        .select_from(schema.answers)
        .join(schema.comparisons, schema.answers.c.comparison_id == schema.comparisons.c.id)
        .join(schema.rounds, schema.comparisons.c.round == schema.rounds.c.round)
        .where(schema.answers.c.annotator_id == annotator, CURRENT)
    )
    given, done = connection.execute(answered).one()
    free = _available(annotator, now, overlap).subquery()
    left = connection.execute(select(func.count()).select_from(free)).scalar_one()
    return Outlook(done=done, left=left, given=given)


def lease(
    connection: Connection,
    annotator: int,
    comparison: int,
    now: datetime,
    lease_seconds: float,
    *,
    token: str | None = None,
) -> Lease:
    """Give the comparison to the annotator, in place of whatever the annotator held."""
    release(connection, annotator)
    token, expires_at = token or secrets.token_hex(16), now + timedelta(seconds=lease_seconds)
    values = {"token": token, "leased_at": now, "expires_at": expires_at}
    connection.execute(insert(schema.leases).values(annotator_id=annotator, comparison_id=comparison, **values))
    query = select(*COMPARISON).where(schema.comparisons.c.id == comparison)
    return Lease(stored_comparison(connection.execute(query).mappings().one()), token, expires_at)


def release(connection: Connection, annotator: int, comparison: int | None = None) -> None:
    """End the annotator's lease, or only the one on `comparison`."""
    done = delete(schema.leases).where(schema.leases.c.annotator_id == annotator)
    if comparison is not None:
        done = done.where(schema.leases.c.comparison_id == comparison)
    connection.execute(done)


def _available(annotator: int, now: datetime, overlap: int) -> Select[tuple[int]]:
    """Comparisons of open rounds that this annotator has not answered and that want more people's answers.

    Other people's answers and live leases together must leave room.
    """
    item, others = schema.comparisons.c, schema.leases.c
    leased = (
        select(func.count())
        .select_from(schema.leases)
        .where(others.comparison_id == item.id, others.annotator_id != annotator)
        # one from the future is of a clock that was ahead, and would keep its comparison for as long as that was
        .where(others.expires_at > now, others.leased_at <= now + SKEW)
        .scalar_subquery()
    )
    mine = exists().where(
        schema.answers.c.comparison_id == item.id, schema.answers.c.annotator_id == annotator, CURRENT
    )
    excluded = excluded_ids().where(schema.events.c.annotator_id == annotator)
    return (
        select(item.id.label("comparison_id"))
        .join_from(schema.comparisons, schema.rounds)
        .where(schema.rounds.c.closed_at.is_(None), item.answers < overlap, item.answers + leased < overlap)
        .where(~mine, ~excluded.exists())
    )
