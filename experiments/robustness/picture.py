"""The figure: robust accuracy against the size of the attack, a row for each start and set of images."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

STROKES: dict[str, tuple[str, str, str, float]] = {
    "before": ("#777777", "p", "-", 1.8),
    "cross_entropy": ("#e69f00", "^", "--", 1.0),
    "random_exchange": ("#cc79a7", "v", "--", 1.0),
    "random_answers": ("#882255", "<", ":", 1.2),
    "wrong_masks": ("#8c564b", "X", "-.", 1.0),
    "oracle_reward": ("#56b4e9", "*", "--", 1.0),
    "rrr": ("#009e73", "P", "--", 1.2),
    "input_gradient": ("#332288", ">", ":", 1.2),
    "adversarial_training": ("#d55e00", "D", "-.", 1.2),
    "feedback": ("#0072b2", "o", "-", 2.2),
    "ceiling": ("#000000", "s", ":", 1.4),
}
"""Colour, marker, dashes and width; no two arms share a colour or a marker."""
OTHER = ("#bbbbbb", "h", "-.", 1.0)
SIGNS = {"linf": "L∞ ε", "l2": "L2 ε"}


def draw(summary: list[dict[str, Any]], path: Path) -> None:
    """Means over seeds with 95 % intervals; a marker is open where an honesty check failed on some seed."""
    rows = list(dict.fromkeys((row["start"], row["images"]) for row in summary))
    with mpl.rc_context(
        {"font.size": 8.5, "svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans"], "svg.hashsalt": "robustness"}
    ):
        figure = Figure(figsize=(8.4, 2.3 * len(rows) + 0.7), layout="constrained")
        grid = figure.subplots(len(rows), len(SIGNS), sharey=True, squeeze=False)
        for line, (start, images) in zip(grid, rows, strict=True):
            for axes, norm in zip(line, SIGNS, strict=True):
                for row in summary:
                    if (row["start"], row["images"], row["norm"]) == (start, images, norm):
                        curve(axes, row)
                axes.set(xlabel=SIGNS[norm], xlim=(0, None), ylim=(0, 1.02))
                axes.set_title(f"{start}, {images} images", loc="left", fontsize=9)
            line[0].set_ylabel("accuracy")
        handles = {
            line.get_label(): line for axes in grid.flat for line in axes.get_lines() if line.get_label()[0] != "_"
        }
        names = [name for name in STROKES if name in handles] + [name for name in handles if name not in STROKES]
        hollow = Line2D([], [], color="#555555", marker="o", markerfacecolor="white", linestyle="none")
        figure.legend(
            [*(handles[name] for name in names), hollow],
            [*(name.replace("_", " ") for name in names), "open: an honesty check failed"],
            loc="outside upper center",
            ncols=4,
            frameon=False,
            handlelength=3.4,
        )
        figure.savefig(path, metadata={"Date": None})


def curve(axes: Axes, row: dict[str, Any]) -> None:
    colour, marker, dashes, width = STROKES.get(row["arm"], OTHER)
    x, y = row["epsilons"], [point["mean"] for point in row["accuracy"]]
    half = [point["half"] or 0.0 for point in row["accuracy"]]
    low, high = ([min(1.0, max(0.0, a + sign * b)) for a, b in zip(y, half, strict=True)] for sign in (-1, 1))
    axes.fill_between(x, low, high, color=colour, alpha=0.09, linewidth=0)
    style = {
        "color": colour,
        "linewidth": width,
        "linestyle": dashes,
        "marker": marker,
        "markersize": 4.5,
        "zorder": 4 - width,
    }
    axes.plot(x, y, label=row["arm"], **style)
    open_x = [place for place, flagged in zip(x, row["flagged"], strict=True) if flagged]
    open_y = [place for place, flagged in zip(y, row["flagged"], strict=True) if flagged]
    axes.plot(open_x, open_y, marker, color=colour, markerfacecolor="white", markersize=4.5, zorder=4 - width)
    axes.plot(open_x, open_y, marker, color=colour, markerfacecolor="none", markersize=4.5, zorder=5)  # over other arms
    axes.spines[["top", "right"]].set_visible(False)
