"""Answers to every kind of question are kept, changed, taken back, exported and imported, on either database."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from explainfb.core.errors import InputError
from explainfb.core.types import BAD, GOOD, Answer, Comparison, ExplanationKey
from explainfb.export import FORMATS, Format, export_answers, import_answers
from explainfb.preferences.agreement import annotator_quality, measure_agreement
from explainfb.questions import QUESTIONS
from explainfb.store import Store
from store_backends import BACKENDS, NOON, check_counters, fresh_url, people, response

KEYS = [ExplanationKey("round-0", image) for image in range(6)]
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


NOBODY_SAID = {
    "yes to a comparison": (3, {"answer": "yes"}, "answer"),
    "left to yes or no": (0, {"answer": "left"}, "answer"),
    "left to pointing": (1, {"answer": "left", "said": None}, "answer"),
    "left to a ranking": (2, {"answer": "left", "said": None}, "answer"),
    "no places": (2, {"said": "best two"}, "said"),
    "a place that was not shown": (2, {"said": "best 7 worst 0"}, "said"),
    "the best is the worst": (2, {"said": "best 1 worst 1"}, "said"),
    "pointed at what was not offered": (1, {"said": "4 of 3,5"}, "said"),
    "pointed at, and yes": (1, {"answer": "yes"}, "said"),
    "no, and nothing pointed at": (1, {"said": " of 3,5"}, "said"),
    "twice": (1, {"said": "3,3 of 3,5"}, "said"),
    "a piece that takes 200 GB": (1, {"said": "99999999999 of 99999999999"}, "said"),
    "a number that takes minutes": (1, {"said": "1," * 50_000 + "x of 1"}, "said"),
    "more than can't tell": (2, {"answer": "cant_tell"}, "said"),
    "more than left": (3, {"said": "best 2 worst 0"}, "said"),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    folder = tmp_path_factory.mktemp("exported")
    with Store(folder / "study.db") as store:
        fill(store)
        export_answers(store, folder / "answers.jsonl", "jsonl")
    return [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", NOBODY_SAID)
def test_a_file_that_says_what_nobody_can_have_said_is_refused(
    exported: list[dict[str, object]], tmp_path: Path, name: str
) -> None:
    """Each of these would otherwise stop the study when its reward is fitted, or be counted as another answer."""
    row, cells, column = NOBODY_SAID[name]
    rows = [each | cells if number == row else each for number, each in enumerate(exported)]
    (tmp_path / "answers.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in rows))
    with Store(tmp_path / "copy.db") as copy:
        copy.add_comparisons(ITEMS, seed=3)
        with pytest.raises(InputError, match=f"row {row + 1}, column {column}: found .*; expected"):
            import_answers(copy, tmp_path / "answers.jsonl")
        assert copy.answers() == []


def test_an_answer_that_the_question_does_not_have_is_not_stored(store: Store) -> None:
    store.add_comparisons(ITEMS, seed=3)
    (ann,) = people(store, "Ann")
    for stored, answer in zip(store.comparisons(), (Answer.LEFT, Answer.RANKED, Answer.YES, Answer.NO), strict=True):
        with pytest.raises(InputError, match=f"found {answer} to comparison {stored.id}"):
            store.answer(ann, response(stored, answer, "1"), now=NOON, overlap=1)
    assert store.answers() == []


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
