"""The tables and the figure of classifiers without a shortcut."""

from pathlib import Path

from experiments.grids import L2_1, LINF_05, LINF_1, all_tables, arms
from experiments.page import Page
from explainfb.results.measures import CLEAN, ECE
from explainfb.sweeps.figures import arms_figure
from explainfb.sweeps.summary_file import read_summary
from explainfb.sweeps.tables import Row, table

COLUMNS = (CLEAN, ECE, LINF_05, LINF_1, L2_1)
AS_IT_IS, PENALTY = "digits-as-it-is", "digits-gradient-penalty"
BESIDE = ("before", "cross_entropy", "random_exchange", "rrr", "adversarial_training")


def page_of(path: Path) -> Page:
    """Of a results.json."""
    summary = read_summary(path)
    ten = [
        *arms(AS_IT_IS, "before", "cross_entropy", "random_exchange"),
        Row("… with the gradient penalty", PENALTY, "random_exchange"),
        *arms(AS_IT_IS, "rrr"),
        Row("feedback", AS_IT_IS),
        Row("… with the gradient penalty, γ .01538", PENALTY),
    ]
    tables = {"digits, ten seeds": table(summary, ten, COLUMNS)}
    for task in ("mnist", "digits"):
        cell = f"{task}-seeds-11-to-15"
        tables[f"{task}, five seeds"] = table(summary, [*arms(cell, *BESIDE), Row("feedback", cell)], COLUMNS)
    panels = (CLEAN, LINF_1, ECE)
    return Page(tables, arms_figure(summary, panels), all_tables(summary))
