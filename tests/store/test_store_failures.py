"""Databases that cannot be used: each gets one sentence that names it, and never a password."""

import sqlite3
import threading
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event

from explainfb.core.errors import InputError
from explainfb.store import Store
from explainfb.store.database import parse_url
from store_backends import comparisons, preference


def address(file: Path) -> str:
    return f"sqlite:///{file}"


def filled(file: Path) -> Path:
    with Store(address(file)) as store:
        items = comparisons(500)
        store.add_comparisons(items, seed=7)
        store.record([preference(item) for item in items])
    return file


def test_an_intact_file_opens(tmp_path: Path) -> None:
    with Store(address(filled(tmp_path / "study.db"))) as store:
        assert len(store.preferences(gold=True)) == 500


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"no database at all" * 300,
        lambda content: content[: len(content) // 2],
        lambda content: content[:100] + b"\xff" * 60_000 + content[60_100:],
        lambda content: content[: len(content) // 2] + b"\x99" * 5000 + content[len(content) // 2 + 5000 :],
        lambda content: b"\0" * len(content),
    ],
    ids=["other", "cut", "start", "middle", "zeros"],
)
def test_a_damaged_file_is_named(tmp_path: Path, damage: object) -> None:
    file = filled(tmp_path / "study.db")
    assert callable(damage)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match=r"study\.db is damaged"):
        Store(address(file))


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    file = tmp_path / "50% of? them #1 & 'é'.db"
    with Store(file) as store:
        store.add_comparisons(comparisons(2), seed=7)
    assert file.is_file()
    with Store(file) as store:
        assert len(store.comparisons()) == 2


def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    file.touch()
    with Store(address(file)) as store:
        assert store.comparisons() == []


def test_another_schema_is_named_with_both_versions(tmp_path: Path) -> None:
    file = filled(tmp_path / "study.db")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE explainfb_schema SET version = 99")
    connection.close()
    with pytest.raises(InputError, match=r"study\.db has schema 99 and this explainfb reads schema 5"):
        Store(address(file))


def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "bookmarks.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE places (url TEXT)")
    connection.close()
    with pytest.raises(InputError, match=r"bookmarks\.db belongs to another program .*'places'"):
        Store(address(file))


def test_a_full_disk_is_named_and_nothing_is_half_written(tmp_path: Path) -> None:
    with Store(address(tmp_path / "study.db")) as store:
        items = comparisons(3000)
        store.add_comparisons(items[:10], seed=7)
        event.listen(store._database.engine, "checkout", lambda raw, *_: raw.execute("PRAGMA max_page_count = 60"))
        with pytest.raises(InputError, match=r"study\.db cannot grow because the disk is full"):
            store.add_comparisons([*comparisons(3000, round=2)], seed=7)
        assert len(store.comparisons()) == 10


def test_a_missing_folder_or_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere of the database does not exist"):
        Store(address(tmp_path / "nowhere" / "study.db"))
    with pytest.raises(InputError, match="cannot be opened"):
        Store(address(tmp_path))


def test_a_writer_that_never_ends_is_waited_for_and_then_named(tmp_path: Path) -> None:
    file = filled(tmp_path / "study.db")
    with Store(address(file), busy_seconds=0.2) as store:
        other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(InputError, match=r"study\.db is held by another program"):
            store.close_round(1)
    with Store(address(file)) as patient:
        threading.Timer(0.3, other.rollback).start()
        patient.close_round(1)
    other.close()


def test_a_server_that_cannot_be_reached_is_named_without_the_password() -> None:
    with pytest.raises(InputError) as caught:
        Store("postgresql://ann:s3cret@127.0.0.1:1/study")
    assert "127.0.0.1/study cannot be reached" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_drivers_message_that_repeats_the_password_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("cannot connect with password=s3cret")

    monkeypatch.setattr(psycopg, "connect", connect)
    monkeypatch.setattr(psycopg.Connection, "connect", connect)
    with pytest.raises(InputError, match=r"password=\*\*\*") as caught:
        Store("postgresql://ann:s3cret@somewhere/study")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["study.db", "", "sqlite://", "sqlite:///:memory:", "mysql://ann:s3cret@host/x", "http://s3cret"]
)
def test_a_url_that_is_no_database_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InputError, match="expected sqlite:///PATH") as caught:
        Store(url)
    assert "s3cret" not in str(caught.value)


def test_postgresql_urls_get_their_driver() -> None:
    for url in ("postgresql://h/x", "postgresql+psycopg://h/x"):
        assert parse_url(url).drivername == "postgresql+psycopg"


def test_sqlite_runs_in_wal_mode_and_waits_for_the_disk(tmp_path: Path) -> None:
    with Store(address(tmp_path / "study.db")) as store, store._database.read() as connection:
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        assert values == ["wal", 2]
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
