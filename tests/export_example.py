"""A store in which everything happened that an export can hold, and its rows."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from explainfb.core.types import Answer
from explainfb.export import answers_table, as_bytes
from explainfb.store import Annotator, Store, StoredAnswer, StoredComparison
from store_backends import NOON, comparison, comparisons, people, preference, response

Rows = list[dict[str, Any]]
COMMENTS = [
    None,
    "",
    'said "no",\r\nthen\nyes',
    "lone \r return, \u2028 and \u0085 and \ufeff",
    "👩‍💻 é \ue000",
    "=HYPERLINK(1)",
    "NA",
    "null",
    " \t ",
    "\\N \\u0041",
    "x" * 10_000,
]
ITEMS = [*comparisons(len(COMMENTS)), comparison(90, gold=Answer.RIGHT), *comparisons(2, round=2)]
ZOE = '=Zoë "x", y'


def press(
    store: Store,
    who: Annotator,
    stored: StoredComparison,
    answer: Answer | None,
    *,
    comment: str | None = None,
    supersedes: int | None = None,
) -> StoredAnswer:
    given = response(stored, answer, None, supersedes)
    given = type(given)(**{**vars(given), "comment": comment})
    return store.answer(who, given, now=NOON + timedelta(seconds=9, microseconds=1), overlap=2)


def fill(store: Store) -> None:
    """Every kind of event: comments, gold, a change, answers taken back, surplus ones, someone left out, a machine."""
    store.add_comparisons(ITEMS, seed=2**62)
    ann, bob, zoe = people(store, "Ann", "Bob", ZOE)
    asked = store.comparisons()
    for stored, comment in zip(asked, COMMENTS, strict=False):
        press(store, ann, stored, Answer.LEFT, comment=comment)
    for who in (bob, zoe):
        press(store, who, asked[0], Answer.CANT_TELL)
    changed = press(store, ann, asked[-3], Answer.LEFT)
    back = press(store, ann, asked[-3], None, supersedes=changed.id)
    press(store, bob, asked[-3], Answer.RIGHT)
    press(store, ann, asked[-3], Answer.EQUAL, supersedes=back.id)
    store.undo(bob, press(store, bob, asked[-1], Answer.LEFT), now=NOON, overlap=2, lease_seconds=60)
    machine = preference(ITEMS[-2])
    store.record([type(machine)(**{**vars(machine), "seed": 2**62})])
    store.annotators.exclude("Bob", by="Rae", reason="gold")


def content(store: Store) -> Rows:
    """The table less the numbers of the events, and less who is excluded."""
    rows = rows_of(store)
    place = {row["answer_id"]: number for number, row in enumerate(rows)}
    for row in rows:
        row["supersedes"] = place.get(row["supersedes"])
        del row["answer_id"], row["excluded"]
    return rows


def rows_of(store: Store) -> Rows:
    return [json.loads(line) for line in as_bytes(answers_table(store), "jsonl").decode().split("\n")[:-1]]


def write_rows(path: Path, rows: Rows) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path
