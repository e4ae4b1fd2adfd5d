"""What an annotator is told of the way ahead: how many questions are left, and how long they will take."""

from datetime import UTC, datetime, timedelta

import pytest

from explainfb.core.types import Answer
from explainfb.labelling import session as labelling
from explainfb.labelling.session import USUAL_SECONDS, AnnotationSession
from explainfb.labelling.wording_files import wording_in
from explainfb.store import Annotator, Outlook, Response, Store
from one_at_the_session import COMPARISONS, answer_next, desk_of, looked, must_ask, undo
from store_backends import NOON, comparisons, people


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
        (31, "about 1 min"),
        (89, "about 1 min"),
        (91, "about 2 min"),
        (360, "about 6 min"),
        (89 * 60, "about 89 min"),
        (90 * 60, "about 2 h"),
        (5 * 3600 + 60, "about 5 h"),
    ],
)
def test_the_time_left_is_told_roughly(seconds: float, text: str) -> None:
    assert wording_in("en").progress.time_left(seconds) == text


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
