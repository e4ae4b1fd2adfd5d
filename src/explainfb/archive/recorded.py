"""What a file of results says of one study: its command, its settings, and the numbers of its arms."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from explainfb.core.errors import InputError
from explainfb.core.files import read_json
from explainfb.results.json_file import read_results
from explainfb.results.measures import MEASURES, robust_accuracy_under
from explainfb.results.records import ArmResult, StudyResults
from explainfb.sweeps.summary import ArmSummary, CellSummary
from explainfb.sweeps.summary_file import read_summary

Numbers = Mapping[str, float]
"""By the key of a measure, such as `shifted_accuracy`."""


@dataclass(frozen=True)
class Recorded:
    """One study, as a results.json, sweep.json or grid.json tells of it."""

    command: str
    """Empty where an old file does not say."""
    settings: Mapping[str, object]
    """Every setting as run, by its dotted name; empty where an old file does not say."""
    seed: int
    environment: Mapping[str, str]
    arms: Mapping[str, Numbers]
    """What was measured, by the name of the arm."""


def read_recorded(path: Path, *, cell: str | None = None, seed: int | None = None) -> Recorded:
    """One study of the file `path`: of a grid the one of this `cell` and `seed`, the first without.

    Raises `InputError` for a file that has no such study, and says which there are.
    """
    if _is_grid(path):
        summary = read_summary(path)
        name = next(iter(summary.cells), "") if cell is None else cell
        if name not in summary.cells:
            raise InputError(f"{path} has no cell {name!r}; give one of {', '.join(map(repr, summary.cells))}.")
        return _of_cell(path, summary.cells[name], summary.environment, seed)
    results = read_results(path)
    if cell is not None:
        raise InputError(f"{path} is of one study and has no cells; leave --cell out.")
    if seed not in (None, results.seed):
        raise InputError(f"{path} is of seed {results.seed}; found --seed {seed}.")
    return _of_study(results)


def _is_grid(path: Path) -> bool:
    try:
        return "seeds" in read_json(path)
    except (OSError, ValueError, TypeError):
        return False  # what it is instead is told by whoever reads results


def _of_study(results: StudyResults) -> Recorded:
    arms = {name: numbers_of(arm) for name, arm in results.arms.items()}
    return Recorded(results.command, results.settings, results.seed, results.environment, arms)


def numbers_of(arm: ArmResult) -> Numbers:
    """All that was measured on an arm."""
    measures = (*MEASURES, *(robust_accuracy_under(each.threat_model) for each in arm.robust_accuracy))
    return {each.key: found.estimate for each in measures if (found := arm.measured(each)) is not None}


def _of_cell(path: Path, cell: CellSummary, environment: Mapping[str, str], seed: int | None) -> Recorded:
    seed = cell.seeds[0] if seed is None else seed
    if seed not in cell.seeds:
        raise InputError(f"{path} has seeds {', '.join(map(str, cell.seeds))}; found --seed {seed}.")
    place = cell.seeds.index(seed)
    arms = {name: _of_seed(arm, place) for name, arm in cell.arms.items()}
    return Recorded(cell.command, cell.settings, seed, environment, arms)


def _of_seed(arm: ArmSummary, place: int) -> Numbers:
    # a measure that some seeds lack has fewer values than there are seeds, and nobody knows which
    most = max(len(each.values) for each in arm.measured.values())
    return {key: each.values[place] for key, each in arm.measured.items() if len(each.values) == most}
