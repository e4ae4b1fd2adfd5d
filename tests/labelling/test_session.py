"""One annotator at the session: whatever is pressed, however often, and after whatever crash."""

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from explainfb.core.errors import InputError
from explainfb.core.types import Answer
from explainfb.labelling import session as labelling
from explainfb.labelling.session import FASTEST, AnnotationSession, Moment
from explainfb.preferences.agreement import annotator_quality
from explainfb.store import Store
from one_at_the_session import answer_next, desk_of, looked, must_ask, on_record, undo
from store_backends import check_counters, people


def test_a_reload_asks_the_same_with_the_same_token_and_the_lease_prolonged(
    store: Store, session: AnnotationSession, url: str
) -> None:
    first = must_ask(session)
    with Store(url) as another_tab:
        again = must_ask(desk_of(another_tab, session.annotator))
    assert (again.comparison, again.token) == (first.comparison, first.token)
    assert again.expires_at > first.expires_at
    assert timedelta(seconds=50) < again.expires_at - datetime.now(UTC) <= timedelta(seconds=60)


def test_an_answer_counts_once_however_often_it_is_sent(store: Store, session: AnnotationSession) -> None:
    lease, shown_at = must_ask(session), looked()
    first = session.answer(lease, Answer.LEFT, shown_at=shown_at, comment="the ear")
    assert first is not None
    assert session.answer(lease, Answer.LEFT, shown_at=shown_at) == first
    assert session.answer(lease, Answer.RIGHT, shown_at=shown_at) == first
    assert store.answers() == [first]
    assert (first.answer, first.comment, first.shown_at) == (Answer.LEFT, "the ear", shown_at)
    assert first.responded_at - shown_at >= timedelta(seconds=5)
    assert must_ask(session).comparison.id != lease.comparison.id
    check_counters(store)


def test_no_comment_is_none_on_record(session: AnnotationSession) -> None:
    answer_next(session)
    assert session.history()[0].comment is None


def test_an_answer_that_came_too_soon_is_not_stored(
    store: Store, session: AnnotationSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = must_ask(session)
    assert session.answer(lease, Answer.LEFT, shown_at=datetime.now(UTC)) is None
    monkeypatch.setattr(labelling, "FASTEST", timedelta(hours=1))
    assert session.answer(lease, Answer.LEFT, shown_at=looked(60)) is None
    assert store.answers() == []
    assert must_ask(session).token == lease.token
    monkeypatch.setattr(labelling, "FASTEST", FASTEST)
    assert session.answer(lease, Answer.LEFT, shown_at=looked(1)) is not None


def test_a_clock_that_is_set_back_swallows_no_press(store: Store, session: AnnotationSession) -> None:
    """What is on record tells that the time taken is not known."""
    ahead = datetime.now(UTC) + timedelta(hours=1)
    first = session.answer(must_ask(session), Answer.LEFT, shown_at=ahead)
    assert first is not None
    assert first.responded_at < first.shown_at == ahead
    assert annotator_quality(store.answers())[0].seconds == 0
    assert session.undo(first.id, shown_at=ahead)
    assert [each.answer for each in store.answers()] == [Answer.LEFT, None]
    answer_next(session)
    assert annotator_quality(store.answers())[0].seconds >= 5


@pytest.mark.parametrize("hours", [-1, 0, 24])
def test_the_time_taken_is_that_of_a_clock_that_nobody_sets(
    store: Store, session: AnnotationSession, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    shown = Moment()

    class Set(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(hours=hours)

    monkeypatch.setattr(labelling, "datetime", Set)
    monkeypatch.setattr(labelling.time, "monotonic", lambda: shown.tick + 7)
    given = session.answer(must_ask(session), Answer.LEFT, shown_at=shown.by_clock)
    assert given is not None
    assert timedelta(seconds=6.9) < given.responded_at - given.shown_at < timedelta(seconds=7.5)
    assert annotator_quality(store.answers())[0].seconds == pytest.approx(7, abs=0.5)
    monkeypatch.setattr(labelling.time, "monotonic", lambda: shown.tick + 0.1)
    assert session.answer(must_ask(session), Answer.LEFT, shown_at=shown.by_clock) is None, "a double press"


def test_a_change_supersedes_and_the_old_answer_stays_on_record(store: Store, session: AnnotationSession) -> None:
    answer_next(session)
    (old,) = session.history()
    assert session.change(old, Answer.EQUAL, shown_at=datetime.now(UTC), token="a") is None
    new = session.change(old, Answer.EQUAL, shown_at=looked(), token="b", comment="looked again")
    assert new is not None
    assert session.change(old, Answer.RIGHT, shown_at=looked(), token="b") == new
    assert on_record(store) == [(Answer.LEFT, False), (Answer.EQUAL, True)]
    assert session.history() == [new]
    assert (new.supersedes, new.comment, new.comparison) == (old.id, "looked again", old.comparison)
    assert [item.answer for item in store.preferences(gold=True)] == [Answer.EQUAL]
    with pytest.raises(InputError, match="changed meanwhile"):
        session.change(old, Answer.RIGHT, shown_at=looked(), token="c")
    assert len(store.answers()) == 2
    check_counters(store)


def test_undo_takes_the_latest_answer_back_and_asks_its_comparison_again(
    store: Store, session: AnnotationSession
) -> None:
    kept, taken_back = answer_next(session), answer_next(session, Answer.RIGHT)
    asked_since = must_ask(session)
    assert undo(session)
    again = must_ask(session)
    assert again.comparison == taken_back.comparison
    assert again.token not in (taken_back.token, asked_since.token)
    assert [event.comparison for event in session.history()] == [kept.comparison]
    assert on_record(store) == [(Answer.LEFT, True), (Answer.RIGHT, False), (None, True)]
    assert session.answer(again, Answer.EQUAL, shown_at=looked()) is not None
    assert [item.answer for item in store.preferences(gold=True)] == [Answer.LEFT, Answer.EQUAL]
    assert must_ask(session).comparison == asked_since.comparison
    check_counters(store)


def test_an_answer_sent_again_after_its_undo_does_not_come_back(store: Store, session: AnnotationSession) -> None:
    """As the second half of a double press that was long on its way."""
    lease, shown_at = must_ask(session), looked()
    assert session.answer(lease, Answer.LEFT, shown_at=shown_at) is not None
    assert undo(session)
    session.answer(lease, Answer.LEFT, shown_at=shown_at)
    assert store.preferences(gold=True) == []
    assert session.history() == []
    assert must_ask(session).comparison == lease.comparison


def test_undo_goes_back_step_by_step_until_there_is_nothing(store: Store, session: AnnotationSession) -> None:
    assert not undo(session)
    first, second = answer_next(session), answer_next(session)
    assert undo(session)
    assert must_ask(session).comparison == second.comparison
    assert undo(session)
    assert must_ask(session).comparison == first.comparison
    assert not undo(session)
    assert store.preferences(gold=True) == []


def test_undo_leaves_other_peoples_answers(store: Store, session: AnnotationSession) -> None:
    (ben,) = people(store, "Ben")
    answer_next(desk_of(store, ben))
    assert not undo(session)
    answer_next(session)
    assert undo(session)
    assert [item.annotator for item in store.preferences(gold=True)] == ["Ben"]


def test_what_a_closed_round_holds_is_neither_undone_nor_changed(store: Store, session: AnnotationSession) -> None:
    answer_next(session)
    store.close_round(1)
    with pytest.raises(InputError, match="round is closed"):
        undo(session)
    with pytest.raises(InputError, match="round is closed"):
        session.change(session.history()[0], Answer.RIGHT, shown_at=looked(), token="a")
    assert on_record(store) == [(Answer.LEFT, True)]
    assert session.next() is None


def test_undo_takes_back_what_the_page_showed_and_nothing_else(store: Store, session: AnnotationSession) -> None:
    answer_next(session)
    answer_next(session, Answer.RIGHT)
    second, first = (answer.id for answer in session.history(2))
    assert session.undo(first, shown_at=looked())
    assert session.undo(second, shown_at=looked(0))
    assert [answer.id for answer in session.history()] == [second, first]
    assert session.undo(second, shown_at=looked())
    assert session.undo(second, shown_at=looked())
    assert [answer.id for answer in session.history()] == [first]
