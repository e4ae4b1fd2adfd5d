"""Answers as events: appended, superseded, never changed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select, update

from explainfb.core.errors import InputError
from explainfb.core.types import ANSWERS_TO, Answer, Comparison, Preference
from explainfb.store import schema
from explainfb.store.annotators import ensure, excluded_ids
from explainfb.store.comparisons import COMPARISON, CURRENT, checked_comparison, load, recount
from explainfb.store.leases import release
from explainfb.store.records import Role, StoredAnswer, StoredComparison, stored_answer, stored_comparison
from explainfb.store.safekeeping.checksums import RESTORE, DamagedRowError, check_row, check_rows, insert_rows

LATER = schema.answers.alias("later")
_PERSON = [schema.annotators.c[name] for name in ("name", "role", "added_at")]
APP_VERSION = version("explainfb")


@dataclass(frozen=True, kw_only=True)
class Response:
    """What an annotator's browser sends."""

    comparison: StoredComparison
    answer: Answer | None
    """None takes the superseded answer back."""
    shown_at: datetime
    responded_at: datetime
    app_version: str
    token: str | None
    """The lease's, or for a change one that the page makes up once; a repeated token changes nothing."""
    comment: str | None = None
    supersedes: int | None = None
    """The id of the answer to be replaced."""
    said: str | None = None
    """What else was said, in the question's own words."""

    def __post_init__(self) -> None:
        if self.answer is None and self.supersedes is None:
            raise InputError("A response needs an answer, or an answer that it takes back; found neither.")


def query_answers(*conditions: Any) -> Select[Any]:
    """Events with their comparison, the annotator and what superseded them, in the order of recording."""
    table, item, person = schema.answers, schema.comparisons, schema.annotators
    checksums = item.c.checksum.label("comparison_checksum"), person.c.checksum.label("annotator_checksum")
    return (
        select(*table.c, *COMPARISON[1:], *_PERSON, *checksums, LATER.c.id.label("superseded_by"))
        # outer, or an answer would be passed over in which the comparison or the person is damaged
        .outerjoin_from(table, item, table.c.comparison_id == item.c.id)
        .outerjoin(person, table.c.annotator_id == person.c.id)
        .outerjoin(LATER, LATER.c.supersedes == table.c.id)
        .where(*conditions)
        .order_by(table.c.id)
    )


def load_answers(connection: Connection, *conditions: Any) -> list[StoredAnswer]:
    """Raises `DamagedRowError` for what is not as it was written, among the rows that fulfil the conditions."""
    return _checked(connection.execute(query_answers(*conditions)).mappings())


def load_all(connection: Connection) -> list[StoredAnswer]:
    """Every event, for what must not lack one: what is damaged in a row may be what conditions ask of it.

    Raises `DamagedRowError` where anything that was answered or decided is not as it was written.
    """
    check_rows(connection, schema.events)
    return load_answers(connection)


def _checked(rows: Iterable[RowMapping]) -> list[StoredAnswer]:
    comparisons: dict[int, StoredComparison] = {}
    people: set[int] = set()
    found = []
    for row in rows:
        check_row(schema.answers, row["id"], row, row["checksum"])
        asked, person = row["comparison_id"], row["annotator_id"]
        if row["round"] is None or row["name"] is None:
            raise DamagedRowError(f"row {row['id']} of answers asks or names what is not there; {RESTORE}")
        if asked not in comparisons:
            comparisons[asked] = checked_comparison(row, row["comparison_checksum"])
        if person not in people:
            check_row(schema.annotators, person, row, row["annotator_checksum"])
            people.add(person)
        found.append(stored_answer(row, comparisons[asked]))
    return found


def history(connection: Connection, annotator: int, limit: int | None) -> list[StoredAnswer]:
    """The annotator's current answers, the latest first."""
    query = query_answers(CURRENT, schema.answers.c.annotator_id == annotator).order_by(None)
    return _checked(connection.execute(query.order_by(schema.answers.c.id.desc()).limit(limit)).mappings())


def preferences(connection: Connection, rounds: Iterable[int] | None, *, gold: bool) -> list[Preference]:
    """Current answers that count, ordered by round, position and annotator's name."""
    names = select(schema.annotators.c.name).where(schema.annotators.c.id.in_(excluded_ids()))
    excluded = set(connection.execute(names).scalars())
    wanted = None if rounds is None else set(rounds)
    counted = [
        each
        for each in load_all(connection)
        if each.current and each.answer is not None and not each.surplus and each.annotator not in excluded
        if wanted is None or each.comparison.comparison.round in wanted
        if gold or each.comparison.comparison.gold is None
    ]
    return [each.preference for each in sorted(counted, key=lambda each: (each.comparison.id, each.annotator))]


def respond(connection: Connection, annotator: int, response: Response, *, now: datetime, overlap: int) -> StoredAnswer:
    """Append one response, or find the one that it repeats.

    An answer counts while the round is open and fewer than `overlap` other people's answers count, however late
    it comes; otherwise it is kept on record as surplus. A change counts when what it replaces did.
    """
    last = last_event(connection, response.comparison.id, annotator)
    repeated = _repeated(connection, annotator, response, last)
    if repeated is not None:
        return repeated
    asked = _comparison_row(connection, response.comparison)
    # whether what is replaced counts: a change must not lose its place to others who have answered meanwhile
    counted = last is not None and last.answer is not None and not last.surplus
    closed = asked["closed_at"] is not None
    _check_change(response, last, closed, counted)
    surplus = closed or not (counted or asked["answers"] < overlap)
    values = _values(annotator, response, asked["seed"], now) | {"surplus": surplus, "supersedes": last and last.id}
    key = insert_rows(connection, schema.answers, [values])[0]
    change = int(not surplus and response.answer is not None) - int(counted)
    _count(connection, annotator, response.comparison.id, change)
    release(connection, annotator, response.comparison.id)
    return load_answers(connection, schema.answers.c.id == key)[0]


def _check_change(response: Response, last: StoredAnswer | None, closed: bool, counted: bool) -> None:
    if response.supersedes is not None and (last is None or response.supersedes != last.id):
        raise InputError(f"Answer {response.supersedes} was changed meanwhile; reload the page and look at it again.")
    if counted and closed:
        raise InputError("This answer's round is closed and its answers are in use; they can no longer be changed.")


def record(connection: Connection, batch: Sequence[Preference], *, now: datetime) -> int:
    """Append the preferences whose annotator has no answer on record; returns how many those were.

    Where a round asks the same comparison twice, an annotator's second preference in the batch answers the second.
    """
    rounds = sorted({preference.comparison.round for preference in batch})
    places: dict[Comparison, list[StoredComparison]] = defaultdict(list)
    for stored in (each for round in rounds for each in load(connection, round)):
        places[stored.comparison].append(stored)
    people = {  # sorted, so that ids do not depend on the order of the batch
        name: ensure(connection, name, Role.ANNOTATOR, now) for name in sorted({each.annotator for each in batch})
    }
    taken = _taken(connection, rounds, people.values())
    asked: Counter[tuple[int, Comparison]] = Counter()
    rows = []
    for preference in batch:
        stored = _comparison_answered(places, preference, people[preference.annotator], asked)
        if (stored.id, people[preference.annotator]) not in taken:
            rows.append(_values(people[preference.annotator], _response(stored, preference), preference.seed, now))
    if rows:
        insert_rows(connection, schema.answers, [row | {"surplus": False} for row in rows])
        recount(connection, rounds)
    return len(rows)


def _taken(connection: Connection, rounds: Sequence[int], people: Iterable[int]) -> set[tuple[int, int]]:
    query = select(schema.answers.c.comparison_id, schema.answers.c.annotator_id)
    query = query.join_from(schema.answers, schema.comparisons).where(schema.comparisons.c.round.in_(rounds))
    found = connection.execute(query.where(schema.answers.c.annotator_id.in_(list(people)))).all()
    return {(comparison, annotator) for comparison, annotator in found}


def _comparison_answered(
    places: dict[Comparison, list[StoredComparison]],
    preference: Preference,
    annotator: int,
    asked: Counter[tuple[int, Comparison]],
) -> StoredComparison:
    comparison = preference.comparison
    turn = asked[annotator, comparison]
    asked[annotator, comparison] += 1
    if turn >= len(places[comparison]):
        raise InputError(
            f"Round {comparison.round} asks {comparison.left} against {comparison.right} {len(places[comparison])} "
            f"times; found {turn + 1} answers by {preference.annotator!r}; add the comparisons before the answers."
        )
    return places[comparison][turn]


def _response(stored: StoredComparison, preference: Preference) -> Response:
    return Response(
        comparison=stored,
        answer=preference.answer,
        shown_at=preference.shown_at,
        responded_at=preference.responded_at,
        app_version=APP_VERSION,
        token=None,
        said=preference.said,
    )


def last_event(connection: Connection, comparison: int, annotator: int) -> StoredAnswer | None:
    """The annotator's last event on this comparison."""
    own = (schema.answers.c.comparison_id == comparison, schema.answers.c.annotator_id == annotator)
    events = load_answers(connection, *own, LATER.c.id.is_(None))
    return events[0] if events else None


def _repeated(
    connection: Connection, annotator: int, response: Response, last: StoredAnswer | None
) -> StoredAnswer | None:
    """What a second press of the same button already stored: the same token, or a second first answer."""
    if response.token is not None:
        same = (schema.answers.c.annotator_id == annotator, schema.answers.c.token == response.token)
        events = load_answers(connection, *same)
        if events:
            return events[0]
    answered = last is not None and last.answer is not None
    return last if answered and response.supersedes is None else None


def _comparison_row(connection: Connection, stored: StoredComparison) -> RowMapping:
    """The comparison's counter and round. Raises `InputError` when it is not on record as it was shown."""
    query = select(*COMPARISON, schema.comparisons.c.answers, schema.rounds.c.seed, schema.rounds.c.closed_at)
    query = query.join_from(schema.comparisons, schema.rounds).where(schema.comparisons.c.id == stored.id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None or stored_comparison(row) != stored:
        raise InputError(f"Comparison {stored.id} is not on record as it was answered; reload the page.")
    return row


def _values(annotator: int, response: Response, seed: int, now: datetime) -> dict[str, object]:
    shown = response.comparison.comparison
    if response.answer is not None and response.answer not in ANSWERS_TO[shown.asked]:
        raise InputError(
            f"{shown.asked} is answered by {', '.join(ANSWERS_TO[shown.asked])}; found {response.answer} to "
            f"comparison {response.comparison.id}."
        )
    return {
        "comparison_id": response.comparison.id,
        "annotator_id": annotator,
        "answer": response.answer,
        "seed": seed,
        "shown_left": str(shown.left),
        "shown_right": str(shown.right),
        "shown_at": response.shown_at,
        "responded_at": response.responded_at,
        "recorded_at": now,
        "app_version": response.app_version,
        "comment": response.comment,
        "token": response.token,
        "said": response.said,
    }


def _count(connection: Connection, annotator: int, comparison: int, change: int) -> None:
    excluded = excluded_ids().where(schema.events.c.annotator_id == annotator)
    if change and connection.execute(excluded).first() is None:
        item = schema.comparisons.c
        connection.execute(
            update(schema.comparisons).where(item.id == comparison).values(answers=item.answers + change)
        )
