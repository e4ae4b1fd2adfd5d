"""`run --jobs`: the arms beside feedback, each in a process of its own, give the numbers that they give one by one."""

import dataclasses
from pathlib import Path

import pytest
from rich.console import Console

from explainfb.cli.study import Run
from explainfb.results.json_file import read_results
from explainfb.testing.tiny import TINY


@pytest.mark.usefixtures("blank_reports")
def test_arms_in_processes_of_their_own_measure_the_same(tmp_path: Path) -> None:
    few = dataclasses.replace(TINY.evaluation, linf=(0.1,), l2=(), attack_images=6, explain_images=4)
    settings = dataclasses.replace(
        TINY, rounds=1, controls=("cross_entropy", "random_exchange", "no_shortcut"), evaluation=few
    )
    found = {}
    for jobs in (1, 2):
        folder = tmp_path / str(jobs)
        assert Run(study=folder, settings=settings, device="cpu", jobs=jobs)(Console(quiet=True)) == 0
        found[jobs] = dataclasses.replace(read_results(folder / "results.json"), seconds={}, environment={})
        assert len(read_results(folder / "results.json").seconds) >= 8  # what other processes did is timed too
    assert found[1] == found[2]
