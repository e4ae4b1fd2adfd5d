"""The tables and the figure of feedback beside what one sentence can do."""

from pathlib import Path

from experiments.grids import LINF_1, all_tables, arms
from experiments.page import Page
from explainfb.results.measures import CLEAN, ECE, SHIFTED, WORST_GROUP
from explainfb.sweeps.figures import arms_figure
from explainfb.sweeps.summary_file import read_summary
from explainfb.sweeps.tables import Row, table

CELLS = ("frame", "ring")
COLUMNS = (CLEAN, SHIFTED, WORST_GROUP, ECE, LINF_1)


def page_of(path: Path) -> Page:
    """Of a results.json."""
    summary = read_summary(path)
    tables = {cell: table(summary, rows_of_cell(cell), COLUMNS) for cell in CELLS}
    return Page(tables, arms_figure(summary), all_tables(summary))


def rows_of_cell(cell: str) -> list[Row]:
    """Those that ask nobody, those that are told where to look, feedback, and those that never saw the shortcut."""
    return [
        *arms(cell, "before", "random_exchange", "cutout", "constant_map", "oracle_reward", "rrr"),
        Row("feedback", cell),
        *(
            [
                Row("one map for all, with the gradient penalty", "frame-gradient-penalty", "constant_map"),
                Row("feedback, with the gradient penalty", "frame-gradient-penalty"),
            ]
            if cell == "frame"
            else []
        ),
        *arms(cell, "no_shortcut_cutout", "no_shortcut"),
    ]
