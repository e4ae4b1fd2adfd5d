"""A grid of studies: named cells of settings, each run over the same seeds, summed up in one file.

    grid = Grid({"250 answers": StudySettings(comparisons=63), "1,000 answers": StudySettings()})
    summary = run_grid(grid, GridSettings(folder=Path("studies/answers")), Console())

Every cell is a sweep's folder of studies, so that `explainfb sweep` with the cell's command reruns it, alone and to the
same numbers. grid.json is written anew after every study that ends, and can be looked at half-way.
"""

import json
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial, reduce
from pathlib import Path
from typing import Any

import joblib
from rich.console import Console

from explainfb.core.environment import both
from explainfb.core.errors import InputError
from explainfb.core.files import write_whole
from explainfb.evaluation.arm_contrasts import contrast_arms
from explainfb.results.records import StudyResults
from explainfb.statistics.contrasts import Contrast, corrected
from explainfb.study.context import first_classifier
from explainfb.study.finished import evaluations_of, feedback_of, finished_results
from explainfb.study.folder import RESULTS, SETTINGS, locked, same_data
from explainfb.study.settings import StudySettings, as_plain, command_line, read_settings
from explainfb.study.study import Study
from explainfb.sweeps.executor import run_study
from explainfb.sweeps.sweep_runner import summarise

MEASURES = ("shifted accuracy", "calibration error", "robust accuracy, linf 0.1")
"""What is tested unless other measures are named: the fewer, the less is lost to the correction."""
FILE = "grid.json"
START = ("task", "seed", "train_images", "shortcut", "image_size", "weights", "training")
"""The settings that decide the classifier before feedback."""
BORROWED = {
    ("classifiers/round-0.budget.json", "classifiers/round-0.safetensors"): START,
    ("evaluations/before.safetensors",): (*START, "evaluation"),
    ("explanations/round-1.budget.json", "explanations/round-1.safetensors"): (
        *START,
        "lime",
        "comparisons_per_round",
        "queries",
    ),
}
"""What one study takes from another where they agree in these settings. A study that has the last file of a group does
not make it anew."""


@dataclass(frozen=True, kw_only=True)
class GridSettings:
    """Where the studies of a grid are kept, and over which seeds and processes they run."""

    folder: Path
    """One folder a cell, in which there is one study a seed."""
    seeds: int = 5
    first_seed: int = 11
    jobs: int = os.cpu_count() or 1
    """Processes, each with one thread."""
    data_dir: Path | None = None

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise InputError(f"A grid needs at least 1 seed; found {self.seeds}.")

    @property
    def all_seeds(self) -> range:
        return range(self.first_seed, self.first_seed + self.seeds)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What is run, and what is tested."""

    cells: Mapping[str, StudySettings]
    """By names that can be a folder's; the seed of the settings does not count."""
    reference: str | None = None
    """The cell whose feedback every other cell's feedback is tested against."""
    measures: Sequence[str] = MEASURES
    against_arms: bool = field(default=True)
    """Whether the feedback of each cell is tested against the cell's own arms."""

    def __post_init__(self) -> None:
        if self.reference is not None and self.reference not in self.cells:
            raise InputError(f"There is no cell {self.reference!r} to compare with; found {', '.join(self.cells)}.")


def run_grid(grid: Grid, wanted: GridSettings, console: Console) -> dict[str, Any]:
    """Run what is not done of every cell; returns what grid.json holds.

    The studies from which others take the classifier before feedback come first, then the others, seed by seed.
    """
    asked = [(name, replace(cell, seed=seed)) for seed in wanted.all_seeds for name, cell in grid.cells.items()]
    asked = _lenders_first(asked)
    done: dict[str, dict[int, StudyResults]] = {name: {} for name in grid.cells}
    left = []
    for name, study in asked:
        result = finished_results(_folder(wanted, name, study.seed), study, data_dir=wanted.data_dir)
        if result is None:
            left.append((name, study))
        else:
            done[name][study.seed] = result
    console.print(f"{len(asked)} studies, {len(asked) - len(left)} of them done; {wanted.jobs} processes.")
    with console.status(f"{len(left)} studies to go; look half-way at {wanted.folder / FILE}"):
        running = joblib.Parallel(n_jobs=wanted.jobs, return_as="generator_unordered")(
            joblib.delayed(_run)(wanted, name, study) for name, study in left
        )
        for number, (name, result) in enumerate(running, 1):
            done[name][result.seed] = result
            _write(wanted, summary_of(grid, wanted, done))
            console.print(f"{name}, seed {result['seed']} is done ({number} of {len(left)}).")
    summary = summary_of(grid, wanted, done)
    _write(wanted, summary)
    return summary


def _lenders_first(asked: list[tuple[str, StudySettings]]) -> list[tuple[str, StudySettings]]:
    """The first study with each classifier before feedback, and then the others."""
    starts = [_chosen(study, START) for _, study in asked]
    borrows = [start in starts[:place] for place, start in enumerate(starts)]
    return [each for last in (False, True) for each, late in zip(asked, borrows, strict=True) if late is last]


def _folder(wanted: GridSettings, name: str, seed: int) -> Path:
    return wanted.folder / name / f"seed-{seed}"


def _run(wanted: GridSettings, name: str, study: StudySettings) -> tuple[str, StudyResults]:
    folder = _folder(wanted, name, study.seed)
    with locked(folder):
        Study.open(folder, study, data_dir=wanted.data_dir)
        if not first_classifier(folder).is_file():
            for files, decided_by in BORROWED.items():
                _borrow(folder, study, files, decided_by)
    return name, run_study(folder, study, data_dir=wanted.data_dir)


def _borrow(folder: Path, study: StudySettings, files: Sequence[str], decided_by: Sequence[str]) -> None:
    """Copy `files` from a finished study of the same data that has them and agrees in what decides them."""
    for other in sorted(folder.parents[1].glob(f"*/{folder.name}")):
        alike = _agree(other, study, decided_by) and same_data(other, folder)
        if alike and all((other / file).is_file() for file in files):
            for file in files:
                write_whole(folder / file, partial(shutil.copyfile, other / file))
            return


def _agree(folder: Path, study: StudySettings, names: Sequence[str]) -> bool:
    """Whether a finished study lies there, in settings that can be read, that has these settings as `study` has."""
    try:
        return (folder / RESULTS).is_file() and _chosen(read_settings(folder / SETTINGS), names) == _chosen(
            study, names
        )
    except InputError:
        return False


def _chosen(study: StudySettings, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in as_plain(study).items() if name in names}


def summary_of(grid: Grid, wanted: GridSettings, done: Mapping[str, Mapping[int, StudyResults]]) -> dict[str, Any]:
    """What is known so far, cell by cell, and the contrasts, corrected for all of them together."""
    cells = {}
    for name, results in done.items():
        if results:
            found = summarise([results[seed] for seed in sorted(results)], grid.cells[name])
            found.pop("settings")
            cells[name] = {"command": sweep_command(grid.cells[name], wanted, name)} | found
    environments = [cell.pop("environment") for cell in cells.values()]
    return {
        "seeds": list(wanted.all_seeds),
        "environment": reduce(both, environments) if environments else None,
        "cells": cells,
        "contrasts": [
            {"cell": cell} | asdict(each) | {"by_seed": list(each.by_seed), "is_one": each.is_one}
            for cell, each in _contrasts(grid, wanted, done)
        ],
    }


def _contrasts(
    grid: Grid, wanted: GridSettings, done: Mapping[str, Mapping[int, StudyResults]]
) -> list[tuple[str, Contrast]]:
    """Of each cell against its own arms, or of the reference against the other cells, over the seeds that both have."""
    found: list[tuple[str, Contrast]] = []
    for name, results in done.items() if grid.against_arms else ():
        arms = evaluations_of({_folder(wanted, name, seed): results[seed] for seed in sorted(results)})
        found += [(name, each) for each in contrast_arms(arms.pop("feedback"), arms, grid.measures)] if arms else []
    if grid.reference is not None:
        for name in grid.cells:
            shared = sorted(done[grid.reference].keys() & done[name].keys())
            if name != grid.reference and shared:
                here, there = (
                    [feedback_of(_folder(wanted, cell, seed)) for seed in shared] for cell in (grid.reference, name)
                )
                found += [(grid.reference, each) for each in contrast_arms(here, {name: there}, grid.measures)]
    return list(zip((cell for cell, _ in found), corrected([each for _, each in found]), strict=True))


def sweep_command(settings: StudySettings, wanted: GridSettings, name: str) -> str:
    """What to type to rerun one cell alone."""
    words = shlex.split(command_line(replace(settings, seed=StudySettings().seed)))
    where = [
        "--folder",
        str(wanted.folder / name),
        "--first-seed",
        str(wanted.first_seed),
        "--seeds",
        str(wanted.seeds),
    ]
    return shlex.join(["explainfb", "sweep", *where, *words[2:]])


def _write(wanted: GridSettings, summary: dict[str, Any]) -> None:
    text = json.dumps(summary, indent=1) + "\n"
    wanted.folder.mkdir(parents=True, exist_ok=True)
    write_whole(wanted.folder / FILE, lambda partial: partial.write_text(text, encoding="utf-8"))
