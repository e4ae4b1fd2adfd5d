"""A study's folder: one process at a time, and a new one where the last is finished."""

from dataclasses import replace
from pathlib import Path

import pytest

from command_line import run
from explainfb.core.errors import InputError
from explainfb.core.types import Comparison, ExplanationKey
from explainfb.store import Store
from explainfb.study.folder import STUDY, check_new, check_store, locked, new_folder
from explainfb.study.settings import StudySettings
from explainfb.study.study import Study
from explainfb.testing.tiny import TINY


def test_two_processes_do_not_run_one_study(tmp_path: Path) -> None:
    with locked(tmp_path / "study"), pytest.raises(InputError, match="another process"), locked(tmp_path / "study"):
        pass


def test_without_a_folder_an_unfinished_study_is_resumed_and_a_finished_one_is_not(tmp_path: Path) -> None:
    folder = new_folder(TINY, tmp_path)
    assert folder == tmp_path / "digits-decoy-1"
    Study.open(folder, TINY)
    assert new_folder(TINY, tmp_path) == folder
    assert new_folder(StudySettings(), tmp_path) == tmp_path / "digits-decoy-2"
    with locked(folder):
        assert new_folder(TINY, tmp_path) == tmp_path / "digits-decoy-2"
    (folder / "results.json").write_text("{}")
    assert new_folder(TINY, tmp_path) == folder, "it has no report yet"
    (folder / "report").mkdir()
    (folder / "report" / "index.html").touch()
    assert new_folder(TINY, tmp_path) == tmp_path / "digits-decoy-2"


def test_a_database_that_was_claimed_first_and_then_killed_is_taken_up(tmp_path: Path) -> None:
    """As versions before wrote a beginning; plain `run` picks the folder, so it must be able to go on there."""
    folder = new_folder(TINY, tmp_path)
    folder.mkdir()
    with Store(folder / "study.db") as store:
        store.write_setting(STUDY, "0123456789abcdef")
    assert new_folder(TINY, tmp_path) == folder
    Study.open(folder, TINY)
    with Store(folder / "study.db") as store:
        check_store(folder, store)
        assert store.read_setting(STUDY) == "0123456789abcdef"


def test_the_database_of_a_study_that_was_only_begun_is_not_taken(tmp_path: Path) -> None:
    Study.open(tmp_path / "one", TINY)
    with pytest.raises(InputError, match="holds another study"):
        Study.open(tmp_path / "two", TINY, database=tmp_path / "one" / "study.db")
    assert Study.open(tmp_path / "two", TINY).settings == TINY


def test_other_settings_take_the_place_of_a_start_that_failed(tmp_path: Path) -> None:
    """Nothing was made with the first ones, and nothing asked."""
    study = Study.open(tmp_path, TINY)
    other = replace(TINY, seed=5)
    assert Study.open(tmp_path, other).settings == Study.open(tmp_path).settings == other
    with Store(study.database) as store:
        key = ExplanationKey("round-0", 1)
        store.add_comparisons([Comparison(key, replace(key, image=2), 1)], seed=5)
    with pytest.raises(InputError, match="seed was 5, now 0"):
        Study.open(tmp_path, TINY)


def test_no_study_is_begun_among_other_things(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "passwd").touch()
    assert run("run", "--study", str(tmp_path)) == 2
    assert "is no study and holds other things ('passwd')" in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["passwd"]
    (tmp_path / "passwd").unlink()
    (tmp_path / "consent.md").touch()
    Study.open(tmp_path, TINY)


def test_a_start_that_is_refused_leaves_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "--study", str(tmp_path / "new"), "--task", "nonsense") == 2
    assert "Unknown task" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_lost_its_settings_is_not_picked_for_ever(tmp_path: Path) -> None:
    folder = new_folder(TINY, tmp_path)
    (folder / "classifiers").mkdir(parents=True)
    assert new_folder(TINY, tmp_path) == tmp_path / "digits-decoy-2"


def test_words_for_annotators_may_be_written_before_the_study_is_begun(tmp_path: Path) -> None:
    for name in ("consent.md", "instructions.md", "wording.toml", "practice.toml"):
        (tmp_path / name).write_text("")
    check_new(tmp_path)
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match=r"holds other things \('thesis.tex'\)"):
        check_new(tmp_path)
