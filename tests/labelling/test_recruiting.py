"""The open link: whom it lets in, under what name, and when it lets nobody in any more."""

from datetime import UTC, date, datetime, timedelta

import pytest

from explainfb.core.errors import InputError
from explainfb.labelling.recruiting import (
    FULL,
    OpenLink,
    close_link,
    current_link,
    has_enough,
    has_place,
    join,
    joined,
    open_link,
)
from explainfb.store import Kind, Store
from explainfb.store.database_errors import UnreachableError


def name_of(store: Store, token: str) -> str | None:
    person = store.annotators.authenticate(token)
    return None if person is None else person.name


def test_each_visitor_becomes_someone_and_stays_the_same(store: Store) -> None:
    link = open_link(store, most=3)
    first, second = join(store, link, ""), join(store, link, "")
    assert [name_of(store, token) for token in (first, second)] == ["visitor 1", "visitor 2"]
    assert join(store, link, "", known=first) == first
    assert joined(store) == {"visitor 1", "visitor 2"}
    assert name_of(store, link) is None
    assert link not in (store.read_setting("open link") or "")


def test_an_id_in_the_address_names_the_person_wherever_they_come_from(store: Store) -> None:
    link = open_link(store, most=2, id_name="PROLIFIC_PID")
    first = join(store, link, "?PROLIFIC_PID=5f0a&STUDY_ID=7")
    again = join(store, link, "STUDY_ID=7&PROLIFIC_PID=5f0a", known="another's")
    assert name_of(store, again) == "5f0a"
    assert name_of(store, first) is None  # one link at a time
    assert name_of(store, join(store, link, "PROLIFIC_PID=b%20c")) == "b c"
    for nobody in ("", "PROLIFIC_PID=", "prolific_pid=x"):
        assert name_of(store, join(store, link, nobody)) is None
    assert joined(store) == {"5f0a", "b c"}


def test_nobody_takes_the_name_of_someone_who_was_invited(store: Store) -> None:
    store.annotators.add("Ada")
    link = open_link(store, most=5, id_name="pid")
    for name in ("Ada", "x" * 300, "a%00b"):
        assert name_of(store, join(store, link, f"pid={name}")) is None
    assert joined(store) == set()
    assert [person.name for person in store.annotators.all()] == ["Ada"]


def test_it_is_full_after_so_many_and_over_after_its_day(store: Store) -> None:
    link = open_link(store, most=1, until="2026-05-04", id_name="pid")
    at = datetime(2026, 5, 4, 23, 59, tzinfo=UTC)
    assert join(store, link, "pid=late", now=datetime(2026, 5, 5, tzinfo=UTC)) == FULL
    assert name_of(store, join(store, link, "pid=a", now=at)) == "a"
    assert join(store, link, "pid=b", now=at) == FULL
    assert name_of(store, join(store, link, "pid=a", now=at)) == "a"  # who is in stays in
    store.annotators.forget("a")
    assert name_of(store, join(store, link, "pid=b", now=at)) == "b"


def test_whoever_closes_the_consent_page_takes_no_place(store: Store) -> None:
    """It is kept for half an hour, in which the page may be read; who comes back later has one if there is one."""
    link, now = open_link(store, most=1), datetime.now(UTC)
    gone = store.annotators.authenticate(join(store, link, ""))
    assert gone is not None
    assert join(store, link, "", now=now + timedelta(minutes=29)) == FULL
    assert has_place(store, gone, now + timedelta(minutes=31))
    later = now + timedelta(minutes=31)
    second = store.annotators.authenticate(join(store, link, "", now=later))
    assert second is not None
    store.annotators.note(second.name, Kind.CONSENTED)
    assert not has_place(store, gone, later)
    assert join(store, link, "", now=later + timedelta(days=1)) == FULL


def test_a_closed_link_and_one_that_was_replaced_let_nobody_in(store: Store) -> None:
    old = open_link(store, most=5)
    new = open_link(store, most=5, quota=7, completion="C0DE")
    assert name_of(store, join(store, old, "")) is None
    assert name_of(store, join(store, new, "")) == "visitor 1"
    assert close_link(store)
    assert not close_link(store)
    for token in (old, new, ""):
        assert name_of(store, join(store, token, "")) is None
    left = current_link(store)
    assert left is not None
    assert (left.quota, left.completion) == (7, "C0DE")  # who came by it is still told how the visit ends


def test_what_opens_nothing_takes_no_ones_place_away(store: Store) -> None:
    """A second press on a link that was closed, replaced or garbled."""
    old = open_link(store, most=5)
    mine = join(store, old, "")
    personal = store.annotators.add("Ada")
    for garbled in ("", old[:-1], "x"):
        assert join(store, garbled, "", known=mine) == mine
    assert join(store, personal, "", known=mine) == personal
    new = open_link(store, most=5)
    assert join(store, old, "", known=mine) == join(store, new, "", known=mine) == mine
    close_link(store)
    assert join(store, new, "", known=mine) == join(store, old, "", known=mine) == mine
    assert join(store, personal, "", known=mine) == personal
    assert joined(store) == {"visitor 1"}


def test_by_a_closed_link_known_ids_come_in_again_and_no_others(store: Store) -> None:
    first = open_link(store, most=5, id_name="pid")
    mine = join(store, first, "pid=a")
    second = open_link(store, most=5, id_name="pid")
    close_link(store)
    for link in (first, second):
        assert name_of(store, join(store, link, "pid=a")) == "a"
        assert name_of(store, join(store, link, "pid=b")) is None
    assert name_of(store, join(store, "another", "pid=a")) is None
    assert name_of(store, mine) is None  # one link at a time
    assert joined(store) == {"a"}


def test_who_was_revoked_stays_out(store: Store) -> None:
    by_cookie = open_link(store, most=5)
    mine = join(store, by_cookie, "")
    store.annotators.revoke("visitor 1")
    assert name_of(store, join(store, by_cookie, "", known=mine)) is None
    by_id = open_link(store, most=5, id_name="pid")
    join(store, by_id, "pid=a")
    store.annotators.revoke("a")
    assert name_of(store, join(store, by_id, "pid=a")) is None
    close_link(store)
    assert name_of(store, join(store, by_id, "pid=a")) is None
    assert len(store.annotators.all()) == 2
    store.annotators.add("a")  # a researcher lets them in again
    assert name_of(store, join(store, by_id, "pid=a")) == "a"


@pytest.mark.parametrize("name", ["Bob", "Cy", "researcher", "Researcher", "visitor 1", "visitor 7"])
def test_an_id_is_no_way_into_what_is_another_persons(store: Store, name: str) -> None:
    join(store, open_link(store, most=5), "")
    store.annotators.add("Bob")
    store.annotators.add("Cy")
    store.annotators.revoke("Cy")
    link = open_link(store, most=5, id_name="pid")
    before = store.annotators.all()
    assert name_of(store, join(store, link, f"pid={name}")) is None
    assert store.annotators.all() == before


def test_a_database_that_is_away_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*given: object, **named: object) -> str:
        raise UnreachableError("away")

    link = open_link(store, most=5, id_name="pid")
    monkeypatch.setattr(type(store.annotators), "add", away)
    with pytest.raises(UnreachableError):
        join(store, link, "pid=a")


def test_a_personal_link_is_what_it_was(store: Store) -> None:
    token = store.annotators.add("Ada")
    assert join(store, token, "pid=x") == token
    open_link(store, most=5)
    assert join(store, token, "pid=x", known="other") == token
    assert [event.kind for event in store.annotators.events()] == []


def test_the_quota_is_of_those_who_came_by_the_link() -> None:
    link = OpenLink(token_sha256="", most=1, quota=3)
    assert [has_enough(link, given) for given in (0, 2, 3, 4)] == [False, False, True, True]
    assert not has_enough(None, 100)
    assert not has_enough(OpenLink(token_sha256="", most=1), 100)


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"most": 0}, "--most"),
        ({"quota": 0}, "--quota"),
        ({"until": "soon"}, "--until"),
        ({"until": "2026-05-03", "today": date(2026, 5, 4)}, "--until 2026-05-03 is over"),
        ({"id_name": "a b"}, "--id"),
        *(
            ({"completion": each}, "--completion is a code")
            for each in (
                "",
                "  ",
                "C0 DE",
                "\x1b[2J",
                "https://",
                "app.prolific.com/x?cc=1",
                "https://a.org/x y",
                "http://[",
            )
        ),
    ],
)
def test_what_cannot_be_is_refused(store: Store, wrong: dict[str, object], option: str) -> None:
    with pytest.raises(InputError, match=option):
        open_link(store, **({"most": 5} | wrong))  # type: ignore[arg-type]
    assert current_link(store) is None
    assert Kind.JOINED.value == "joined"


def test_an_address_is_one_in_capitals_too(store: Store) -> None:
    open_link(store, most=5, completion="HTTPS://app.prolific.com/x?cc=1", until="2026-05-04", today=date(2026, 5, 4))
    assert (current_link(store) or OpenLink(token_sha256="", most=1)).ends_elsewhere


@pytest.mark.parametrize(
    "damaged", ['{"most": 5', "[]", '{"token_sha256": "", "most": 5, "later": 1}', '{"most": "x"}']
)
def test_a_link_that_cannot_be_read_is_told(store: Store, damaged: str) -> None:
    store.write_setting("open link", damaged)
    with pytest.raises(InputError, match="open link is damaged, or of a later version"):
        close_link(store)
