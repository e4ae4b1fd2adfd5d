"""The tables and the figure of feedback beside what one sentence can do."""

from pathlib import Path

from experiments.grids import COLUMNS, all_tables, arms
from experiments.page import Page
from explainfb.sweeps.figures import arms_figure
from explainfb.sweeps.summary_file import read_summary
from explainfb.sweeps.tables import Row, table

TASKS = ("mnist", "digits")


def page_of(path: Path) -> Page:
    """Of a results.json."""
    summary = read_summary(path)
    there = [task for task in TASKS if f"{task}-as-it-is" in summary.cells]
    tables = {task: table(summary, rows_of_task(task), COLUMNS) for task in there}
    return Page(tables, arms_figure(summary), all_tables(summary))


def rows_of_task(task: str) -> list[Row]:
    """Those that ask nobody, those that are told where to look, feedback, and those that never saw the shortcut."""
    as_it_is, penalty = f"{task}-as-it-is", f"{task}-gradient-penalty"
    return [
        *arms(as_it_is, "before", "random_exchange", "cutout", "constant_map"),
        Row("… with the gradient penalty", penalty, "constant_map"),
        *arms(as_it_is, "rrr"),
        Row("feedback", as_it_is),
        Row("… with the gradient penalty, γ .01538", penalty),
        *arms(as_it_is, "no_shortcut_cutout", "no_shortcut"),
    ]
