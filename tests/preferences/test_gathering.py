"""A round that people answer: when it is over, and that it stays open while its answers teach nothing."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from explainfb.core.errors import InputError
from explainfb.core.types import Answer
from explainfb.preferences.gathering import wait_for_people
from explainfb.rewards.dataset import check_decided
from explainfb.store import Annotator, Store
from store_backends import NOON, comparisons, people, response

HELD_OUT = np.arange(12) >= 8
"""Of twelve comparisons, each of an image of its own."""
WAYS_OUT = "Earlier answers in the app, or leave someone out on the researchers' page"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "study.db") as opened:
        opened.add_comparisons(comparisons(12), seed=7)
        yield opened


def wait(store: Store) -> None:
    check = partial(check_decided, held_out=HELD_OUT)
    wait_for_people(store, 1, overlap=1, step=lambda done: None, check=check)


def answer(store: Store, person: Annotator, given: Sequence[Answer]) -> None:
    for stored, each in zip(store.comparisons(1), given, strict=True):
        store.answer(person, response(stored, each, str(stored.id)), now=NOON, overlap=1)


def change(store: Store, person: Annotator, latest: int) -> None:
    """Decide the latest answers after all."""
    for old in store.history(person, limit=latest):
        new = response(old.comparison, Answer.LEFT, f"new {old.id}", supersedes=old.id)
        store.answer(person, new, now=NOON, overlap=1)


def test_a_round_in_which_nobody_can_tell_stays_open_until_answers_are_changed(store: Store) -> None:
    (ann,) = people(store, "Ann")
    answer(store, ann, [Answer.CANT_TELL] * 12)
    with pytest.raises(InputError, match=r"4 decided answers .* of 12 there are 0, besides 0 held out") as told:
        wait(store)
    assert WAYS_OUT in str(told.value)
    assert store.rounds() == {1: True}
    change(store, ann, 7)  # the last four are about images that are held out
    with pytest.raises(InputError, match="of 12 there are 3, besides 4 held out"):
        wait(store)
    change(store, ann, 8)
    wait(store)
    assert store.rounds() == {1: False}


def test_who_is_left_out_is_asked_no_more_and_others_are(store: Store) -> None:
    ann, bob = people(store, "Ann", "Bob")
    answer(store, ann, [Answer.CANT_TELL] * 12)
    with pytest.raises(InputError, match="at least 4"):
        wait(store)
    store.annotators.exclude("Ann", by="Rea", reason="could never tell")
    answer(store, bob, [Answer.LEFT, Answer.RIGHT, Answer.EQUAL, Answer.LEFT] * 3)
    wait(store)
    assert {each.annotator for each in store.preferences(gold=True)} == {"Bob"}
    assert store.rounds() == {1: False}


def test_equal_is_an_answer_to_learn_from(store: Store) -> None:
    (ann,) = people(store, "Ann")
    answer(store, ann, [Answer.EQUAL] * 4 + [Answer.CANT_TELL] * 8)
    wait(store)
    assert store.rounds() == {1: False}


def test_a_round_that_was_closed_without_anything_to_learn_from_is_opened_again(store: Store) -> None:
    (ann,) = people(store, "Ann")
    answer(store, ann, [Answer.CANT_TELL] * 12)
    store.close_round(1)
    with pytest.raises(InputError, match="the round stays open"):
        wait(store)
    assert store.rounds() == {1: True}
