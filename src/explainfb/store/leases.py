"""Who is being asked what: a comparison belongs to one annotator until it is answered or the lease expires.

One more can be kept for the annotator, so that its pictures are made ready before it is asked.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, Select, Table, delete, func, insert, select, union_all

from explainfb.store import schema
from explainfb.store.annotators import excluded_ids
from explainfb.store.comparisons import COMPARISON, CURRENT
from explainfb.store.records import Lease, Outlook, StoredComparison, stored_comparison

SKEW = timedelta(minutes=1)
"""By how much the clocks of processes may differ."""


def next_comparison(
    connection: Connection, annotator: int, *, now: datetime, overlap: int, lease_seconds: float
) -> Lease | None:
    """The annotator's leased comparison while it is still wanted, else the one kept for the annotator, else the first
    one that is; None when none is."""
    free = _available(annotator, now, overlap)
    held = connection.execute(
        select(schema.leases.c.comparison_id, schema.leases.c.token).where(schema.leases.c.annotator_id == annotator)
    ).one_or_none()
    if held is not None:  # after a reload the same comparison again, with the same token, and not one more
        row = connection.execute(free.where(schema.comparisons.c.id == held.comparison_id)).mappings().one_or_none()
        if row is not None:
            return lease(connection, annotator, row["comparison_id"], now, lease_seconds, token=held.token)
    found = _first(connection, free.where(schema.comparisons.c.id.in_(_kept_for(annotator))))
    drop_kept(connection, annotator)
    if found is None:
        found = _first(connection, free)
    if found is None:
        release(connection, annotator)
        return None
    return lease(connection, annotator, found, now, lease_seconds)


def keep_next(
    connection: Connection, annotator: int, *, now: datetime, overlap: int, lease_seconds: float
) -> StoredComparison | None:
    """Keep for the annotator what is asked after the present comparison, the same however often this is called.

    Nothing is kept where fewer would be left than other people are being asked: one who goes home with two must not let
    somebody wait.
    """
    table = schema.leases
    present = select(table.c.comparison_id).where(table.c.annotator_id == annotator)
    free = _available(annotator, now, overlap).where(schema.comparisons.c.id.not_in(present))
    found = _first(connection, free.where(schema.comparisons.c.id.in_(_kept_for(annotator))))
    if found is None:
        held = _held(table, annotator, now).subquery()
        others = connection.execute(select(func.count()).select_from(held)).scalar_one()
        # as many are left beside it as others are being asked, where one comes after so many
        enough = _first(connection, free, after=others) is not None
        found = _first(connection, free) if enough else None
    drop_kept(connection, annotator)
    if found is None:
        return None
    expires_at = now + timedelta(seconds=lease_seconds)
    values = {"comparison_id": found, "leased_at": now, "expires_at": expires_at}
    connection.execute(insert(schema.kept).values(annotator_id=annotator, **values))
    query = select(*COMPARISON).where(schema.comparisons.c.id == found)
    return stored_comparison(connection.execute(query).mappings().one())


def drop_kept(connection: Connection, annotator: int) -> None:
    """Let others be asked what was kept for the annotator."""
    connection.execute(delete(schema.kept).where(schema.kept.c.annotator_id == annotator))


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


def _first(connection: Connection, query: Select[tuple[int]], *, after: int = 0) -> int | None:
    """The first comparison, in the order of rounds and positions, after so many others."""
    row = connection.execute(query.order_by(schema.comparisons.c.id).offset(after).limit(1)).mappings().first()
    return None if row is None else int(row["comparison_id"])


def _kept_for(annotator: int) -> Select[tuple[int]]:
    return select(schema.kept.c.comparison_id).where(schema.kept.c.annotator_id == annotator)


def _held(table: Table, annotator: int, now: datetime) -> Select[tuple[int]]:
    """The comparisons that other people hold in `table`, of leases or of what is kept, once for each of them."""
    return select(table.c.comparison_id).where(
        table.c.annotator_id != annotator,
        table.c.expires_at > now,
        # one from the future is of a clock that was ahead, and would keep its comparison for as long as that was
        table.c.leased_at <= now + SKEW,
    )


def _available(annotator: int, now: datetime, overlap: int) -> Select[tuple[int]]:
    """Comparisons of open rounds that this annotator has not answered and that want more people's answers.

    Other people's answers and live leases, and what is kept for them, together must leave room.
    """
    item, answers = schema.comparisons.c, schema.answers.c
    # each looked up once and not for every comparison, of which there may be ten thousand
    either = union_all(*(_held(table, annotator, now) for table in (schema.leases, schema.kept))).subquery()
    held = select(either.c.comparison_id, func.count().label("people")).group_by(either.c.comparison_id).subquery()
    mine = select(answers.comparison_id).where(answers.annotator_id == annotator, CURRENT)
    excluded = excluded_ids().where(schema.events.c.annotator_id == annotator)
    return (
        select(item.id.label("comparison_id"))
        .join_from(schema.comparisons, schema.rounds)
        .outerjoin(held, held.c.comparison_id == item.id)
        .where(schema.rounds.c.closed_at.is_(None), item.answers + func.coalesce(held.c.people, 0) < overlap)
        .where(item.id.not_in(mine), ~excluded.exists())
    )
