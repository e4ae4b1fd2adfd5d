"""One annotator at the session: whatever is pressed, however often, and after whatever crash."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from explainfb.core.errors import InputError
from explainfb.core.types import Answer
from explainfb.labelling import session as labelling
from explainfb.labelling.session import FASTEST, SIDES, USUAL_SECONDS, AnnotationSession, Side, time_left
from explainfb.store import Annotator, Lease, Outlook, Response, Store
from store_backends import BACKENDS, NOON, check_counters, comparisons, fresh_url, people

COMPARISONS = 4


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh_url(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url) as opened:
        opened.add_comparisons(comparisons(COMPARISONS), seed=7)
        yield opened


def desk_of(store: Store, who: Annotator, *, overlap: int = 1, lease_seconds: float = 60) -> AnnotationSession:
    return AnnotationSession(store=store, annotator=who, overlap=overlap, lease_seconds=lease_seconds)


@pytest.fixture
def session(store: Store) -> AnnotationSession:
    return desk_of(store, *people(store, "Ann"))


def looked(seconds: float = 5) -> datetime:
    """When a question was first shown, to someone who has looked at it since."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


def must_ask(session: AnnotationSession) -> Lease:
    lease = session.next()
    assert lease is not None
    return lease


def must_rate(session: AnnotationSession) -> tuple[Lease, Side]:
    asked = session.next_to_rate()
    assert asked is not None
    return asked


def answer_next(session: AnnotationSession, answer: Answer = Answer.LEFT) -> Lease:
    lease = must_ask(session)
    assert session.answer(lease, answer, shown_at=looked()) is not None
    return lease


def undo(session: AnnotationSession) -> bool:
    """As the page does, which knows the latest answer."""
    latest = next(iter(session.history(1)), None)
    return session.undo(latest and latest.id, shown_at=looked())


def on_record(store: Store) -> list[tuple[Answer | None, bool]]:
    return [(event.answer, event.current) for event in store.answers()]


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
    assert [item.answer for item in store.preferences()] == [Answer.EQUAL]
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
    assert [item.answer for item in store.preferences()] == [Answer.LEFT, Answer.EQUAL]
    assert must_ask(session).comparison == asked_since.comparison
    check_counters(store)


def test_an_answer_sent_again_after_its_undo_does_not_come_back(store: Store, session: AnnotationSession) -> None:
    """As the second half of a double press that was long on its way."""
    lease, shown_at = must_ask(session), looked()
    assert session.answer(lease, Answer.LEFT, shown_at=shown_at) is not None
    assert undo(session)
    session.answer(lease, Answer.LEFT, shown_at=shown_at)
    assert store.preferences() == []
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
    assert store.preferences() == []


def test_undo_leaves_other_peoples_answers(store: Store, session: AnnotationSession) -> None:
    (ben,) = people(store, "Ben")
    answer_next(desk_of(store, ben))
    assert not undo(session)
    answer_next(session)
    assert undo(session)
    assert [item.annotator for item in store.preferences()] == ["Ben"]


def test_what_a_closed_round_holds_is_neither_undone_nor_changed(store: Store, session: AnnotationSession) -> None:
    answer_next(session)
    store.close_round(1)
    with pytest.raises(InputError, match="round is closed"):
        undo(session)
    with pytest.raises(InputError, match="round is closed"):
        session.change(session.history()[0], Answer.RIGHT, shown_at=looked(), token="a")
    assert on_record(store) == [(Answer.LEFT, True)]
    assert session.next() is None


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


def answered_at(store: Store, who: Annotator, *seconds: float) -> AnnotationSession:
    """A session at which answers were given that many seconds after noon."""
    store.add_comparisons(comparisons(len(seconds), round=2), seed=7)
    for stored, second in zip(store.comparisons(2), seconds, strict=True):
        moment = NOON + timedelta(seconds=second)
        response = Response(
            comparison=stored,
            answer=Answer.LEFT,
            shown_at=moment,
            responded_at=moment,
            app_version="1.0",
            token=str(second),
        )
        store.answer(who, response, now=moment, overlap=1)
    return desk_of(store, who)


def test_the_usual_pace_is_taken_until_three_paces_are_known(store: Store) -> None:
    ann, ben, cy = people(store, "Ann", "Ben", "Cy")
    assert desk_of(store, ann).seconds_each() == USUAL_SECONDS
    assert answered_at(store, ben, 0, 20, 40).seconds_each() == USUAL_SECONDS
    assert desk_of(store, cy).seconds_each() == USUAL_SECONDS


def test_the_pace_is_the_annotators_own_without_breaks(store: Store) -> None:
    (ann,) = people(store, "Ann")
    session = answered_at(store, ann, 0, 10, 22, 3622, 3636, 90_000)
    assert session.seconds_each() == 12


def test_only_the_latest_answers_tell_the_pace(store: Store) -> None:
    (ann,) = people(store, "Ann")
    slow = [50.0 * number for number in range(40)]
    quick = [slow[-1] + 3 * (number + 1) for number in range(labelling.PACE_ANSWERS)]
    assert answered_at(store, ann, *slow, *quick).seconds_each() == 3


def test_nothing_but_breaks_tells_no_pace(store: Store) -> None:
    (ann,) = people(store, "Ann")
    breaks = [number * labelling.BREAK_SECONDS for number in range(6)]
    assert answered_at(store, ann, *breaks).seconds_each() == USUAL_SECONDS


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than a minute"),
        (29, "less than a minute"),
        (31, "about 1 minute"),
        (89, "about 1 minute"),
        (91, "about 2 minutes"),
        (360, "about 6 minutes"),
        (89 * 60, "about 89 minutes"),
        (90 * 60, "about 2 hours"),
        (5 * 3600 + 60, "about 5 hours"),
    ],
)
def test_the_time_left_is_told_roughly(seconds: float, text: str) -> None:
    assert time_left(seconds) == text


def test_the_outlook_counts_what_is_done_and_what_is_left(store: Store, session: AnnotationSession) -> None:
    assert session.outlook() == Outlook(done=0, left=COMPARISONS, given=0)
    must_ask(session)
    assert session.outlook().left == COMPARISONS
    answer_next(session)
    answer_next(session)
    assert session.outlook() == Outlook(done=2, left=COMPARISONS - 2, given=2)
    session.change(session.history()[1], Answer.EQUAL, shown_at=looked(), token="a")
    assert session.outlook() == Outlook(done=2, left=COMPARISONS - 2, given=2)
    undo(session)
    assert session.outlook() == Outlook(done=1, left=COMPARISONS - 1, given=1)


def test_what_others_answered_or_hold_is_not_left(store: Store, session: AnnotationSession) -> None:
    (ben,) = people(store, "Ben")
    others = desk_of(store, ben)
    answer_next(others)
    assert session.outlook().left == COMPARISONS - 1
    must_ask(others)
    assert session.outlook() == Outlook(done=0, left=COMPARISONS - 2, given=0)
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    store.next_comparison(ben, now=an_hour_ago, overlap=1, lease_seconds=60)
    assert session.outlook().left == COMPARISONS - 1


def test_with_overlap_two_a_second_person_is_still_wanted(store: Store) -> None:
    ann, ben, cy = (desk_of(store, who, overlap=2) for who in people(store, "Ann", "Ben", "Cy"))
    answer_next(ben)
    assert ann.outlook() == Outlook(done=0, left=COMPARISONS, given=0)
    answer_next(cy)
    assert ann.outlook().left == COMPARISONS - 1
    assert must_ask(ben).comparison == must_ask(cy).comparison
    assert ann.outlook().left == COMPARISONS - 2
    assert ben.outlook() == Outlook(done=1, left=COMPARISONS - 1, given=1)


def test_closed_rounds_are_given_but_neither_done_nor_left(store: Store, session: AnnotationSession) -> None:
    store.add_comparisons(comparisons(2, round=2), seed=7)
    answer_next(session)
    assert session.outlook() == Outlook(done=1, left=COMPARISONS + 1, given=1)
    store.close_round(1)
    assert session.outlook() == Outlook(done=0, left=2, given=1)
    answer_next(session)
    assert session.outlook() == Outlook(done=1, left=1, given=2)


def test_nothing_is_left_for_someone_excluded_and_others_answer_instead(
    store: Store, session: AnnotationSession
) -> None:
    (ben,) = people(store, "Ben")
    others = desk_of(store, ben)
    answer_next(session)
    assert others.outlook().left == COMPARISONS - 1
    store.annotators.exclude("Ann", by="Rae", reason="asleep")
    assert session.next() is None
    assert session.outlook() == Outlook(done=1, left=0, given=1)
    assert others.outlook().left == COMPARISONS
    store.annotators.include("Ann", by="Rae", reason="awake")
    assert session.outlook().left == COMPARISONS - 1
    assert others.outlook().left == COMPARISONS - 1
