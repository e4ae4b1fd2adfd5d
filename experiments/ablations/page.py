"""The tables and the figure of the ablations."""

from pathlib import Path

from experiments.grids import LINF_05, LINF_1, all_tables
from experiments.page import Page
from explainfb.results.measures import ECE, SHIFTED
from explainfb.sweeps.figures import differences_figure
from explainfb.sweeps.summary import GridSummary
from explainfb.sweeps.summary_file import read_summary
from explainfb.sweeps.tables import Row, table

BASE, AT_ONCE = "as-it-is", "no-online-rounds"
SETS = {"1,000 answers": "", "250 answers": "250-answers-", "explanations": "explanations-"}
"""What was run together, and how its cells' names begin in the one file that has them all."""


def page_of(path: Path) -> Page:
    """Of a results.json: this folder's, or one of one set that was just run."""
    summary = read_summary(path)
    first = rows_of_set(summary, "")
    tables = {
        name: table(summary, rows, (SHIFTED, ECE, LINF_05, LINF_1))
        for name, prefix in SETS.items()
        if (rows := rows_of_set(summary, prefix))
    }
    return Page(tables, differences_figure(summary, first, Row(BASE.replace("-", " "), BASE)), all_tables(summary))


def rows_of_set(summary: GridSummary, prefix: str) -> list[Row]:
    """Feedback of every cell of the set."""
    others = tuple(other for other in SETS.values() if other and other != prefix)
    cells = [name for name in summary.cells if name.startswith(prefix) and not name.startswith(others)]
    return [Row(name.removeprefix(prefix).replace("-", " "), name) for name in cells]
