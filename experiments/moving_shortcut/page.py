"""The tables and the figure of feedback where the shortcut lies elsewhere in each image."""

from pathlib import Path

from experiments.grids import all_tables, arms
from experiments.page import Page
from explainfb.results.measures import CLEAN, ECE, SHIFTED, WORST_GROUP
from explainfb.sweeps.figures import arms_figure
from explainfb.sweeps.summary_file import read_summary
from explainfb.sweeps.tables import Row, table

COLUMNS = (CLEAN, SHIFTED, WORST_GROUP, ECE)
OTHERWISE = {
    "two superpixels, the classifier's features": "ring",
    "whole explanations, the classifier's features": "ring-whole-explanations",
    "two superpixels, pixels": "ring-pixels",
    "whole explanations, pixels": "ring-neither",
}
"""What is compared and what the reward reads, by cell."""


def page_of(path: Path) -> Page:
    """Of a results.json."""
    summary = read_summary(path)
    tables = {cell: table(summary, rows_of_cell(cell), COLUMNS) for cell in ("ring", "two") if cell in summary.cells}
    otherwise = [Row(called, cell) for called, cell in OTHERWISE.items() if cell in summary.cells]
    if len(otherwise) > 1:
        tables["halves"] = table(summary, otherwise, COLUMNS)
    return Page(tables, arms_figure(summary), all_tables(summary))


def rows_of_cell(cell: str) -> list[Row]:
    """Those that ask nobody, feedback, those that are told where to look, and the one that never saw the shortcut."""
    every = cell == "ring"
    return [
        *arms(cell, "before", "random_exchange", *["cutout"] * every, "constant_map"),
        Row("feedback", cell),
        *arms(cell, "oracle_reward", *["rrr"] * every, "no_shortcut"),
    ]
