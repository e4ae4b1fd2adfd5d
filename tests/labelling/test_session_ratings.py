"""Where explanations are rated one by one: what two ratings answer, once, and what undoing and changing them does."""

from datetime import UTC, datetime, timedelta

import pytest

from explainfb.core.errors import InputError
from explainfb.core.types import Answer
from explainfb.labelling.session import SIDES, AnnotationSession, Side
from explainfb.store import Lease, Store
from one_at_the_session import COMPARISONS, answer_next, looked, on_record, undo
from store_backends import check_counters


def must_rate(session: AnnotationSession) -> tuple[Lease, Side]:
    asked = session.next_to_rate()
    assert asked is not None
    return asked


@pytest.mark.parametrize(("left", "right", "answer"), [(5, 2, Answer.LEFT), (1, 2, Answer.RIGHT), (3, 3, Answer.EQUAL)])
def test_two_ratings_answer_by_the_higher_one(
    store: Store, session: AnnotationSession, left: int, right: int, answer: Answer
) -> None:
    lease, side = must_rate(session)
    assert side == "left"
    first_shown, second_shown = looked(9), looked(4)
    assert session.rate(lease, "left", left, shown_at=first_shown, comment="blurred")
    assert store.answers() == []
    again, side = must_rate(session)
    assert (again.token, side) == (lease.token, "right")
    assert session.rate(lease, "right", right, shown_at=second_shown)
    (found,) = session.history()
    asked = lease.comparison.comparison
    assert (found.comparison, found.answer, found.shown_at) == (lease.comparison, answer, first_shown)
    assert [(each.explanation, each.rating, each.comment) for each in store.ratings("Ann", 1)] == [
        (asked.left, left, "blurred"),
        (asked.right, right, None),
    ]
    following, side = must_rate(session)
    assert (following.comparison.id, side) == (lease.comparison.id + 1, "left")
    check_counters(store)


def test_a_rating_counts_once_and_not_when_it_came_too_soon(store: Store, session: AnnotationSession) -> None:
    lease, _ = must_rate(session)
    assert not session.rate(lease, "left", 4, shown_at=datetime.now(UTC))
    assert store.ratings() == []
    assert session.rate(lease, "left", 4, shown_at=looked())
    assert session.rate(lease, "left", 1, shown_at=looked())
    assert [each.rating for each in store.ratings()] == [4]
    assert store.answers() == []
    for _ in range(2):
        assert session.rate(lease, "right", 2, shown_at=looked())
    assert on_record(store) == [(Answer.LEFT, True)]


def test_the_right_one_may_be_rated_first(store: Store, session: AnnotationSession) -> None:
    """As in a second tab, opened when the left one was not yet rated and used before."""
    lease, _ = must_rate(session)
    session.rate(lease, "right", 2, shown_at=looked(9))
    again, side = must_rate(session)
    assert (again.token, side) == (lease.token, "left")
    session.rate(lease, "left", 5, shown_at=looked(1))
    (found,) = store.answers()
    assert (found.comparison, found.answer) == (lease.comparison, Answer.LEFT)
    assert found.responded_at - found.shown_at >= timedelta(seconds=9)


@pytest.mark.parametrize("rating", [0, 6])
def test_a_rating_off_the_scale_is_refused(store: Store, session: AnnotationSession, rating: int) -> None:
    lease, _ = must_rate(session)
    with pytest.raises(InputError, match="from 1 to 5"):
        session.rate(lease, "left", rating, shown_at=looked())
    assert store.ratings() == []


def test_a_crash_between_the_second_rating_and_the_answer_is_made_good(
    store: Store, session: AnnotationSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, _ = must_rate(session)
    session.rate(lease, "left", 2, shown_at=looked())

    def crash(*_: object, **__: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(Store, "answer", crash)
        with pytest.raises(ConnectionError):
            session.rate(lease, "right", 4, shown_at=looked())
    assert store.answers() == []
    assert len(store.ratings()) == 2
    following, side = must_rate(session)
    assert (following.comparison.id, side) == (lease.comparison.id + 1, "left")
    assert [(event.comparison, event.answer) for event in store.answers()] == [(lease.comparison, Answer.RIGHT)]


def test_after_the_last_rating_there_is_nothing_to_rate(store: Store, session: AnnotationSession) -> None:
    for number in range(2 * COMPARISONS):
        lease, side = must_rate(session)
        assert side == SIDES[number % 2]
        session.rate(lease, side, 1 + number % 5, shown_at=looked())
    assert session.next_to_rate() is None
    assert session.next() is None
    assert store.progress(1).complete


def test_what_was_undone_is_rated_anew(store: Store, session: AnnotationSession) -> None:
    lease, _ = must_rate(session)
    for side, rating in zip(SIDES, (5, 1), strict=True):
        session.rate(lease, side, rating, shown_at=looked())
    assert undo(session)
    again, side = must_rate(session)
    assert (again.comparison, side) == (lease.comparison, "left")
    for side, rating in zip(SIDES, (2, 3), strict=True):
        session.rate(again, side, rating, shown_at=looked())
    assert [item.answer for item in store.preferences()] == [Answer.RIGHT]


def test_undo_between_two_ratings_takes_back_the_first_of_them(store: Store, session: AnnotationSession) -> None:
    answer_next(session)
    lease, _ = must_rate(session)
    session.rate(lease, "left", 5, shown_at=looked())
    assert undo(session)
    again, side = must_rate(session)
    assert (again.comparison, side) == (lease.comparison, "left")
    assert len(store.preferences()) == 1


def test_changed_ratings_change_the_answer(store: Store, session: AnnotationSession) -> None:
    lease, _ = must_rate(session)
    for side, rating in zip(SIDES, (5, 2), strict=True):
        session.rate(lease, side, rating, shown_at=looked())
    (old,) = session.history()
    assert session.ratings_of(old) == {"left": 5, "right": 2}
    session.change_ratings(old, {"left": 1, "right": 4}, shown_at=looked(), token="change")
    session.change_ratings(old, {"left": 1, "right": 4}, shown_at=looked(), token="change")
    (new,) = session.history()
    assert session.ratings_of(new) == {"left": 1, "right": 4}
    assert (new.answer, new.supersedes) == (Answer.RIGHT, old.id)
    assert len(store.answers()) == 2
