"""`explainfb verify` computes a recorded row again and says how far it agrees, on the same processor and another."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from command_line import run
from explainfb.archive.recorded import read_recorded
from explainfb.archive.verifying import settings_to_run
from explainfb.cli.keeping import settings_of_command
from explainfb.core.errors import InputError
from explainfb.core.types import Interval
from explainfb.results.json_file import read_results, write_results
from explainfb.results.records import StudyResults
from explainfb.study.study import Study
from explainfb.sweeps.summary import GridSummary, summarise
from explainfb.sweeps.summary_file import write_summary
from small_studies import SMALL as SMALLEST

SMALL = replace(SMALLEST, controls=())


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ended") / "study"
    Study.open(folder, SMALL).run()
    return folder / "results.json"


@pytest.fixture
def recorded(ended: Path, tmp_path: Path) -> Path:
    """Where no manifest knows it, so that it can be changed."""
    return Path(shutil.copy(ended, tmp_path / "results.json"))


def change(path: Path, **of_feedback: Interval) -> None:
    results = read_results(path)
    arms = {**results.arms, "feedback": replace(results.feedback, **of_feedback)}
    write_results(replace(results, arms=arms), path)


def test_a_row_is_recomputed_to_the_last_bit(ended: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = ended.read_bytes()
    words = ["verify", str(ended), "--device", "cpu", "--study"]
    assert run(*words, str(tmp_path / "again")) == 0
    said = capsys.readouterr().out
    assert "numbers are equal to the last bit" in said
    assert f"seed 0 of: {read_results(ended).command}" in said
    assert ended.read_bytes() == before
    assert run(*words, str(ended.parent)) == 2
    assert "nothing would be computed" in " ".join(capsys.readouterr().err.split())


def test_how_far_it_is_off_is_told(
    ended: Path, recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number that nobody can get is told apart from one that another machine would round differently."""
    again = shutil.copytree(ended.parent, tmp_path / "again")  # gone on with, of which nothing is left to do
    words = ["verify", str(recorded), "--device", "cpu", "--study", str(again)]
    true = read_results(recorded).feedback.clean_accuracy
    change(recorded, clean_accuracy=replace(true, estimate=true.estimate - 0.004))
    assert run(*words) == 0
    assert "The largest difference is +0.004 (feedback, accuracy on clean images)" in capsys.readouterr().out
    change(recorded, clean_accuracy=Interval(0.99, 0.98, 1.0))
    assert run(*words) == 1
    assert "Differs" in capsys.readouterr().out


def test_another_processor_is_told_and_agrees(ended: Path) -> None:
    """Its vector instructions add in another order. The classifier before feedback hardly moves; feedback moves more,
    because pieces of an image that are worth nearly nothing are exchanged or not."""
    here = torch.backends.cpu.get_cpu_capability()
    other = "avx2" if here != "AVX2" else "default"
    words = [sys.executable, "-m", "explainfb", "verify", str(ended), "--device", "cpu", "--arms", "before"]
    ended_there = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"ATEN_CPU_CAPABILITY": other})
    assert ended_there.returncode == 0, ended_there.stderr
    assert f"instructions was {here}, and is {other.upper()} here." in ended_there.stdout
    assert "equal to the last bit" in ended_there.stdout or "Agrees" in ended_there.stdout


def grid_of(results: StudyResults, path: Path) -> Path:
    other = replace(results, seed=7)
    cell = summarise([results, other], command=f"explainfb sweep --folder f {results.command[14:]}", settings={})
    write_summary(GridSummary((0, 7), results.environment, {"a": cell, "b": cell}), path)
    return path


def test_a_study_of_a_grid_is_found_by_its_cell_and_seed(ended: Path, tmp_path: Path) -> None:
    results = read_results(ended)
    path = grid_of(results, tmp_path / "grid.json")
    one, grid = read_recorded(ended), read_recorded(path, cell="b", seed=7)
    assert grid.arms == one.arms
    assert grid.seed == 7
    assert settings_of_command(grid.command) == replace(SMALL, controls=settings_of_command(grid.command).controls)
    with pytest.raises(InputError, match="no cell 'c'; give one of 'a', 'b'"):
        read_recorded(path, cell="c")
    with pytest.raises(InputError, match="has seeds 0, 7; found --seed 3"):
        read_recorded(path, seed=3)


def test_a_command_that_means_something_else_today_is_told(ended: Path) -> None:
    recorded = read_recorded(ended)
    assert settings_to_run(recorded, settings_of_command(recorded.command)) == (SMALL, [])
    usual_then = replace(recorded, settings={**recorded.settings, "finetune.learning_rate": 0.25})
    settings, told = settings_to_run(usual_then, settings_of_command(recorded.command))
    assert settings.finetune.learning_rate == 0.25
    now = SMALL.finetune.learning_rate
    assert told == [f"The command leaves finetune.learning_rate at {now!r} today; it was 0.25, which is taken."]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("explainfb run --no-such 1", "does not know the command"),
        ("explainfb check s", "come from explainfb run or sweep"),
    ],
)
def test_a_command_that_is_none_is_told(command: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        settings_of_command(command)


def test_what_people_answered_is_not_recomputed(ended: Path) -> None:
    recorded = read_recorded(ended)
    people = replace(recorded, settings={**recorded.settings, "annotator": "human"})
    with pytest.raises(InputError, match="cannot be asked again"):
        settings_to_run(people, SMALL)
