"""The tables and the figure of feedback where the shortcut lies elsewhere in each image."""

from pathlib import Path

from experiments.grids import across, all_tables, arms, only
from experiments.page import Page
from explainfb.results.measures import CLEAN, ECE, SHIFTED, WORST_GROUP
from explainfb.results.records import FEEDBACK
from explainfb.sweeps.figures import arms_figure
from explainfb.sweeps.summary_file import read_summary
from explainfb.sweeps.tables import Row, table

COLUMNS = (CLEAN, SHIFTED, WORST_GROUP, ECE)
TASKS = {
    "`ring`: beside the digit": "ring",
    "`two`: there and on the frame": "two",
    "`stripe`: across the digit": "stripe",
    "`texture`: behind it": "texture",
    "`frame`: at one place": "frame",
    "`ring-95`: beside it, in 95 %": "ring-95",
}
"""Where the shortcut lies, by cell."""
ASK_NOBODY, TOLD = ("before", "random_exchange", "cutout", "constant_map"), ("oracle_reward", "rrr", "no_shortcut")
COMPARED = (*ASK_NOBODY, FEEDBACK, *TOLD)
OTHERWISE = {
    "two superpixels, the classifier's features": "ring",
    "the same with 252 answers": "ring-250",
    "whole explanations, the classifier's features": "ring-whole-explanations",
    "two superpixels, pixels": "ring-pixels",
    "whole explanations, pixels": "ring-neither",
}
"""What is compared and what the reward reads, by cell."""


def page_of(path: Path) -> Page:
    """Of a results.json."""
    summary = read_summary(path)
    tables = {
        "shifted": across(summary, TASKS, COMPARED, SHIFTED),
        "clean": across(summary, TASKS, COMPARED, CLEAN),
        "calibration": across(summary, TASKS, COMPARED, ECE),
    }
    if "ring-95" in summary.cells:
        tables["ring-95"] = table(summary, groups_told_apart(), COLUMNS)
    otherwise = [Row(called, cell) for called, cell in OTHERWISE.items() if cell in summary.cells]
    if len(otherwise) > 1:
        tables["halves"] = table(summary, otherwise, COLUMNS)
    tasks = only(summary, *TASKS.values())
    drawn = tasks if tasks.cells else summary
    return Page(tables, arms_figure(drawn, (SHIFTED, ECE)), all_tables(summary))


def groups_told_apart() -> list[Row]:
    """Of `ring-95`: what counting the images without the shortcut for more comes to, beside feedback."""
    cell = "ring-95"
    return [
        *arms(cell, "before", "jtt", "group_dro", "dfr"),
        Row("feedback", cell),
        *arms(cell, "oracle_reward", "rrr", "no_shortcut"),
    ]
