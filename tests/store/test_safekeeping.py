"""A database is copied whole while people answer, and what was on record at some time is known again."""

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import HUMAN, run
from explainfb.core.errors import InputError
from explainfb.core.types import Answer
from explainfb.export import answers_table
from explainfb.store import Kind, Store
from explainfb.study.study import Study
from store_backends import BACKENDS, NOON, comparisons, fresh_url, people, preference, response

ITEMS = comparisons(3)


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh_url(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """With answers, a change, and more than names about people."""
    with Store(url) as opened:
        stored = opened.add_comparisons(ITEMS, seed=7)
        (ann, _) = people(opened, "Ann", "Bob")
        first = opened.answer(ann, response(stored[0], Answer.LEFT), now=NOON, overlap=1)
        change = replace(response(stored[0], Answer.EQUAL, "t", first.id), comment="the é\x07ar")
        opened.answer(ann, change, now=NOON, overlap=1)
        opened.annotators.note("Bob", Kind.PAUSED)
        opened.write_setting("study", "0123")
        yield opened


def test_a_copy_has_everything(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    store.back_up(file)
    assert file.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob("copy.db?*"))
    with Store(file) as copy:
        copy.check_whole()
        assert answers_table(copy).equals(answers_table(store))
        assert copy.fingerprint(1) == store.fingerprint(1)
        assert copy.annotators.all() == store.annotators.all()
        assert copy.annotators.events() == store.annotators.events()
        assert copy.read_setting("study") == "0123"
    with pytest.raises(InputError, match="is there already"):
        store.back_up(file)


def test_a_copy_that_cannot_be_written_is_told(store: Store) -> None:
    with pytest.raises(InputError, match=r"/proc/copy\.db"):
        store.back_up(Path("/proc/copy.db"))


def test_what_is_asked_and_is_no_question_is_told(store: Store) -> None:
    """One flipped bit, before anything was learned from the round."""
    with store._database.write() as connection:
        connection.exec_driver_sql("UPDATE comparisons SET asked = 'rbnk'")
    with pytest.raises(InputError, match=r"row 1000000 of comparisons.* not as written"):
        store.comparisons()


def test_an_answer_that_is_none_is_told_by_those_who_write_as_well(tmp_path: Path) -> None:
    with Store(tmp_path / "study.db") as store:
        store.add_comparisons(ITEMS, seed=7)
        store.record([preference(item) for item in ITEMS])
        given = store.answers()
        with store._database.write() as connection:
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")  # a bit that flips asks nobody
            connection.exec_driver_sql("UPDATE answers SET answer = 'lefu'")
        for ask in (store.answers, lambda: store.import_answers(given)):
            with pytest.raises(InputError, match=r"row 1 of answers.* not as written"):
                ask()


def test_a_fingerprint_stays_while_more_is_recorded_and_sees_what_changes(store: Store, url: str) -> None:
    taken = store.fingerprint(1)
    store.record([preference(ITEMS[1], annotator="Cy")])
    store.annotators.exclude("Cy", by="Rea", reason="haste")
    store.add_comparisons(comparisons(2, round=2), seed=7)
    store.close_round(1)
    assert store.fingerprint(1) != taken
    assert store.fingerprint(1, taken.until) == taken
    with store._database.write() as connection:
        connection.exec_driver_sql("UPDATE answers SET answer = 'right' WHERE answer = 'left'")
    assert store.fingerprint(1, taken.until) != taken


def test_the_last_answers_are_in_a_copy_made_while_they_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They may not be in study.db alone."""
    folder, copy = tmp_path / "study", tmp_path / "copy.db"
    study = Study.open(folder, HUMAN)
    with Store(study.database) as store:
        store.add_comparisons(ITEMS, seed=7)
        with sqlite3.connect(folder / "study.db") as other:  # as the app, which keeps the log from being folded in
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM answers").fetchone()
            store.record([preference(item) for item in ITEMS])
            assert run("backup", str(folder), str(copy)) == 0
            assert "with 3 answers" in capsys.readouterr().out
        other.close()
    for path in folder.glob("study.db*"):
        path.unlink()
    shutil.copyfile(copy, folder / "study.db")
    assert Study.open(folder).settings == HUMAN
    with Store(folder / "study.db") as store:
        assert len(store.answers()) == 3


def test_a_database_is_its_owners_alone(tmp_path: Path) -> None:
    Study.open(tmp_path / "study", HUMAN)
    assert (tmp_path / "study").stat().st_mode & 0o077 == 0
    assert (tmp_path / "study" / "study.db").stat().st_mode & 0o077 == 0
