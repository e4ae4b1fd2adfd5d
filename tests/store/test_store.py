"""Comparisons, recorded preferences, annotators and ratings in the study's database."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from explainfb.core.errors import InputError
from explainfb.core.types import Answer, ExplanationKey, Preference
from explainfb.store import Forgotten, Kind, Progress, Rating, Role, Store
from store_backends import BACKENDS, NOON, check_counters, comparison, comparisons, fresh_url, people, preference


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh_url(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url) as opened:
        yield opened


def test_comparisons_come_back_as_they_were_in_order_of_round_and_position(store: Store, url: str) -> None:
    second, first = comparisons(3, round=2), [comparison(5, gold=Answer.RIGHT), *comparisons(2)]
    store.add_comparisons(second, seed=7)
    store.add_comparisons(first, seed=7)
    with Store(url) as again:
        found = again.comparisons()
    assert [each.comparison for each in found] == first + second
    assert [each.id for each in found] == sorted(each.id for each in found)
    assert [each.comparison for each in store.comparisons(2)] == second


def test_adding_a_round_again_changes_nothing_and_another_content_is_refused(store: Store) -> None:
    stored = store.add_comparisons(comparisons(3), seed=7)
    assert store.add_comparisons(comparisons(3), seed=7) == stored == store.comparisons()
    for other in (comparisons(2), [*comparisons(2), comparison(9)], [*comparisons(2), comparison(2, gold=Answer.LEFT)]):
        with pytest.raises(InputError, match="Round 1 is on record"):
            store.add_comparisons(other, seed=7)
    with pytest.raises(InputError, match="seed 7; found seed 8"):
        store.add_comparisons(comparisons(3), seed=8)
    assert store.comparisons() == stored


def test_preferences_come_back_equal_with_times_in_utc(store: Store) -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    shown = datetime(2024, 3, 1, 2, 0, 0, 123456, tzinfo=east)
    given = Preference(comparison(0), Answer.CANT_TELL, "Zoë", 2**62, shown, shown + timedelta(microseconds=1))
    store.add_comparisons([comparison(0)], seed=7)
    store.record([given])
    (found,) = store.preferences(gold=True)
    assert found == given
    assert found.shown_at.tzinfo is UTC
    assert found.shown_at.isoformat() == "2024-02-29T20:30:00.123456+00:00"


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    store.add_comparisons([comparison(0)], seed=7)
    naive = datetime(2024, 3, 1)
    with pytest.raises(InputError, match="time zone"):
        store.record([Preference(comparison(0), Answer.LEFT, "a", 7, naive, naive)])
    assert store.preferences(gold=True) == []


def test_recording_a_batch_again_adds_nothing_and_keeps_what_is_on_record(store: Store) -> None:
    items = comparisons(4)
    store.add_comparisons(items, seed=7)
    first = [preference(item) for item in items[:2]]
    assert store.record(first) == 2
    assert store.record([preference(item, Answer.RIGHT) for item in items]) == 2
    assert [each.answer for each in store.preferences(gold=True)] == [Answer.LEFT] * 2 + [Answer.RIGHT] * 2
    assert len(store.answers()) == 4


def test_a_comparison_asked_twice_in_a_round_takes_two_answers_by_one_annotator(store: Store) -> None:
    twice = [comparison(0), comparison(0)]
    store.add_comparisons(twice, seed=7)
    batch = [preference(twice[0], Answer.LEFT), preference(twice[1], Answer.RIGHT)]
    assert (store.record(batch), store.record(batch)) == (2, 0)
    assert store.preferences(gold=True) == batch
    with pytest.raises(InputError, match="found 3 answers"):
        store.record([*batch, batch[0]])


def test_a_batch_with_an_unknown_comparison_stores_nothing_of_it(store: Store) -> None:
    store.add_comparisons(comparisons(2), seed=7)
    with pytest.raises(InputError, match="add the comparisons before"):
        store.record([preference(comparison(0)), preference(comparison(9))])
    assert store.answers() == []
    assert store.annotators.all() == []


def test_preferences_are_ordered_and_filtered_whatever_order_they_came_in(store: Store) -> None:
    items = [comparison(0), comparison(1, gold=Answer.LEFT), comparison(0, round=2)]
    store.add_comparisons(items, seed=7)
    names = ["b", "A", "a", "ä"]
    batch = [preference(item, annotator=name) for item in items for name in sorted(names)]
    store.record(batch[::-1])
    assert store.preferences(gold=True) == batch
    assert store.preferences(rounds=[2], gold=True) == batch[8:]
    assert store.preferences(gold=False) == batch[:4] + batch[8:]
    assert store.preferences([1], gold=False) == batch[:4]


def test_progress_counts_the_people_who_answered(store: Store) -> None:
    items = comparisons(3)
    store.add_comparisons(items, seed=7)
    store.record(
        [preference(item, annotator=name) for item, name in [(items[0], "a"), (items[0], "b"), (items[1], "a")]]
    )
    assert store.progress(1) == Progress(asked=3, answered=2, answers=3)
    assert store.progress(1, overlap=2) == Progress(asked=3, answered=1, answers=3)
    assert not store.progress(1).complete
    store.record([preference(items[2], annotator="c")])
    assert store.progress(1).complete


def test_a_link_opens_for_its_owner_until_it_is_revoked(store: Store) -> None:
    token, other = store.annotators.add("Ann"), store.annotators.add("Rae", role=Role.RESEARCHER)
    found = store.annotators.authenticate(token)
    assert found is not None
    assert (found.name, found.role, found.has_link) == ("Ann", Role.ANNOTATOR, True)
    researcher = store.annotators.authenticate(other)
    assert researcher is not None
    assert researcher.role is Role.RESEARCHER
    assert store.annotators.revoke("Ann")
    assert not store.annotators.revoke("Ann")
    assert store.annotators.authenticate(token) is None
    renewed = store.annotators.add("Ann")
    again = store.annotators.authenticate(renewed)
    assert again is not None
    assert again.id == found.id
    assert store.annotators.authenticate(token) is None


@pytest.mark.parametrize("guess", ["", "x", "\0", "\ud800", "' OR 1=1 --", "a" * 10_000])
def test_a_guessed_link_opens_nothing(store: Store, guess: str) -> None:
    store.annotators.add("Ann")
    assert store.annotators.authenticate(guess) is None


def test_a_token_has_128_bits_and_only_its_hash_is_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    with Store(f"sqlite:///{file}") as store:
        tokens = [store.annotators.add(f"annotator {number}") for number in range(20)]
    content = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert len(set(tokens)) == 20
    for token in tokens:
        assert len(token) == 22  # 16 bytes in base 64
        assert token.encode() not in content
        assert hashlib.sha256(token.encode()).hexdigest().encode() in content


def test_names_that_do_not_fit_are_refused(store: Store) -> None:
    names = ["<b>Ann</b>", 'O\'Hara "x"; DROP TABLE answers', "👩‍💻 Zoë", "n" * 200]
    assert [each.name for each in people(store, *names)] == names
    for bad in ("", " Ann", "a\nb", "a\0b", "\ud800", "n" * 10_000):
        with pytest.raises(InputError, match="A name is 1 to 200 characters"):
            store.annotators.add(bad)
    with pytest.raises(InputError, match="has a link"):
        store.annotators.add("n" * 200)
    with pytest.raises(InputError, match="as annotator"):
        store.annotators.add("<b>Ann</b>", role=Role.RESEARCHER)
    store.annotators.revoke("<b>Ann</b>")
    with pytest.raises(InputError, match="as annotator; choose another"):
        store.annotators.add("<b>Ann</b>", role=Role.RESEARCHER)
    with pytest.raises(InputError, match="No annotator is called 'Nobody'"):
        store.annotators.revoke("Nobody")


def test_a_visit_goes_on_where_the_events_left_it(store: Store) -> None:
    people(store, "Ann", "Bob")
    note = store.annotators.note
    assert not store.annotators.visit("Ann").consented
    for kind, detail in [(Kind.CONSENTED, "v1"), (Kind.PRACTISED, "1"), (Kind.PRACTISED, "1"), (Kind.PAUSED, "")]:
        note("Ann", kind, detail=detail, at=NOON)
    visit = store.annotators.visit("Ann")
    assert (visit.consented, visit.practised, visit.paused, visit.finished) == (True, {"1"}, True, False)
    note("Ann", Kind.RESUMED)
    assert not store.annotators.visit("Ann").paused
    assert not store.annotators.visit("Bob").consented
    assert store.annotators.events("Ann")[0].at == NOON
    note("Bob", Kind.FINISHED, detail="a\0b\ud800 " + "🙂" * 10_000)
    assert store.annotators.events("Bob")[0].detail == "ab? " + "🙂" * 10_000


def test_excluding_an_annotator_leaves_the_answers_out_and_opens_their_slots(store: Store) -> None:
    items = comparisons(2)
    store.add_comparisons(items, seed=7)
    store.record([preference(items[0], annotator="a"), preference(items[0], annotator="b")])
    store.annotators.exclude("a", by="Rae", reason="gold 1 of 9")
    assert [each.annotator for each in store.preferences(gold=True)] == ["b"]
    assert store.progress(1).answers == 1
    event = store.annotators.events("a")[-1]
    assert (event.kind, event.by, event.detail) == (Kind.EXCLUDED, "Rae", "gold 1 of 9")
    assert [each.excluded for each in store.annotators.all()] == [True, False]
    assert len(store.answers()) == 2
    store.annotators.include("a", by="Rae", reason="mended")
    assert [each.annotator for each in store.preferences(gold=True)] == ["a", "b"]
    assert store.progress(1).answers == 2


def test_settings_are_shared_and_the_last_one_holds(store: Store, url: str) -> None:
    assert store.read_setting("overlap") is None
    store.write_setting("overlap", "2")
    store.write_setting("overlap", "3")
    with Store(url) as other:
        assert other.read_setting("overlap") == "3"


def rating(image: int, value: int, *, annotator: str = "Ann", round: int = 1, token: str | None = None) -> Rating:
    key = ExplanationKey("round-0", image)
    later = NOON + timedelta(seconds=image)
    return Rating(
        explanation=key, rating=value, annotator=annotator, round=round, shown_at=NOON, responded_at=later, token=token
    )


def test_ratings_are_kept_and_the_last_one_is_current(store: Store) -> None:
    (ann,) = people(store, "Ann")
    store.add_comparisons(comparisons(2), seed=7)
    for each in (rating(0, 1, token="t"), rating(0, 1, token="t"), rating(1, 5), rating(0, 4)):
        store.rate(ann, each, now=NOON)
    assert store.ratings("Ann", 1) == [rating(1, 5), rating(0, 4)]
    assert store.ratings("Bob") == store.ratings(round=2) == []
    with pytest.raises(InputError, match="give one's own"):
        store.rate(ann, rating(0, 1, annotator="Bob"), now=NOON)
    with pytest.raises(InputError, match="from 1 to 5; found 6"):
        rating(0, 6)


def test_who_is_forgotten_is_asked_for_by_nobody_and_leaves_a_count(store: Store) -> None:
    store.add_comparisons(comparisons(2), seed=7)
    for name in ("Ann", "Ben"):
        store.annotators.add(name)
        store.record([preference(each, annotator=name) for each in comparisons(2)])
    store.undo(store.annotators.all()[1], store.answers()[2], now=NOON, overlap=2, lease_seconds=60)
    assert store.annotators.forget("Ben") == 1
    assert store.annotators.forget("Ann") == 2
    assert store.annotators.forgotten() == Forgotten(people=2, answers=3)
    assert store.annotators.all() == []
    assert store.answers() == []
    assert store.progress(1).answers == 0
    check_counters(store)
