"""Who is asked what, and answers as events: leases, overlap, changes, undo."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from explainfb.core.errors import InputError
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import ANSWERS_TO, Answer
from explainfb.store import Annotator, Lease, Store
from store_backends import (
    BACKENDS,
    NOON,
    check_counters,
    comparison,
    comparisons,
    fresh_url,
    people,
    response,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh_url(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url) as opened:
        opened.add_comparisons(comparisons(4), seed=7)
        yield opened


def test_a_lease_by_a_clock_that_was_a_day_ahead_does_not_block(store: Store) -> None:
    ann, bob = people(store, "Ann", "Bob")
    first = must_ask(store, ann, now=NOON + timedelta(days=1))
    assert must_ask(store, bob).comparison == first.comparison
    assert must_ask(store, ann).comparison != first.comparison, "Ann's clock is right again; now Bob has it"


def ask(store: Store, who: Annotator, *, now: datetime = NOON, overlap: int = 1) -> Lease | None:
    return store.next_comparison(who, now=now, overlap=overlap, lease_seconds=60)


def must_ask(store: Store, who: Annotator, *, now: datetime = NOON, overlap: int = 1) -> Lease:
    lease = ask(store, who, now=now, overlap=overlap)
    assert lease is not None
    return lease


def image(lease: Lease) -> int:
    return lease.comparison.comparison.left.image


def test_a_reload_brings_back_the_same_comparison_and_prolongs_its_lease(store: Store, url: str) -> None:
    ann, bob = people(store, "Ann", "Bob")
    first = must_ask(store, ann)
    assert first.expires_at == NOON + MINUTE
    assert image(must_ask(store, bob)) == 1
    with Store(url) as other_device:
        again = must_ask(other_device, ann, now=NOON + MINUTE / 2)
    assert (again.comparison, again.token) == (first.comparison, first.token)
    assert again.expires_at == NOON + 1.5 * MINUTE


def test_an_answer_ends_the_lease_and_is_stored_as_it_was_shown(store: Store) -> None:
    (ann,) = people(store, "Ann")
    lease = must_ask(store, ann)
    stored = store.answer(ann, response(lease.comparison, Answer.RIGHT, lease.token), now=NOON, overlap=1)
    assert (stored.comparison, stored.annotator, stored.answer) == (lease.comparison, "Ann", Answer.RIGHT)
    shown = lease.comparison.comparison
    assert (stored.shown_left, stored.shown_right, stored.seed) == (shown.left, shown.right, 7)
    assert (stored.current, stored.surplus, stored.supersedes, stored.app_version) == (True, False, None, "1.0")
    assert store.preferences(gold=True) == [stored.preference]
    assert image(must_ask(store, ann)) == 1
    assert store.history(ann) == [stored]


def test_overlap_asks_for_so_many_different_people(store: Store) -> None:
    ann, bob, cat = people(store, "Ann", "Bob", "Cat")
    leases = [must_ask(store, who, overlap=2) for who in (ann, bob, cat)]
    assert [image(lease) for lease in leases] == [0, 0, 1]
    for who, lease in zip((ann, bob), leases, strict=False):
        store.answer(who, response(lease.comparison, Answer.LEFT, lease.token), now=NOON, overlap=2)
    assert [image(must_ask(store, who, overlap=2)) for who in (ann, bob)] == [1, 2]
    assert store.progress(1, overlap=2).answered == 1


def test_nobody_is_asked_the_same_twice_while_others_are_wanted(store: Store) -> None:
    (ann,) = people(store, "Ann")
    for expected in range(4):
        lease = must_ask(store, ann, overlap=3)
        assert image(lease) == expected
        store.answer(ann, response(lease.comparison, Answer.LEFT, lease.token), now=NOON, overlap=3)
    assert ask(store, ann, overlap=3) is None


def test_an_expired_lease_goes_to_another_and_a_late_answer_is_kept(store: Store) -> None:
    ann, bob = people(store, "Ann", "Bob")
    late = must_ask(store, ann)
    hour = NOON + 60 * MINUTE
    taken = must_ask(store, bob, now=hour)
    assert taken.comparison == late.comparison
    assert image(must_ask(store, ann, now=hour)) == 1
    first = store.answer(ann, response(late.comparison, Answer.LEFT, late.token), now=hour, overlap=1)
    second = store.answer(bob, response(taken.comparison, Answer.RIGHT, taken.token), now=hour, overlap=1)
    assert (first.surplus, second.surplus) == (False, True)
    assert [each.annotator for each in store.preferences(gold=True)] == ["Ann"]
    assert len(store.answers()) == 2
    assert image(must_ask(store, ann, now=hour)) == 1
    assert image(must_ask(store, bob, now=hour)) == 2


def test_an_expired_lease_that_nobody_took_is_still_its_annotators(store: Store) -> None:
    (ann,) = people(store, "Ann")
    assert must_ask(store, ann).token == must_ask(store, ann, now=NOON + 60 * MINUTE).token


def test_a_double_press_counts_once(store: Store) -> None:
    (ann,) = people(store, "Ann")
    lease = must_ask(store, ann)
    first = store.answer(ann, response(lease.comparison, Answer.LEFT, lease.token), now=NOON, overlap=1)
    same_token = store.answer(ann, response(lease.comparison, Answer.RIGHT, lease.token), now=NOON, overlap=1)
    other_token = store.answer(ann, response(lease.comparison, Answer.RIGHT, "other"), now=NOON, overlap=1)
    assert first == same_token == other_token
    assert len(store.answers()) == 1


def test_a_change_supersedes_and_the_old_answer_stays_on_record(store: Store) -> None:
    (ann,) = people(store, "Ann")
    lease = must_ask(store, ann)
    old = store.answer(ann, response(lease.comparison, Answer.LEFT, "a"), now=NOON, overlap=1)
    change = response(lease.comparison, Answer.EQUAL, "b", supersedes=old.id)
    new = store.answer(ann, change, now=NOON, overlap=1)
    assert store.answer(ann, change, now=NOON, overlap=1) == new
    assert [(each.answer, each.current) for each in store.answers()] == [(Answer.LEFT, False), (Answer.EQUAL, True)]
    assert [each.answer for each in store.preferences(gold=True)] == [Answer.EQUAL]
    assert store.history(ann) == [new]
    assert store.progress(1).answers == 1
    with pytest.raises(InputError, match="changed meanwhile"):
        store.answer(ann, response(lease.comparison, Answer.LEFT, "c", supersedes=old.id), now=NOON, overlap=1)


def test_undo_takes_answers_back_one_after_the_other_and_asks_again(store: Store) -> None:
    (ann,) = people(store, "Ann")
    for token in ("a", "b"):
        store.answer(ann, response(must_ask(store, ann).comparison, Answer.LEFT, token), now=NOON, overlap=1)
    for expected in (1, 0):
        (last, *_) = store.history(ann)
        lease = store.undo(ann, last, now=NOON, overlap=1, lease_seconds=60)
        assert lease is not None
        assert image(lease) == expected
        assert store.undo(ann, last, now=NOON, overlap=1, lease_seconds=60) == lease
    assert store.preferences(gold=True) == store.history(ann) == []
    assert store.progress(1).answers == 0
    late = store.answer(ann, response(lease.comparison, Answer.LEFT, "a"), now=NOON, overlap=1)
    assert not late.current
    again = store.answer(ann, response(lease.comparison, Answer.RIGHT, lease.token), now=NOON, overlap=1)
    assert again.current
    assert [each.answer for each in store.answers()] == [Answer.LEFT, Answer.LEFT, None, None, Answer.RIGHT]
    assert [each.answer for each in store.preferences(gold=True)] == [Answer.RIGHT]


def test_undo_of_an_answer_that_was_changed_meanwhile_leaves_the_change(store: Store) -> None:
    (ann,) = people(store, "Ann")
    lease = must_ask(store, ann)
    old = store.answer(ann, response(lease.comparison, Answer.LEFT, "a"), now=NOON, overlap=1)
    new = store.answer(ann, response(lease.comparison, Answer.RIGHT, "b", supersedes=old.id), now=NOON, overlap=1)
    following = store.undo(ann, old, now=NOON, overlap=1, lease_seconds=60)
    assert following is not None
    assert image(following) == 1
    assert store.history(ann) == [new]


def test_a_closed_round_is_asked_no_more_and_its_answers_stay_as_they_are(store: Store) -> None:
    ann, bob = people(store, "Ann", "Bob")
    lease, other = must_ask(store, ann), must_ask(store, bob)
    given = store.answer(ann, response(lease.comparison, Answer.LEFT, "a"), now=NOON, overlap=1)
    store.close_round(1)
    before = store.preferences(gold=True)
    assert ask(store, ann) is None
    assert ask(store, bob) is None
    assert store.answer(bob, response(other.comparison, Answer.LEFT, "b"), now=NOON, overlap=1).surplus
    with pytest.raises(InputError, match="closed"):
        store.answer(ann, response(lease.comparison, Answer.RIGHT, "c", supersedes=given.id), now=NOON, overlap=1)
    with pytest.raises(InputError, match="closed"):
        store.undo(ann, given, now=NOON, overlap=1, lease_seconds=60)
    assert store.preferences(gold=True) == before
    store.reopen_round(1)
    assert image(must_ask(store, ann)) == 1


def test_an_excluded_annotator_is_asked_nothing_and_others_take_the_place(store: Store) -> None:
    ann, bob = people(store, "Ann", "Bob")
    store.answer(ann, response(must_ask(store, ann).comparison, Answer.LEFT, "a"), now=NOON, overlap=1)
    assert image(must_ask(store, bob)) == 1
    store.annotators.exclude("Ann", by="Rae", reason="gold")
    assert ask(store, ann) is None
    lease = must_ask(store, bob)
    store.answer(bob, response(lease.comparison, Answer.LEFT, lease.token), now=NOON, overlap=1)
    assert image(must_ask(store, bob)) == 0


def test_an_answer_to_something_else_than_what_is_on_record_is_refused(store: Store) -> None:
    (ann,) = people(store, "Ann")
    lease = must_ask(store, ann)
    forged = type(lease.comparison)(lease.comparison.id, comparison(3))
    with pytest.raises(InputError, match="not on record"):
        store.answer(ann, response(forged, Answer.LEFT, "a"), now=NOON, overlap=1)
    with pytest.raises(InputError, match="found neither"):
        response(lease.comparison, None)


def test_comments_of_every_kind_come_back(store: Store) -> None:
    (ann,) = people(store, "Ann")
    comment = "<script>alert('x')</script> \"; DROP TABLE answers; -- 🙂\n" + "long " * 2000
    item = response(must_ask(store, ann).comparison, Answer.LEFT, "a")
    given = type(item)(**{**vars(item), "comment": comment + "\0"})
    assert store.answer(ann, given, now=NOON, overlap=1).comment == comment


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_counters_agree_with_the_events(store: Store, seed: int) -> None:
    draw, crowd = numpy_generator(seed, "walk"), people(store, "a", "b", "c", "d")
    for step in range(80):
        random_step(store, crowd[draw.integers(4)], draw, NOON + step * MINUTE / 3)
    check_counters(store)
    assert any(each.surplus for each in store.answers())
    pairs = Counter((each.comparison.id, each.annotator) for each in store.answers() if each.current and each.answer)
    assert set(pairs.values()) == {1}
    assert not [each for each in store.preferences(gold=True) if each.annotator not in "abcd"]


def random_step(store: Store, who: Annotator, draw: np.random.Generator, now: datetime) -> None:
    action, answer = (
        draw.choice(["ask", "answer", "keep", "late", "late", "change", "undo", "out", "in", "in"]),
        Answer(draw.choice(ANSWERS_TO["compare"])),
    )
    history = store.history(who)
    if action == "out":
        store.annotators.exclude(who.name, by="Rae", reason="")
    elif action == "in":
        store.annotators.include(who.name, by="Rae", reason="")
    elif action == "late":
        stored = store.comparisons()[draw.integers(4)]
        store.answer(who, response(stored, answer, f"{now}"), now=now, overlap=1)
    elif action == "keep":
        store.keep_next(who, now=now, overlap=1, lease_seconds=60)
    elif action == "undo" and history:
        store.undo(who, history[0], now=now, overlap=1, lease_seconds=60)
    elif action == "change" and history:
        changed = response(history[-1].comparison, answer, f"{now}", supersedes=history[-1].id)
        store.answer(who, changed, now=now, overlap=1)
    elif (lease := ask(store, who, now=now, overlap=1)) and action == "answer":
        store.answer(who, response(lease.comparison, answer, lease.token), now=now, overlap=1)
