"""What the grids of studies among the experiments share: running one, and tables over its cells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.page import Page, label, rows, write_page
from explainfb.core.types import ThreatModel
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.explanations.settings import LimeSettings
from explainfb.results.measures import CLEAN, ECE, SHIFTED, Measure, robust_accuracy_under
from explainfb.results.records import FEEDBACK
from explainfb.study.settings import StudySettings
from explainfb.sweeps.runner import run_grid
from explainfb.sweeps.settings import Grid, GridSettings
from explainfb.sweeps.summary import GridSummary
from explainfb.sweeps.summary_file import write_summary
from explainfb.sweeps.tables import Row, contrast_table, is_unreliable, number, rows_of, table, value_of

LINF_05, LINF_1, LINF_2 = (robust_accuracy_under(ThreatModel("linf", epsilon)) for epsilon in (0.05, 0.1, 0.2))
L2_1 = robust_accuracy_under(ThreatModel("l2", 1.0))
COLUMNS = (CLEAN, SHIFTED, ECE, LINF_05, LINF_1, L2_1)
"""Of a README's table unless others are named."""

EXPLAINED = LimeSettings(n_samples=256, sampling="kernelshap")
"""How the studies explained from which the results come; today's default, more precise, would be another study."""


def as_measured(**settings: Any) -> StudySettings:
    """Settings of a study that explains as those did."""
    found = StudySettings(**{"lime": EXPLAINED, **settings})
    return replace(found, evaluation=measured_as_then(found.evaluation))


def measured_as_then(evaluation: EvaluationSettings) -> EvaluationSettings:
    """The same, with test images explained as those did."""
    return replace(evaluation, lime=replace(evaluation.lime, sampling="kernelshap"))


def run(grid: Grid, wanted: GridSettings, page_of: Callable[[Path], Page]) -> None:
    """Run what is not done of the grid; results.json, tables.md and figure.png are written to its folder."""
    summary = run_grid(grid, wanted, Console())
    write_summary(summary, wanted.folder / "results.json")
    write_page(page_of(wanted.folder / "results.json"), wanted.folder)


def all_tables(summary: GridSummary) -> dict[str, str]:
    """Every arm and every test of every cell."""
    found = {}
    for cell, measured in summary.cells.items():
        found[f"{cell}: arms"] = table(summary, rows_of(summary, cell))
        if measured.contrasts:
            found[f"{cell}: tests"] = contrast_table(summary, cell)
    return found


def arms(cell: str, *names: str) -> list[Row]:
    """Rows of a cell's arms."""
    return [Row(label(name), cell, name) for name in names]


def across(summary: GridSummary, cells: Mapping[str, str], names: Sequence[str], measure: Measure) -> str:
    """One line a cell, by what a reader calls it, and a column an arm: one measure of them, of the cells there are."""
    heading = [f"**{label(name)}**" if name == FEEDBACK else label(name) for name in names]
    known = {called: cell for called, cell in cells.items() if cell in summary.cells}
    lines = [
        [called, *(written(summary, Row("", cell, name), measure) for name in names)] for called, cell in known.items()
    ]
    return rows(["", *heading], lines)


def written(summary: GridSummary, row: Row, measure: Measure) -> str:
    """Mean ± half the 95 % t-interval over seeds, with a star where a sanity check failed on some seed."""
    value = value_of(summary, row, measure)
    if value is None:
        return "–"
    half = "" if value.half is None else f" ± {number(value.half)}"
    return number(value.mean) + half + "\\*" * is_unreliable(summary, row, measure)


def only(summary: GridSummary, *cells: str) -> GridSummary:
    """A summary of these cells alone, of those that are there."""
    return replace(summary, cells={name: cell for name, cell in summary.cells.items() if name in cells})
