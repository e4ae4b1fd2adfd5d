"""The tables and the figure of feedback beside pixel masks."""

from pathlib import Path

from experiments.grids import COLUMNS, all_tables, arms
from experiments.page import Page
from explainfb.sweeps.figures import arms_figure
from explainfb.sweeps.summary_file import read_summary
from explainfb.sweeps.tables import Row, table

STRENGTHS = {"mnist": ("1.538", "1.538"), "digits": ("15.38", ".1538")}
"""λ of pixel masks, without and with adversarial images."""


def page_of(path: Path) -> Page:
    """Of a results.json."""
    summary = read_summary(path)
    tables = {task: table(summary, rows_of_task(task), COLUMNS) for task in STRENGTHS}
    return Page(tables, arms_figure(summary), all_tables(summary))


def rows_of_task(task: str) -> list[Row]:
    """Each arm as it is, with the gradient penalty, and on adversarial images."""
    as_it_is, penalty, adversarial = (
        f"{task}-{name}" for name in ("as-it-is", "gradient-penalty", "adversarial-images")
    )
    plain, attacked = STRENGTHS[task]
    return [
        *arms(as_it_is, "before", "random_exchange"),
        Row("… with the gradient penalty", penalty, "random_exchange"),
        Row("… on adversarial images", adversarial, "random_exchange"),
        Row(f"pixel masks (RRR), λ {plain}", as_it_is, "rrr"),
        Row(f"… on adversarial images, λ {attacked}", adversarial, "rrr"),
        Row("feedback", as_it_is),
        Row("… with the gradient penalty, γ .01538", penalty),
        Row("… on adversarial images", adversarial),
        *arms(as_it_is, "no_shortcut"),
    ]
