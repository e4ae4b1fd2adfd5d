"""A database of an earlier schema: as it was left, then opened by this explainfb."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.exc import IntegrityError

from explainfb.core.types import Answer
from explainfb.store import Store, schema
from explainfb.store.database import parse_url
from explainfb.store.safekeeping import upgrades
from store_backends import BACKENDS, NOON, check_counters, fresh_url, response

VERSION_1 = Path(__file__).parent / "version_1"
"""Its tables on either database as SQLAlchemy made them, and rows: a change, a gap, someone left out, a lease."""


@pytest.fixture(params=BACKENDS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database of schema 1."""
    with fresh_url(request.param, tmp_path) as url:
        engine = create_engine(parse_url(url))
        with engine.begin() as connection:
            for name in (request.param, "rows"):
                for statement in (VERSION_1 / f"{name}.sql").read_text().split(";\n"):
                    if statement:
                        connection.exec_driver_sql(statement)
            if request.param == "postgresql":  # rows with ids of their own do not count in PostgreSQL's sequences
                connection.execute(text("SELECT setval('answers_id_seq', 4)"))
        engine.dispose()
        yield url


def test_an_old_database_keeps_its_answers_and_takes_the_new_ones(old: str) -> None:
    with Store(old) as store:
        assert store.read_setting("study") == "digits"
        events = store.answers()
        assert [(each.annotator, each.answer, each.supersedes) for each in events] == [
            ("Ann", Answer.LEFT, None),
            ("Ann", Answer.EQUAL, 1),
            ("Ben", Answer.CANT_TELL, None),
            ("Ben", Answer.RIGHT, None),
        ]
        ann = next(each for each in store.annotators.all() if each.name == "Ann")
        asked = store.comparisons(1)
        store.answer(ann, response(asked[1], Answer.BOTH_BAD, "e"), now=NOON, overlap=2)
        changed = response(asked[0], Answer.BOTH_GOOD, "f", supersedes=2)
        assert store.answer(ann, changed, now=NOON, overlap=2).id == 6
        check_counters(store)
    with Store(old) as store:  # nothing is left to upgrade
        assert [each.answer for each in store.preferences(gold=True)] == [Answer.BOTH_GOOD, Answer.BOTH_BAD]


def test_an_upgraded_database_is_as_a_new_one(old: str, tmp_path: Path) -> None:
    """The same tables, columns, indexes, keys and rules."""
    with fresh_url("sqlite" if make_url(old).drivername == "sqlite" else "postgresql", tmp_path / "new") as new:
        (tmp_path / "new").mkdir(exist_ok=True)
        for url in (old, new):
            Store(url).close()
        assert layout(old) == layout(new)


def layout(url: str) -> object:
    engine = create_engine(parse_url(url))
    found = inspect(engine)
    names = sorted(found.get_table_names())
    layouts = {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)],
            sorted((index["name"], index["column_names"], index["unique"]) for index in found.get_indexes(name)),
            sorted((key["constrained_columns"], key["referred_table"]) for key in found.get_foreign_keys(name)),
            sorted(rule["sqltext"] for rule in found.get_check_constraints(name)),
            sorted(rule["column_names"] for rule in found.get_unique_constraints(name)),
        )
        for name in names
    }
    with engine.connect() as connection:
        version = connection.execute(text("SELECT version FROM explainfb_schema")).scalars().all()
    engine.dispose()
    return layouts, version


def test_what_no_schema_knows_is_still_refused(old: str) -> None:
    with Store(old) as store, pytest.raises(IntegrityError), store._database.write() as connection:
        connection.execute(schema.answers.update().values(answer="splendid"))


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "study.db"
    with sqlite3.connect(file) as connection:
        for name in ("sqlite", "rows"):
            connection.executescript((VERSION_1 / f"{name}.sql").read_text())
    connection.close()

    def half(connection: object) -> None:
        upgrades._know_more_answers(connection)  # type: ignore[arg-type]
        raise OSError("the power went")

    monkeypatch.setitem(upgrades.UPGRADES, 1, half)
    with pytest.raises(OSError, match="power"):
        Store(file)
    monkeypatch.undo()
    with Store(file) as store:
        assert len(store.answers()) == 4


def test_an_old_database_that_is_only_read_stays_as_it_is(old: str) -> None:
    def version() -> object:
        engine = create_engine(parse_url(old))
        with engine.connect() as connection:
            found = connection.execute(text("SELECT version FROM explainfb_schema")).scalar()
        engine.dispose()
        return found

    with Store(old, read_only=True) as store:
        assert len(store.answers()) == 4
    assert version() == 1
