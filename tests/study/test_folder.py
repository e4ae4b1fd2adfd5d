"""A study's folder: one process at a time, and a new one where the last is finished."""

from pathlib import Path

import pytest

from explainfb.core.errors import InputError
from explainfb.study.folder import locked, new_folder
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
