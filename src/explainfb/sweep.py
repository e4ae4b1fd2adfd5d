"""The same study over several seeds: one seed is an anecdote."""

import importlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
import scipy.stats
import torch
from rich.console import Console
from rich.table import Table

from explainfb.devices import DeviceName, resolve_device
from explainfb.errors import InputError
from explainfb.files import write_whole
from explainfb.results import Results, arms
from explainfb.settings import Control, StudySettings, as_plain
from explainfb.study import Study
from explainfb.study_folder import locked

MEASURES = ("shifted_accuracy", "clean_accuracy", "ece", "shortcut_share")


@dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """Which seeds and arms, and over how many processes."""

    folder: Path = Path("studies/sweep")
    """One study a seed is kept in this folder, and sweep.json."""
    seeds: int = 5
    """How many seeds."""
    first_seed: int = 0
    arms: tuple[Control, ...] = ("cross_entropy", "random_answers", "no_shortcut")
    """What feedback is compared with on every seed."""
    jobs: int = os.cpu_count() or 1
    """Processes, each with one thread."""
    backend: Literal["loky", "ray", "dask"] = "loky"
    """Where joblib runs them; ray and dask must be installed and, for a cluster, connected."""
    data_dir: Path | None = None
    device: DeviceName = "auto"

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise InputError(f"A sweep needs at least 1 seed; found {self.seeds}.")


def sweep(wanted: SweepSettings, settings: StudySettings, console: Console) -> dict[str, Any]:
    """Run the study on every seed, as far as it is not done, and write sweep.json; returns what it holds."""
    seeds = range(wanted.first_seed, wanted.first_seed + wanted.seeds)
    studies = [replace(settings, seed=seed, controls=wanted.arms) for seed in seeds]
    with joblib.parallel_config(backend=_backend(wanted.backend)):
        found = joblib.Parallel(n_jobs=wanted.jobs, return_as="generator_unordered")(
            joblib.delayed(_run)(wanted, study) for study in studies
        )
        results = []
        for result in found:
            results.append(result)
            console.print(f"Seed {result['seed']} is done ({len(results)} of {wanted.seeds}).")
    summary = summarise(sorted(results, key=lambda result: int(result["seed"])), settings)
    text = json.dumps(summary, indent=2) + "\n"
    write_whole(wanted.folder / "sweep.json", lambda partial: partial.write_text(text, encoding="utf-8"))
    return summary


def _backend(name: str) -> str:
    try:
        if name == "ray":
            importlib.import_module("ray.util.joblib").register_ray()
        elif name == "dask":
            importlib.import_module("distributed")
    except ImportError as error:
        raise InputError(f"The backend {name!r} is not installed; pip install {error.name}, or use loky.") from error
    return name


def _run(wanted: SweepSettings, settings: StudySettings) -> Results:
    torch.set_num_threads(1)
    folder = wanted.folder / f"seed-{settings.seed}"
    with locked(folder):
        study = Study.open(folder, settings, data_dir=wanted.data_dir, device=resolve_device(wanted.device))
        return study.run()


def summarise(results: list[Results], settings: StudySettings) -> dict[str, Any]:
    """Means over seeds with 95 % t-intervals, and the share of the gap to the ceiling that feedback closed."""
    rows: dict[str, dict[str, list[float]]] = {}
    for result in results:
        for arm in arms(result):
            row = rows.setdefault(arm.key, {})
            for name in MEASURES:
                if arm.evaluation[name] is not None:
                    row.setdefault(name, []).append(arm.evaluation[name])
            for robust in arm.evaluation["robust_accuracy"]:
                row.setdefault(f"{robust['norm']} {robust['epsilon']:g}", []).append(robust["accuracy"])
    summary = {
        "task": results[0]["task"],
        "seeds": [result["seed"] for result in results],
        "settings": as_plain(settings),
        "environment": results[0]["environment"],
        "arms": {arm: {name: _over_seeds(values) for name, values in row.items()} for arm, row in rows.items()},
    }
    if "ceiling" in rows and "shifted_accuracy" in rows["ceiling"]:
        before, after, ceiling = (np.array(rows[arm]["shifted_accuracy"]) for arm in ("before", "after", "ceiling"))
        summary["gap_closed"] = _over_seeds(((after - before) / (ceiling - before)).tolist())
    return summary


def _over_seeds(values: list[float]) -> dict[str, Any]:
    mean = float(np.mean(values))
    low, high = (
        scipy.stats.t.interval(0.95, len(values) - 1, loc=mean, scale=scipy.stats.sem(values))
        if len(values) > 1 and np.ptp(values) > 0
        else (mean, mean)
    )
    return {"mean": mean, "low": float(low), "high": float(high), "values": values}


def print_sweep(console: Console, summary: dict[str, Any]) -> None:
    """The table of means over seeds."""
    seeds = ", ".join(str(seed) for seed in summary["seeds"])
    table = Table(title=f"{summary['task']}, seeds {seeds}: mean, 95 % interval over seeds", box=None)
    table.add_column("")
    for arm in summary["arms"]:
        table.add_column(arm.replace("_", " "), justify="right")
    for name in next(iter(summary["arms"].values())):
        cells = (row.get(name) for row in summary["arms"].values())
        table.add_row(name.replace("_", " "), *(f"{c['mean']:.3f}\n{_range(c)}" if c else "–" for c in cells))
    console.print(table)
    if "gap_closed" in summary:
        gap = summary["gap_closed"]
        each = ", ".join(f"{value:.2f}" for value in gap["values"])
        console.print(f"Share of the gap to the ceiling closed: {gap['mean']:.2f}, by seed {each}.")


def _range(cell: dict[str, Any]) -> str:
    return f"{cell['low']:.2f} to {cell['high']:.2f}"
