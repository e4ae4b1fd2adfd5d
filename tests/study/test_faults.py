"""The fault schedule, in short: tests/fault_schedule.py by hand takes as long as it is given."""

import os
from pathlib import Path

import pytest

import fault_schedule
from counting import Tally
from explainfb.study import folder as folder_module
from fault_schedule import FAULTS, OF_A_SERVER, run_schedule
from store_backends import server_is_there

pytestmark = pytest.mark.usefixtures("blank_reports")


@pytest.mark.timeout(900)  # whatever else the machine does
def test_whatever_happens_to_a_study_it_ends_as_if_nothing_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(folder_module, "task_of", folder_module.task_of)  # put back at the end
    tally = run_schedule(float(os.environ.get("EXPLAINFB_TEST_FAULTS", "5")), seed=0, folder=tmp_path)
    assert tally.tried.keys() >= FAULTS.keys() | (OF_A_SERVER.keys() if server_is_there() else set())
    assert tally.held == tally.tried, tally.table()
    print(tally.table())


def test_what_does_not_hold_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study that is damaged on the way, and a run that fails without a word."""
    tally = Tally()
    trial = fault_schedule.Trial(tmp_path / "study", tmp_path / "study" / "study.db", fault_schedule.random.Random(0))
    monkeypatch.setattr(trial, "work", lambda: 1 / 0)
    assert trial.suffer(fault_schedule.kill) == 1
    assert not fault_schedule.killed(trial)
    tally.count("kill -9", False)
    assert "| kill -9 | 1 | 0 |" in tally.table()
