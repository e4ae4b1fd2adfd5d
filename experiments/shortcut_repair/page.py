"""The tables and the figure of shortcut repair."""

from pathlib import Path

from experiments.grids import COLUMNS, LINF_1, across, all_tables, arms, only
from experiments.page import Page
from explainfb.results.measures import ECE, SHIFTED
from explainfb.sweeps.figures import arms_figure
from explainfb.sweeps.summary_file import read_summary
from explainfb.sweeps.tables import Row, table

FIRST = "mnist-position-lenet"
CELLS = {
    f"{called}, {kind}, {network_called}": f"{task}-{kind}-{network}"
    for called, task in (("MNIST", "mnist"), ("digits", "digits"), ("Fashion-MNIST", "fashion-mnist"))
    for kind, network_called, network in (
        ("position", "LeNet", "lenet"),
        ("position", "MLP", "mlp"),
        ("grey", "MLP", "mlp"),
        ("grey", "LeNet", "lenet"),
    )
} | {"Fashion-MNIST, position, LeNet, 480 steps a round": "fashion-mnist-position-lenet-480-steps"}
"""By what a reader calls them."""
ARMS = ("before", "random_exchange", "rrr", "adversarial_training", "oracle_reward", "feedback", "no_shortcut")
DRAWN = (FIRST, "digits-position-lenet", "fashion-mnist-position-lenet", "mnist-grey-mlp")


def page_of(path: Path) -> Page:
    """Of a results.json."""
    summary = read_summary(path)
    first = [
        *arms(FIRST, "before", "cross_entropy", "input_gradient", "adversarial_training", "random_exchange"),
        *arms(FIRST, "random_answers", "wrong_masks"),
        Row("random answers, followed all the same", f"{FIRST}-coin-followed", "random_answers"),
        *arms(FIRST, "oracle_reward", "rrr"),
        Row("pixel masks, λ tuned", f"{FIRST}-tuned-rrr", "rrr"),
        Row("feedback", FIRST),
        *arms(FIRST, "no_shortcut"),
    ]
    tables = {
        "MNIST, position, LeNet": table(summary, first, COLUMNS),
        "shifted accuracy": across(summary, CELLS, ARMS, SHIFTED),
        "L∞ .1": across(summary, CELLS, ARMS, LINF_1),
        "calibration error": across(summary, CELLS, ARMS, ECE),
    }
    drawn = only(summary, *DRAWN)
    return Page(tables, arms_figure(drawn if drawn.cells else summary), all_tables(summary))
