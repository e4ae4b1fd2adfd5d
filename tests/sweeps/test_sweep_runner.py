"""Several seeds: resumed, summarised, told."""

import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from explainfb.core.errors import InputError
from explainfb.study.settings import StudySettings
from explainfb.sweeps.sweep_runner import SweepSettings, print_sweep, summarise, sweep
from explainfb.testing.tiny import TINY
from results_example import example_results


def test_a_sweep_runs_every_seed_and_goes_on_where_it_was(tmp_path: Path) -> None:
    wanted = SweepSettings(folder=tmp_path, seeds=2, jobs=1, controls=("no_shortcut",))
    console = Console(quiet=True)
    found = sweep(wanted, replace(TINY, rounds=1), console)
    assert found["seeds"] == [0, 1]
    assert json.loads((tmp_path / "sweep.json").read_text()) == found
    kept = tmp_path / "seed-0" / "classifiers" / "round-1.safetensors"
    written = kept.stat().st_mtime_ns
    assert sweep(wanted, replace(TINY, rounds=1), console) == found
    assert kept.stat().st_mtime_ns == written


def test_the_gap_closed_is_by_seed() -> None:
    results = []
    for seed, after in enumerate([0.5, 0.9]):
        result = example_results()
        result["seed"] = seed
        for arm, accuracy in (("before", 0.1), ("after", after), ("ceiling", 0.9)):
            result[arm]["shifted_accuracy"] = accuracy
        results.append(result)
    summary = summarise(results, StudySettings())
    assert summary["gap_closed"]["values"] == pytest.approx([0.5, 1.0])
    assert summary["gap_closed"]["mean"] == pytest.approx(0.75)
    assert summary["arms"]["after"]["shifted_accuracy"]["low"] < 0.5
    console = Console(record=True, width=200)
    print_sweep(console, summary)
    assert "0.75" in console.export_text()


def test_ten_arms_fit_eighty_characters() -> None:
    result = example_results()
    for name in ("wrong_masks", "oracle_reward", "rrr", "input_gradient", "adversarial_training"):
        result["controls"][name] = result["before"]
    console = Console(record=True, width=80, file=io.StringIO())
    print_sweep(console, summarise([result, result], StudySettings()))
    printed = console.export_text()
    assert "…" not in printed
    assert max(len(line.rstrip()) for line in printed.splitlines()) <= 80
    assert len(re.findall(r"0\.416", printed)) == 6
    assert "adversarial" in printed


def test_what_stopped_is_told_once_for_each_arm() -> None:
    result = example_results()
    result["stopped"] = [f"random_answers, round {number}: The reward was not followed." for number in (1, 2, 3)]
    result["stopped"].append("after, round 4: Fine-tuning stopped at step 3.")
    console = Console(record=True, width=200, file=io.StringIO())
    print_sweep(console, summarise([result], StudySettings()))
    printed = console.export_text()
    assert "random_answers, round 1: The reward was not followed. (and 2 rounds more" in printed
    assert "round 2" not in printed
    assert "after, round 4: Fine-tuning stopped at step 3.\n" in re.sub(" +\n", "\n", printed)


def test_a_backend_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="pip install"):
        sweep(SweepSettings(folder=tmp_path, backend="ray"), TINY, Console(quiet=True))


def test_no_seeds_are_refused() -> None:
    with pytest.raises(InputError, match="at least 1 seed"):
        SweepSettings(seeds=0)
