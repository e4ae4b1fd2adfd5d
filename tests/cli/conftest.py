"""A folder to work in, and a study for people in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import HUMAN, run
from explainfb.study.study import Study

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def study() -> Path:
    """A study for people, begun and not run."""
    Study.open("study", HUMAN)
    return Path("study")


@pytest.fixture
def say(study: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command on the study; its status, what it said, and what it complained about in one line."""

    def said(command: str, *arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(command, "--study", str(study), *arguments)
        out, err = capsys.readouterr()
        return status, out, " ".join(err.split())

    return said
