"""A database of schema 3, in which rows have no checksums, on its way to this one."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from counting import count
from explainfb.core.errors import InputError
from explainfb.core.types import Answer
from explainfb.export import answers_table
from explainfb.store import Store, database, schema
from explainfb.store.database import parse_url
from explainfb.store.safekeeping import upgrades
from kills import run_and_kill
from store_backends import BACKENDS, NOON, check_counters, comparisons, fresh_url, people, preference, response

ITEMS = comparisons(4)


def as_schema_3(url: str | Path) -> None:
    """Take from the database what schemas 4 and 5 brought."""
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        for table in schema.CHECKED:
            connection.execute(text(f"ALTER TABLE {table.name} DROP COLUMN checksum"))
        schema.kept.drop(connection)
        connection.execute(text("UPDATE explainfb_schema SET version = 3"))
    engine.dispose()


def filled(url: str | Path) -> str | Path:
    with Store(url) as store:
        stored = store.add_comparisons(ITEMS, seed=7)
        (ann,) = people(store, "Ann")
        store.answer(ann, response(stored[0], Answer.LEFT), now=NOON, overlap=2)
        store.record([preference(item) for item in ITEMS])
    as_schema_3(url)
    return url


def version(url: str | Path) -> object:
    engine = create_engine(parse_url(url))
    with engine.connect() as connection:
        found = connection.execute(text("SELECT version FROM explainfb_schema")).scalar()
    engine.dispose()
    return found


@pytest.fixture(params=BACKENDS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | Path]:
    with fresh_url(request.param, tmp_path) as url:
        yield filled(url)


def opened(url: str | Path) -> None:
    Store(url).close()


def test_rows_get_checksums_when_it_is_first_opened_for_writing(old: str) -> None:
    with Store(old, read_only=True) as store:
        assert store.check_whole() == 11  # 2 people, 4 comparisons, 5 answers
        before = answers_table(store)
    assert version(old) == 3
    with Store(old) as store:
        assert store.check_whole() == 0
        assert answers_table(store).equals(before)
        (ann,) = (each for each in store.annotators.all() if each.name == "Ann")
        store.answer(ann, response(store.comparisons(1)[1], Answer.EQUAL), now=NOON, overlap=2)
        check_counters(store)
        assert store.check_whole() == 0
    assert version(old) == 5


@pytest.mark.parametrize("backend", BACKENDS)
def test_killed_anywhere_it_is_of_one_schema_or_the_other(backend: str, tmp_path: Path) -> None:
    for at in range(1, 100):
        folder = tmp_path / str(at)
        folder.mkdir()
        with fresh_url(backend, folder) as url:
            filled(url)
            passed = run_and_kill(lambda url=url: opened(url), at)  # type: ignore[misc]
            with Store(url, read_only=True) as store:
                assert len(store.answers()) == 5
            with Store(url) as store:
                assert store.check_whole() == 0
                assert len(store.answers()) == 5
        if passed < at:
            break
    assert at >= 4, "the test must have killed something"
    count("kill -9 just before and after every durable operation of an upgrade to checksums", times=at - 1)


def test_two_processes_at_once_upgrade_it_once(old: str) -> None:
    with get_context("spawn").Pool(2) as pool:
        pool.map(opened, [old] * 4)
    with Store(old) as store:
        assert store.check_whole() == 0
        assert len(store.answers()) == 5


def test_an_archive_of_it_is_read_without_a_byte_written(tmp_path: Path) -> None:
    file = tmp_path / "archive" / "study.db"
    file.parent.mkdir()
    filled(file)
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA journal_mode = DELETE")
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    with Store(file, read_only=True) as store:
        assert len(store.preferences([1], gold=True)) == 5
        store.back_up(tmp_path / "copy.db")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    assert [each.name for each in file.parent.iterdir()] == ["study.db"]
    with Store(tmp_path / "copy.db") as copy:  # the backup goes on as the study's database
        assert copy.check_whole() == 0
        assert len(copy.answers()) == 5


def test_an_explainfb_of_before_refuses_it_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(tmp_path / "study.db")
    monkeypatch.setattr(database, "SCHEMA_VERSION", 3)
    monkeypatch.delitem(upgrades.UPGRADES, 3)
    for read_only in (False, True):
        with pytest.raises(InputError, match="has schema 5 and this explainfb reads schema 3; use the explainfb that"):
            Store(tmp_path / "study.db", read_only=read_only)


def test_a_time_that_is_none_is_told(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    filled(file)
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("UPDATE answers SET shown_at = 7 WHERE id = 2")
    with pytest.raises(InputError, match=r"is damaged .*; bring back a copy"):
        Store(file)
    assert version(file) in (3, 5)
