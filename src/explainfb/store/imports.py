"""Answers that another copy of the study recorded: all are checked, then all are appended, or none."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select

from explainfb.core.errors import InputError
from explainfb.core.types import ANSWERS_TO
from explainfb.store import schema
from explainfb.store.annotators import ensure, kept_name
from explainfb.store.answers import load_all
from explainfb.store.comparisons import load, recount
from explainfb.store.records import Role, StoredAnswer, StoredComparison
from explainfb.store.safekeeping.checksums import insert_rows

Chain = tuple[str, int]
"""The annotator and the comparison's id: their events follow each other without a break."""
LONGEST_FOUND = 60
VERSION_LENGTH: int = schema.answers.c.app_version.type.length  # type: ignore[attr-defined]


class RowError(InputError):
    """What is wrong with one cell: its row (the first answer is row 1) and column, what was found and expected."""

    def __init__(self, row: int, column: str, found: object, expected: str) -> None:
        shown = "nothing" if found is None else repr(found)
        shown = shown if len(shown) <= LONGEST_FOUND else f"{shown[:LONGEST_FOUND]}…"
        self.row = row
        self.problem = f"column {column}: found {shown}; expected {expected}"
        super().__init__(f"Row {row}, {self.problem}; nothing was imported.")


@dataclass(frozen=True)
class _Round:
    seed: int
    closed: bool


def import_answers(connection: Connection, events: Sequence[StoredAnswer], *, now: datetime) -> int:
    """Append the events that are not on record, in their order; returns how many those were."""
    names = {name: kept_name(connection, name) for name in {event.annotator for event in events}}
    events = [replace(event, annotator=names[event.annotator]) for event in events]
    _check_chains(events)
    rounds = _rounds(connection)
    _check_comparisons(events, load(connection, None), rounds)
    asked = sorted({event.comparison.comparison.round for event in events})
    known: dict[Chain, list[StoredAnswer]] = defaultdict(list)
    for stored in load_all(connection):
        known[stored.annotator, stored.comparison.id].append(stored)
    ids, new = _match(events, known)
    for row in new:
        _check_open(row, events[row - 1], rounds)
    _append(connection, events, new, ids, now)
    if new:
        recount(connection, asked)
    return len(new)


def _check_chains(events: Sequence[StoredAnswer]) -> None:
    """Each event is possible in itself, and each annotator's events on a comparison are one unbroken chain."""
    rows: dict[int, int] = {}
    replaced: dict[int, int] = {}
    first: dict[Chain, int] = {}
    for row, event in enumerate(events, 1):
        _check_event(row, event)
        if event.id in rows:
            raise RowError(row, "answer_id", event.id, f"each id once (it is also in row {rows[event.id]})")
        if event.supersedes is None:
            _check_first(row, event, first)
        else:
            _check_successor(row, event, events, rows, replaced)
            replaced[event.supersedes] = row
        rows[event.id] = row
    for row, event in enumerate(events, 1):
        if event.current != (event.id not in replaced):
            raise RowError(row, "current", event.current, f"{not event.current}, as the column supersedes tells")


def _check_event(row: int, event: StoredAnswer) -> None:
    asked = event.comparison.comparison.asked
    if event.answer is not None and event.answer not in ANSWERS_TO[asked]:
        raise RowError(
            row, "answer", str(event.answer), f"{', '.join(ANSWERS_TO[asked])} or nothing, as {asked} is asked"
        )
    if not 0 < len(event.app_version) <= VERSION_LENGTH or not event.app_version.isprintable():
        raise RowError(row, "app_version", event.app_version, f"a version of 1 to {VERSION_LENGTH} characters")


def _check_first(row: int, event: StoredAnswer, first: dict[Chain, int]) -> None:
    before = first.setdefault((event.annotator, event.comparison.id), row)
    if before != row:
        expected = f"the answer it replaces, as row {before} is {event.annotator!r}'s first answer to this comparison"
        raise RowError(row, "supersedes", None, expected)
    if event.answer is None:
        raise RowError(row, "answer", None, "an answer, as this row takes none back")


def _check_successor(
    row: int, event: StoredAnswer, events: Sequence[StoredAnswer], rows: dict[int, int], replaced: dict[int, int]
) -> None:
    assert event.supersedes is not None
    found = rows.get(event.supersedes)
    if found is None:
        raise RowError(row, "supersedes", event.supersedes, "the answer_id of an earlier row")
    before = events[found - 1]
    if (before.annotator, before.comparison.id) != (event.annotator, event.comparison.id):
        expected = f"the answer_id of an earlier row of {event.annotator!r} and comparison {event.comparison.id}"
        raise RowError(row, "supersedes", event.supersedes, expected)
    if event.supersedes in replaced:
        expected = f"an answer that is replaced once (row {replaced[event.supersedes]} replaces it too)"
        raise RowError(row, "supersedes", event.supersedes, expected)


def _rounds(connection: Connection) -> dict[int, _Round]:
    query = select(schema.rounds.c.round, schema.rounds.c.seed, schema.rounds.c.closed_at)
    return {number: _Round(seed, closed_at is not None) for number, seed, closed_at in connection.execute(query)}


def _check_comparisons(
    events: Sequence[StoredAnswer], stored: Sequence[StoredComparison], rounds: dict[int, _Round]
) -> None:
    """Each event answers a comparison on record, of the same round, sides, gold answer and seed."""
    comparisons = {each.id: each.comparison for each in stored}
    for row, event in enumerate(events, 1):
        on_record, found = comparisons.get(event.comparison.id), event.comparison.comparison
        if on_record is None:
            raise RowError(row, "comparison_id", event.comparison.id, "a comparison that is on record in this study")
        cells = [
            ("round", found.round, on_record.round),
            ("left_classifier", event.shown_left.classifier, on_record.left.classifier),
            ("left_image", event.shown_left.image, on_record.left.image),
            ("left_superpixel", event.shown_left.superpixel, on_record.left.superpixel),
            ("right_classifier", event.shown_right.classifier, on_record.right.classifier),
            ("right_image", event.shown_right.image, on_record.right.image),
            ("right_superpixel", event.shown_right.superpixel, on_record.right.superpixel),
            ("gold", found.gold and str(found.gold), on_record.gold and str(on_record.gold)),
            ("asked", found.asked, on_record.asked),
            ("others", [*map(str, found.others)], [*map(str, on_record.others)]),
            ("seed", event.seed, rounds[on_record.round].seed),
        ]
        _check_same(row, cells, f"as comparison {event.comparison.id} is on record")


def _check_same(row: int, cells: Sequence[tuple[str, object, object]], why: str) -> None:
    for column, found, on_record in cells:
        if found != on_record:
            raise RowError(row, column, found, f"{'nothing' if on_record is None else repr(on_record)}, {why}")


def _match(events: Sequence[StoredAnswer], known: dict[Chain, list[StoredAnswer]]) -> tuple[dict[int, int], list[int]]:
    """The ids on record of events that are, and the rows of those that are not.

    Raises `RowError` where a chain of the file and the one on record part.
    """
    ids, new = {}, []
    turns: Counter[Chain] = Counter()
    for row, event in enumerate(events, 1):
        chain = event.annotator, event.comparison.id
        on_record, turn = known.get(chain, []), turns[chain]
        turns[chain] += 1
        if turn < len(on_record):
            _check_repeated(row, event, on_record[turn])
            ids[event.id] = on_record[turn].id
        else:
            new.append(row)
    return ids, new


def _check_repeated(row: int, event: StoredAnswer, stored: StoredAnswer) -> None:
    cells = [
        ("answer", event.answer and str(event.answer), stored.answer and str(stored.answer)),
        *((name, getattr(event, name).isoformat(), getattr(stored, name).isoformat()) for name in _TIMES),
        *(
            (name, getattr(event, name), getattr(stored, name))
            for name in ("app_version", "comment", "surplus", "said")
        ),
    ]
    _check_same(row, cells, f"as answer {stored.id} by {stored.annotator!r} to this comparison is on record")


def _check_open(row: int, event: StoredAnswer, rounds: dict[int, _Round]) -> None:
    round = event.comparison.comparison.round
    if rounds[round].closed and not event.surplus:
        expected = "a round that is open, as the answers of this one are in use (reopen it to add to them)"
        raise RowError(row, "round", round, expected)


def _append(
    connection: Connection, events: Sequence[StoredAnswer], new: Sequence[int], ids: dict[int, int], now: datetime
) -> None:
    """Insert the rows in their order, many at once, up to one that replaces a row of which no id is known yet."""
    people: dict[str, int] = {}
    waiting: list[StoredAnswer] = []
    for row in new:
        event = events[row - 1]
        if event.annotator not in people:
            people[event.annotator] = _person(connection, row, event.annotator, now)
        if event.supersedes is not None and event.supersedes not in ids:
            _insert(connection, waiting, people, ids)
            waiting.clear()
        waiting.append(event)
    _insert(connection, waiting, people, ids)


def _insert(
    connection: Connection, events: Sequence[StoredAnswer], people: dict[str, int], ids: dict[int, int]
) -> None:
    if events:
        found = insert_rows(connection, schema.answers, [_values(each, people[each.annotator], ids) for each in events])
        ids.update(zip((event.id for event in events), found, strict=True))


def _person(connection: Connection, row: int, name: str, now: datetime) -> int:
    try:
        return ensure(connection, name, Role.ANNOTATOR, now)
    except InputError as error:
        raise RowError(row, "annotator", name, f"a name that is allowed ({str(error).partition(';')[0]})") from error


def _values(event: StoredAnswer, annotator: int, ids: dict[int, int]) -> dict[str, object]:
    same = {name: getattr(event, name) for name in (*_TIMES, *_SAME)}
    return same | {
        "comparison_id": event.comparison.id,
        "annotator_id": annotator,
        "shown_left": str(event.shown_left),
        "shown_right": str(event.shown_right),
        "supersedes": None if event.supersedes is None else ids[event.supersedes],
    }


_TIMES = ("shown_at", "responded_at", "recorded_at")
_SAME = ("answer", "seed", "app_version", "comment", "surplus", "said")
