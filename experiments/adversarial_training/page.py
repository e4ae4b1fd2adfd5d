"""The tables and the figure of feedback on top of adversarial training."""

from pathlib import Path

from experiments.grids import COLUMNS, LINF_2, all_tables, arms
from experiments.page import Page
from explainfb.sweeps.figures import arms_figure
from explainfb.sweeps.summary_file import read_summary
from explainfb.sweeps.tables import Row, table


def page_of(path: Path) -> Page:
    """Of a results.json."""
    summary = read_summary(path)
    tables = {}
    for task in ("mnist", "digits"):
        rows = [
            *arms(task, "before", "adversarial_training", "random_exchange"),
            *arms(f"{task}-pixel-masks", "rrr"),
            Row("feedback", task),
        ]
        tables[task] = table(summary, rows, (*COLUMNS[:-1], LINF_2, COLUMNS[-1]))
    return Page(tables, arms_figure(summary), all_tables(summary))
