"""What was asked and answered is written down while people still answer, and what changed since is seen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from explainfb.core.errors import InputError
from explainfb.core.manifest import begin_manifest
from explainfb.labelling.recruiting import join, open_link
from explainfb.store import Store
from explainfb.study.arm_folder import ASKED, NOTED_EVERY, ArmFolder
from store_backends import comparisons, preference

ITEMS = comparisons(NOTED_EVERY)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    begin_manifest(tmp_path)
    with Store(tmp_path / "study.db") as opened:
        opened.add_comparisons(ITEMS, seed=7)
        yield opened


def change(store: Store, what: str) -> None:
    with store._database.write() as connection:
        connection.exec_driver_sql(what)


def test_what_is_asked_is_known_before_anything_is_learned(store: Store, tmp_path: Path) -> None:
    files = ArmFolder(tmp_path)
    files.note_answers(store, 1, ASKED)
    store.record([preference(ITEMS[0])])
    store.close_round(1)
    store.reopen_round(1)
    files.check_answers(store)
    change(store, "UPDATE comparisons SET left_image = left_image + 64 WHERE id % 7 = 0")
    with pytest.raises(InputError, match="is not what was asked, and on record, before; restore it"):
        files.check_answers(store)


def test_answers_are_written_down_from_time_to_time(store: Store, tmp_path: Path) -> None:
    files, done = ArmFolder(tmp_path), []
    step = files.noting(store, 1, done.append)
    store.record([preference(item) for item in ITEMS])
    step(NOTED_EVERY - 1)
    change(store, "UPDATE answers SET answer = 'right' WHERE id = 1")
    files.check_answers(store)  # nobody knows
    step(1)
    assert done == [NOTED_EVERY - 1, 1]
    change(store, "UPDATE answers SET said = 'best 3 worst 0' WHERE id = 2")
    with pytest.raises(InputError, match="restore it"):
        files.check_answers(store)


@pytest.mark.parametrize("counted", [True, False])
def test_who_is_forgotten_or_declines_is_no_damage(store: Store, tmp_path: Path, counted: bool) -> None:
    """Their rows are gone as they should be: a visitor of the open link who does not agree stopped the study."""
    files = ArmFolder(tmp_path)
    join(store, open_link(store, most=3), "")
    files.note_answers(store, 1)
    assert store.annotators.forget("visitor 1", counted=counted) == 0
    files.check_answers(store)
    assert store.annotators.forgotten().people == int(counted)
    files.note_answers(store, 1)
    change(store, "UPDATE comparisons SET left_image = left_image + 64")
    with pytest.raises(InputError, match="restore it"):
        files.check_answers(store)
