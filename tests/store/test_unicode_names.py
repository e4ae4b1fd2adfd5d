"""Names that are the same text, written in several ways in Unicode, are of one annotator."""

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from explainfb.core.errors import InputError
from explainfb.core.types import Answer
from explainfb.labelling.recruiting import join, open_link
from explainfb.store import Kind, RowError, Store, schema
from explainfb.store.safekeeping import checksums
from store_backends import BACKENDS, NOON, comparisons, fresh_url, people, preference, response

ZOE = "Zo\u00eb"
APART = "Zoe\u0308"
ITEMS = comparisons(2)


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with fresh_url(request.param, tmp_path) as url, Store(url) as opened:
        yield opened


def as_before(store: Store, name: str, kept: str) -> None:
    """The name as databases of before kept it."""
    with store._database.write() as connection:
        table = schema.annotators
        connection.execute(update(table).where(table.c.name == name).values(name=kept, checksum=None))
        checksums.write_checksums(connection)


def test_two_forms_are_one_annotator(store: Store) -> None:
    store.annotators.add(APART)
    assert [each.name for each in store.annotators.all()] == [ZOE]
    with pytest.raises(InputError, match="has a link already"):
        store.annotators.add(ZOE)
    store.annotators.exclude(APART, by="Rea", reason="haste")
    assert [event.kind for event in store.annotators.events(APART)] == [Kind.EXCLUDED]
    assert store.annotators.events(ZOE) == store.annotators.events(APART)
    assert store.annotators.revoke(APART)
    assert store.annotators.forget(APART) == 0


@pytest.mark.parametrize("typed", [ZOE, APART, unicodedata.normalize("NFKD", ZOE)])
def test_a_name_of_before_is_still_found(store: Store, typed: str) -> None:
    people(store, ZOE)
    as_before(store, ZOE, APART)
    store.annotators.note(typed, Kind.PAUSED)
    assert store.annotators.visit(typed).paused
    stored = store.add_comparisons(ITEMS, seed=7)
    store.record([preference(ITEMS[0], annotator=typed)])
    assert [each.annotator for each in store.answers()] == [APART]
    store.annotators.renew(typed)
    (person,) = store.annotators.all()
    store.answer(person, response(stored[1], Answer.EQUAL), now=NOON, overlap=1)
    assert store.annotators.forget(typed) == 2
    assert store.annotators.all() == []


def test_two_of_before_stay_two_and_are_told_apart_by_their_very_letters(store: Store) -> None:
    people(store, ZOE, "other")
    as_before(store, "other", APART)
    store.annotators.note(APART, Kind.PAUSED)
    assert store.annotators.visit(APART).paused
    assert not store.annotators.visit(ZOE).paused


def test_a_batch_with_both_forms_answers_once(store: Store) -> None:
    store.add_comparisons(ITEMS, seed=7)
    twice = [preference(ITEMS[0], annotator=name) for name in (ZOE, APART)]
    with pytest.raises(InputError, match="found 2 answers by"):
        store.record(twice)
    assert store.answers() == []
    assert store.record(twice[:1]) == 1
    assert store.record(twice[1:]) == 0


def test_an_import_finds_whoever_is_there_and_refuses_one_who_answers_twice(store: Store, tmp_path: Path) -> None:
    store.add_comparisons(ITEMS, seed=7)
    store.record([preference(item, annotator=ZOE) for item in ITEMS])
    events = store.answers()
    apart = [replace(event, annotator=APART) for event in events]
    assert store.import_answers(apart) == 0
    both = [*events, *(replace(event, id=event.id + 10) for event in apart)]
    with pytest.raises(RowError, match="first answer to this comparison"):
        store.import_answers(both)
    as_before(store, ZOE, APART)
    assert store.import_answers(events) == 0


def test_an_open_link_knows_both_forms(store: Store) -> None:
    token = open_link(store, most=5, id_name="PID")
    first = join(store, token, f"?PID={APART}", now=NOON)
    again = join(store, token, f"?PID={ZOE}", now=NOON)
    assert token not in (first, again)
    assert [each.name for each in store.annotators.all()] == [ZOE]
