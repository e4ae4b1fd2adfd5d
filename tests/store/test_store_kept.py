"""What is asked next is kept for whoever is being asked something, so that its pictures can be made ready."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from explainfb.core.types import Answer
from explainfb.store import Annotator, Lease, Store
from store_backends import BACKENDS, NOON, comparisons, fresh_url, people, response

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with fresh_url(request.param, tmp_path) as url, Store(url) as opened:
        opened.add_comparisons(comparisons(4), seed=7)
        yield opened


def must_ask(store: Store, who: Annotator, *, now: datetime = NOON) -> Lease:
    lease = store.next_comparison(who, now=now, overlap=1, lease_seconds=60)
    assert lease is not None
    return lease


def image(lease: Lease) -> int:
    return lease.comparison.comparison.left.image


def keep(store: Store, who: Annotator, *, now: datetime = NOON) -> int | None:
    """The image of what is kept for them."""
    found = store.keep_next(who, now=now, overlap=1, lease_seconds=60)
    return found and found.comparison.left.image


def test_what_is_kept_is_asked_next_whoever_asks_meanwhile(store: Store) -> None:
    store.add_comparisons(comparisons(4, round=2), seed=7)
    ann, bob = people(store, "Ann", "Bob")
    lease = must_ask(store, ann)
    assert keep(store, ann) == keep(store, ann, now=NOON + MINUTE / 2) == 1
    theirs = must_ask(store, bob)
    assert image(theirs) == 2
    store.answer(bob, response(theirs.comparison, Answer.LEFT, theirs.token), now=NOON, overlap=1)
    assert image(must_ask(store, bob)) == 3
    assert must_ask(store, ann) == lease, "a reload brings back the present one, not the one after it"
    store.answer(ann, response(lease.comparison, Answer.LEFT, lease.token), now=NOON, overlap=1)
    assert image(must_ask(store, ann)) == 1


def test_nothing_is_kept_where_others_would_have_to_wait_for_it(store: Store) -> None:
    ann, bob = people(store, "Ann", "Bob")
    must_ask(store, ann), must_ask(store, bob)  # two of four are left
    assert keep(store, ann) == 2
    assert keep(store, bob) is None
    assert keep(store, ann) == 2, "what was promised is kept"


def test_what_was_kept_for_someone_who_went_away_is_asked_of_others(store: Store) -> None:
    ann, bob = people(store, "Ann", "Bob")
    must_ask(store, ann), keep(store, ann)
    assert image(must_ask(store, bob)) == 2
    assert image(must_ask(store, bob, now=NOON + 60 * MINUTE)) == 2, "as long as Bob's own is wanted"
    (cat,) = people(store, "Cat")
    must_ask(store, ann, now=NOON + 60 * MINUTE)
    assert image(must_ask(store, cat, now=NOON + 60 * MINUTE)) == 1


def test_after_an_answer_that_was_taken_back_comes_what_was_asked_then(store: Store) -> None:
    (ann,) = people(store, "Ann")
    first = must_ask(store, ann)
    given = store.answer(ann, response(first.comparison, Answer.LEFT, first.token), now=NOON, overlap=1)
    must_ask(store, ann), keep(store, ann)
    again = store.undo(ann, given, now=NOON, overlap=1, lease_seconds=60)
    assert again is not None
    assert keep(store, ann) == 1
    store.answer(ann, response(again.comparison, Answer.RIGHT, again.token), now=NOON, overlap=1)
    assert image(must_ask(store, ann)) == 1


@pytest.mark.parametrize("leave", ["revoke", "forget"])
def test_nothing_is_kept_for_someone_whose_link_is_closed(store: Store, leave: str) -> None:
    ann, bob = people(store, "Ann", "Bob")
    must_ask(store, ann), keep(store, ann)
    getattr(store.annotators, leave)("Ann")
    for expected in range(4):
        lease = must_ask(store, bob)
        assert image(lease) == expected
        store.answer(bob, response(lease.comparison, Answer.LEFT, lease.token), now=NOON, overlap=1)
