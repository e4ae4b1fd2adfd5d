"""Studies over several seeds: a grid of named cells of settings, or a sweep, which is a grid with one cell.

    grid = Grid(cells={"250 answers": StudySettings(comparisons_per_round=63), "1,000 answers": StudySettings()})
    summary = run_grid(grid, GridSettings(folder=Path("studies/answers")), Console())

Every cell of a grid is a sweep's folder of studies, so that `explainfb sweep` with the cell's command reruns it, alone
and to the same numbers. grid.json, or sweep.json, is written anew after every study that ends, so that it can be read
half-way.
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import reduce
from pathlib import Path

from rich.console import Console

from explainfb.core.environment import merge_environments
from explainfb.core.errors import InputError
from explainfb.results.records import StudyResults
from explainfb.study.finished import finished_results
from explainfb.study.settings import StudySettings, as_plain, command_line, flatten
from explainfb.sweeps.contrasts import Studies, grid_contrasts
from explainfb.sweeps.processes import run_studies
from explainfb.sweeps.settings import MEASURES, Grid, GridSettings, SweepSettings
from explainfb.sweeps.summary import CellSummary, GridSummary, summarise
from explainfb.sweeps.summary_file import write_summary

__all__ = ["MEASURES", "Grid", "GridSettings", "SweepSettings", "run_grid", "sweep", "sweep_command"]


def sweep(wanted: SweepSettings, settings: StudySettings, console: Console) -> GridSummary:
    """Run the study on every seed, as far as it is not done; returns what sweep.json holds.

    Raises `InputError` for settings that name a seed or controls, which are the sweep's.
    """
    if settings.seed != StudySettings().seed or settings.controls != StudySettings().controls:
        raise InputError("A sweep's seeds are given by --first-seed and --seeds, its arms by --controls.")
    arms = f"arms beside feedback: {', '.join(wanted.controls) or 'none'}"
    _say(console, f"Sweep in {wanted.folder}: {_seeds(wanted)}; {arms}; processes: {wanted.jobs}.")
    grid = Grid(cells={settings.task: replace(settings, controls=wanted.controls)}, measures=None)
    return _run(grid, {settings.task: wanted.folder}, wanted, console)


def run_grid(grid: Grid, wanted: GridSettings, console: Console) -> GridSummary:
    """Run every cell on every seed, as far as it is not done; returns what grid.json holds.

    >>> from dataclasses import replace
    >>> from pathlib import Path
    >>> from rich.console import Console
    >>> from explainfb import Grid, GridSettings, run_grid
    >>> from explainfb.testing.tiny import TINY  # settings so small that this takes seconds
    >>> grid = Grid(cells={"tiny": replace(TINY, rounds=1, controls=())})
    >>> summary = run_grid(grid, GridSettings(folder=Path("studies/tiny"), seeds=1, jobs=1), Console(quiet=True))
    >>> list(summary.cells), summary.seeds
    (['tiny'], (11,))
    """
    cells = ", ".join(grid.cells)
    _say(console, f"Grid in {wanted.folder}: {_seeds(wanted)}; cells: {cells}; processes: {wanted.jobs}.")
    return _run(grid, {name: wanted.folder / name for name in grid.cells}, wanted, console)


def _run(grid: Grid, folders: Mapping[str, Path], wanted: GridSettings, console: Console) -> GridSummary:
    """`folders` of the cells; in each, one study a seed."""
    # seed by seed, so that half-way all cells have much the same seeds and can be compared
    studies = {
        folders[name] / f"seed-{seed}": replace(cell, seed=seed)
        for seed in wanted.all_seeds
        for name, cell in grid.cells.items()
    }
    done = _finished(studies, wanted)
    # nothing is written before there is something: a mistyped command must not empty an earlier summary
    summary = _keep(grid, folders, wanted, done) if done else None
    with console.status(f"{len(studies) - len(done)} studies to go; half-way results are in {wanted.path}"):
        for group in _groups(studies, wanted):
            for folder, results in run_studies(group, wanted, done=frozenset(done)):
                done[folder] = results
                summary = _keep(grid, folders, wanted, done)
                _say(console, f"{folder.relative_to(wanted.folder)} is done ({len(done)} of {len(studies)}).")
    assert summary is not None
    return summary


def _groups(studies: Mapping[Path, StudySettings], wanted: GridSettings) -> Iterator[dict[Path, StudySettings]]:
    """Studies of a few seeds at a time, as many as keep every process busy.

    Within a group all feedback comes first, so that in one group of all nothing would be finished before half of the
    work is done. Studies of different seeds have nothing to share.
    """
    cells = max(1, len(studies) // len(wanted.all_seeds))
    size = cells * max(1, -(-wanted.jobs // cells))
    items = list(studies.items())
    for start in range(0, len(items), size):
        yield dict(items[start : start + size])


def _finished(studies: Mapping[Path, StudySettings], wanted: GridSettings) -> dict[Path, StudyResults]:
    found = {
        folder: finished_results(folder, settings, data_dir=wanted.data_dir) for folder, settings in studies.items()
    }
    return {folder: results for folder, results in found.items() if results is not None}


def _keep(
    grid: Grid, folders: Mapping[str, Path], wanted: GridSettings, done: Mapping[Path, StudyResults]
) -> GridSummary:
    """Write what is known so far; returns it."""
    by_seed = sorted(done.items(), key=lambda ended: ended[1].seed)
    found = {
        name: {folder: results for folder, results in by_seed if folder.parent == place}
        for name, place in folders.items()
    }
    summary = _summary_of(grid, folders, wanted, {name: studies for name, studies in found.items() if studies})
    write_summary(summary, wanted.path)
    return summary


def _summary_of(grid: Grid, folders: Mapping[str, Path], wanted: GridSettings, done: Studies) -> GridSummary:
    contrasts = grid_contrasts(grid, done)
    environments = [results.environment for studies in done.values() for results in studies.values()]
    cells: dict[str, CellSummary] = {
        name: summarise(
            list(studies.values()),
            command=sweep_command(grid.cells[name], wanted, folders[name]),
            settings=_all_but_seed(grid.cells[name]),
            contrasts=contrasts[name],
        )
        for name, studies in done.items()
    }
    return GridSummary(tuple(wanted.all_seeds), reduce(merge_environments, environments, {}), cells)


def _all_but_seed(settings: StudySettings) -> dict[str, object]:
    return {name: value for name, value in flatten(as_plain(settings)).items() if name != "seed"}


def sweep_command(settings: StudySettings, wanted: GridSettings, folder: Path) -> str:
    """What to type to rerun the cell of these settings in `folder` alone."""
    words = shlex.split(command_line(replace(settings, seed=StudySettings().seed)))
    seeds = ["--first-seed", str(wanted.first_seed), "--seeds", str(wanted.seeds)]
    return shlex.join(["explainfb", "sweep", "--folder", str(folder), *seeds, *words[2:]])


def _seeds(wanted: GridSettings) -> str:
    return "seeds " + ", ".join(map(str, wanted.all_seeds))


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
