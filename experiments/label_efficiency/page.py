"""The table and the figure of how many answers it takes."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.grids import LINF_1, all_tables, written
from experiments.page import Page, label, rows
from explainfb.results.measures import SHIFTED, Measure
from explainfb.results.records import FEEDBACK, StopReason
from explainfb.sweeps.summary import GridSummary
from explainfb.sweeps.summary_file import read_summary
from explainfb.sweeps.tables import Row, is_unreliable, number, value_of

SCHEDULE = {
    25: (1, 25),
    50: (2, 25),
    100: (4, 25),
    250: (4, 63),
    500: (4, 125),
    1000: (4, 250),
    2000: (4, 500),
    4000: (4, 1000),
}
"""Answers in all → rounds, and comparisons a round."""
BASE = "1000-answers"
PANELS = (SHIFTED, LINF_1)
MAIN = "10 % wrong, asked by disagreement"
WAYS: Mapping[str, tuple[str, str, str]] = {
    "": (MAIN, "#0072B2", "o"),
    "random": ("10 % wrong, asked at random", "#D55E00", "s"),
    "0-wrong": ("none wrong", "#009E73", "^"),
    "20-wrong": ("20 % wrong", "#CC79A7", "v"),
    "30-wrong": ("30 % wrong", "#999999", "*"),
    "40-wrong": ("40 % wrong", "#E69F00", "D"),
    "crowd": ("a crowd", "#56B4E9", "P"),
    "crowd-weighed": ("a crowd, weighed", "#000000", "X"),
}
"""How answers were given, by the end of a cell's name: what a reader calls it, colour and marker."""
STYLES = {name: (colour, marker) for name, colour, marker in WAYS.values()}
ASIDE = 1.11
"""Points at the same number of answers are drawn so much apart."""


def page_of(path: Path) -> Page:
    """Of a results.json."""
    summary = read_summary(path)
    return Page({"answers": answers_table(summary)}, figure(summary), all_tables(summary))


def answers_table(summary: GridSummary) -> str:
    """One line a cell: shifted accuracy seed by seed, means with 95 % t-intervals, and what was not followed."""
    ends = [Row(label(arm), BASE, arm) for arm in ("before", "random_exchange", "no_shortcut")]
    cells = [Row(name.replace("-", " "), name) for name in summary.cells]
    heading = ["", "shifted, seed by seed", "mean", "L∞ .1", "rounds not followed"]
    known = [row for row in (*ends[:2], *cells, ends[2]) if row.cell in summary.cells]
    return rows(heading, [_line(summary, row) for row in known])


def _line(summary: GridSummary, row: Row) -> list[str]:
    value = value_of(summary, row, SHIFTED)
    seeds = "–" if value is None else " ".join(map(number, value.values))
    means = [written(summary, row, measure) for measure in PANELS]
    return [row.label, seeds, *means, _not_followed(summary, row) if row.arm == FEEDBACK else ""]


def _not_followed(summary: GridSummary, row: Row) -> str:
    cell = summary.cells[row.cell]
    stopped = [each for each in cell.stopped if (each.arm, each.reason) == (FEEDBACK, StopReason.NOT_FOLLOWED)]
    all_rounds = SCHEDULE[int(row.cell.partition("-")[0])][0] * len(cell.seeds)
    return f"{len(stopped)} of {all_rounds}" if stopped else "none"


def figure(summary: GridSummary) -> Figure:
    """Accuracy over the number of answers: the usual way of answering as a line, the others beside it."""
    drawing = Figure(figsize=(10.2, 5), layout="constrained")
    lines = lines_of(summary.cells)
    aside = places_of(lines)
    for axis, measure in zip(drawing.subplots(1, len(PANELS), sharey=True), PANELS, strict=True):
        for name, points in lines.items():
            draw(axis, summary, name, [(aside[cell], cell) for _, cell in points], measure)
        for arm, dashes in (("before", ":"), ("random_exchange", "-."), ("no_shortcut", "--")):
            known = value_of(summary, Row("", BASE, arm), measure) if BASE in summary.cells else None
            if known is not None:
                axis.axhline(known.mean, color="#777777", linestyle=dashes, label=label(arm))
        axis.set_xscale("log")
        axis.set_xticks(list(SCHEDULE), [f"{size:,}" for size in SCHEDULE], fontsize=8)
        axis.minorticks_off()
        axis.set_xlabel("answers (side by side: the same number)")
        axis.set_title(measure.short, fontsize=10)
        axis.set_ylim(-0.01, 1.02)
        axis.grid(alpha=0.3)
    handles, names = drawing.axes[0].get_legend_handles_labels()
    handles.append(Line2D([], [], color="#555555", marker="o", markerfacecolor="white", linestyle="none"))
    names.append("hollow: a sanity check failed on some seed")
    drawing.legend(handles, names, fontsize=8, loc="outside lower center", ncols=4, frameon=False)
    return drawing


def lines_of(cells: Iterable[str]) -> dict[str, list[tuple[int, str]]]:
    """For each way of answering, (answers, cell) by number of answers."""
    found: dict[str, list[tuple[int, str]]] = {}
    for cell in cells:
        size, _, way = cell.partition("-answers")
        found.setdefault(WAYS[way.removeprefix("-")][0], []).append((int(size), cell))
    return {way: sorted(points) for way, points in found.items()}


def places_of(lines: Mapping[str, Sequence[tuple[int, str]]]) -> dict[str, float]:
    """Where each cell is drawn: the main line where it belongs, the others on either side of it."""
    beside: dict[int, list[str]] = {}
    found: dict[str, float] = {}
    for name, points in lines.items():
        for size, cell in points:
            found[cell] = size
            if name != MAIN:
                beside.setdefault(size, []).append(cell)
    for size, cells in beside.items():
        steps = [step for step in range(-(len(cells) // 2), len(cells) + 1) if step != 0]
        found |= {cell: size * ASIDE**step for cell, step in zip(cells, steps, strict=False)}
    return found


def draw(axis: Axes, summary: GridSummary, name: str, points: Sequence[tuple[float, str]], measure: Measure) -> None:
    """Means, and every seed as a small dot: seeds on which no round was followed lie far from the others. Hollow where
    a sanity check failed on some seed."""
    colour, marker = STYLES[name]
    means = []
    for place, cell in points:
        value = value_of(summary, Row(name, cell), measure)
        if value is None:
            continue
        means.append((place, value.mean))
        axis.plot([place] * len(value.values), value.values, ".", color=colour, markersize=3, alpha=0.7)
        if value.low is not None and value.high is not None:
            axis.vlines(place, max(value.low, 0), min(value.high, 1), color=colour, linewidth=0.8, alpha=0.7)
        face = "white" if is_unreliable(summary, Row(name, cell), measure) else colour
        axis.plot(place, value.mean, color=colour, marker=marker, markerfacecolor=face, markersize=6)
    axis.plot(*zip(*means, strict=True), color=colour, linewidth=1.2, zorder=1.5)
    axis.plot([], [], color=colour, marker=marker, label=name, linewidth=1.2)
