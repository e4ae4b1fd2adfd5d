"""Answers to every kind of question are kept, changed, taken back, exported and imported, on either database."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from explainfb.core.types import BAD, GOOD, Answer, Comparison, ExplanationKey
from explainfb.export import FORMATS, Format, export_answers, import_answers
from explainfb.preferences.agreement import annotator_quality, measure_agreement
from explainfb.questions import QUESTIONS
from explainfb.store import RowError, Store
from store_backends import BACKENDS, NOON, check_counters, fresh_url, people, response

KEYS = [ExplanationKey("round-0", image) for image in range(5)]
ITEMS = [
    Comparison.about(KEYS[:1], 1, asked="yes-no"),
    Comparison.about(KEYS[:1], 1, asked="point"),
    Comparison.about(KEYS, 1, asked="rank"),
    Comparison.about(KEYS[:2], 1),
]
SAID = [(Answer.YES, None), (Answer.NO, "3 of 3,5"), (Answer.RANKED, "best 2 worst 0"), (Answer.LEFT, None)]


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with fresh_url(request.param, tmp_path) as url, Store(url) as found:
        yield found


def fill(store: Store) -> None:
    store.add_comparisons(ITEMS, seed=3)
    (ann,) = people(store, "Ann")
    for token, (answer, said) in enumerate(SAID):
        lease = store.next_comparison(ann, now=NOON, overlap=1, lease_seconds=60)
        assert lease is not None
        given = replace(response(lease.comparison, answer, str(token)), said=said)
        store.answer(ann, given, now=NOON + timedelta(seconds=1), overlap=1)


def test_what_was_said_is_on_record(store: Store) -> None:
    fill(store)
    assert [each.comparison for each in store.comparisons()] == ITEMS
    assert [(each.answer, each.said) for each in store.preferences(gold=True)] == SAID
    check_counters(store)
    before = store.fingerprint(1)
    (ann,) = (each for each in store.annotators.all())
    changed = replace(
        response(store.comparisons()[1], Answer.YES, "new", supersedes=store.history(ann)[2].id), said=" of 3,5"
    )
    store.answer(ann, changed, now=NOON, overlap=1)
    assert [each.said for each in store.preferences(gold=True)][1] == " of 3,5"
    assert store.fingerprint(1).digest != before.digest
    assert store.fingerprint(1, before.until).digest == before.digest


@pytest.mark.parametrize("format", FORMATS)
def test_it_comes_back_from_a_file(store: Store, tmp_path: Path, format: Format) -> None:
    fill(store)
    export_answers(store, tmp_path / f"answers.{format}", format)
    with Store(tmp_path / "copy.db") as copy:
        copy.add_comparisons(ITEMS, seed=3)
        assert import_answers(copy, tmp_path / f"answers.{format}") == 4
        assert copy.preferences(gold=True) == store.preferences(gold=True)
        assert import_answers(copy, tmp_path / f"answers.{format}") == 0


def test_a_file_that_says_what_nobody_can_have_said_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path / "study.db") as store:
        fill(store)
        export_answers(store, tmp_path / "answers.csv", "csv")
    text = (tmp_path / "answers.csv").read_text().replace("best 2 worst 0", "best two")
    (tmp_path / "answers.csv").write_text(text)
    with Store(tmp_path / "copy.db") as copy:
        copy.add_comparisons(ITEMS, seed=3)
        with pytest.raises(Exception, match=r"column said: found 'best two'; expected such as best 2 worst 0"):
            import_answers(copy, tmp_path / "answers.csv")
    assert issubclass(RowError, Exception)


def test_known_answers_of_every_kind_are_seen(tmp_path: Path) -> None:
    """Ann knows them all, Ben none."""
    draw = np.random.default_rng(0)
    items = [
        each.known_item(list(range(9 * n, 9 * n + each.shows)), 1, draw) for n, each in enumerate(QUESTIONS.values())
    ]
    assert {key.classifier for item in items for key in item.shown} <= {GOOD, BAD}
    with Store(tmp_path / "study.db") as store:
        store.add_comparisons(items, seed=0)
        everyone = people(store, "Ann", "Ben")
        for person in everyone:
            for number, stored in enumerate(store.comparisons()):
                right = person.name == "Ann"
                store.answer(
                    person,
                    _known(stored.comparison, right, response(stored, Answer.YES, f"{number}")),
                    now=NOON,
                    overlap=2,
                )
        found = annotator_quality(store.answers())
        assert [(each.gold_answered, each.gold_correct) for each in found] == [(4, 4), (4, 0)]
        together = measure_agreement(store.answers(), seed=0, gold=True)
        assert together is not None
        assert (together.same, together.comparisons) == (0, 3)  # nothing is said of agreement on a ranking


def _known(item: Comparison, right: bool, given):  # type: ignore[no-untyped-def]
    opposite = {Answer.LEFT: Answer.RIGHT, Answer.RIGHT: Answer.LEFT, Answer.YES: Answer.NO, Answer.NO: Answer.YES}
    if item.gold is Answer.RANKED:
        good = next(place for place, key in enumerate(item.shown) if key.classifier == GOOD)
        bad = (good + 1) % len(item.shown)
        best, worst = (good, bad) if right else (bad, good)
        return replace(given, answer=Answer.RANKED, said=f"best {best} worst {worst}")
    assert item.gold is not None
    return replace(given, answer=item.gold if right else opposite[item.gold])
