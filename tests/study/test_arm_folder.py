"""What was asked is written down before people answer; what changed since is seen, what people delete is no damage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from explainfb.core.errors import InputError
from explainfb.core.manifest import begin_manifest, noted_beside
from explainfb.core.types import Answer
from explainfb.labelling.recruiting import join, open_link
from explainfb.store import Store
from explainfb.study.arm_folder import ArmFolder
from store_backends import comparisons, preference

ITEMS = comparisons(12)


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
    for _ in range(2):  # again, as after a crash
        files.note_asked(store, 1)
    assert [len(each) for each in noted_beside(tmp_path / "asked").values()] == [1]
    store.record([preference(ITEMS[0])])
    store.add_comparisons(comparisons(2, round=2), seed=7)
    store.close_round(1)
    store.reopen_round(1)
    files.check_answers(store)
    change(store, "UPDATE comparisons SET left_image = left_image + 64 WHERE id % 7 = 0")
    with pytest.raises(InputError, match="of rounds 1 to 1 is not what was asked; restore it"):
        files.check_answers(store)


def test_a_copy_from_before_the_last_answers_is_gone_on_with(store: Store, tmp_path: Path) -> None:
    """As a backup that takes the place of a database that is lost."""
    files = ArmFolder(tmp_path)
    store.back_up(tmp_path / "monday.db")
    store.record([preference(item) for item in ITEMS])
    files.note_asked(store, 1)
    with Store(tmp_path / "monday.db") as copy:
        files.check_answers(copy)
        copy.record([preference(item, Answer.RIGHT) for item in ITEMS])
        files.check_answers(copy)


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
