"""A grid's summary drawn: every arm of every cell, or what cells differ by from one of them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from explainfb.results.upgrade import DESCRIPTIONS
from explainfb.statistics.contrasts import half_width
from explainfb.sweeps.tables import LABELS, Row, is_doubtful, number, rows_of, value_of

PANELS = {
    "shifted_accuracy": "shifted accuracy",
    "linf 0.1": "accuracy under attack, L∞ .1",
    "ece": "ECE, lower is better",
}
"""What is drawn: keys of a sweep's summary, and what a reader calls them."""
LOGARITHMIC = ("ece",)
KINDS = {
    "before": ("#555555", "D"),
    "after": ("#0072B2", "o"),
    "ceiling": ("#009E73", "s"),
    "control": ("#D55E00", "^"),
    "other method": ("#CC79A7", "v"),
}
"""Colours of Okabe & Ito's palette, which colour-blind readers can tell apart, and markers."""
GOALS = ("after", "ceiling")
"""What other arms are seen beside."""
BREAK = 0.4
"""A gap between differences wider than this share of all that they span is left out of the axis."""


def kind_of(arm: str) -> str:
    """A key of `KINDS`."""
    return (
        arm
        if arm in KINDS
        else "other method"
        if arm in DESCRIPTIONS and DESCRIPTIONS[arm][2] == "reference"
        else "control"
    )


def arms_figure(summary: Mapping[str, Any], panels: Mapping[str, str] = PANELS) -> Figure:
    """A row of panels a cell, a line every arm: each seed as a tick, mean and 95 % t-interval over them; hollow where
    an honesty check failed on some seed. Before, feedback and the ceiling come first; dotted, the means of the two."""
    cells = {cell: sorted(rows_of(summary, cell), key=_order) for cell in summary["cells"]}
    heights = [0.75 + 0.19 * len(rows) for rows in cells.values()]
    drawing = Figure(figsize=(10.2, sum(heights) + 0.4), layout="constrained")
    grid = drawing.subplots(len(cells), len(panels), sharey="row", squeeze=False, height_ratios=heights)
    for line, (cell, rows) in zip(grid, cells.items(), strict=True):
        for axis, (key, title) in zip(line, panels.items(), strict=True):
            _scale(axis, summary, key)
            _arms(axis, summary, rows, key)
            axis.set_xlabel(title + (" (logarithmic)" if key in LOGARITHMIC else ""), fontsize=8)
        line[0].set_title(cell, loc="left", fontsize=9, fontweight="bold")
        _name_lines(line[0], rows)
    marks = _key("on some seed", [kind_of(row.arm) for rows in cells.values() for row in rows])
    drawing.legend(handles=marks, loc="outside lower center", ncols=len(marks), fontsize=7.5, frameon=False)
    return drawing


def _order(row: Row) -> int:
    return list(LABELS).index(row.arm) if row.arm in LABELS else len(LABELS)


def _scale(axis: Axes, summary: Mapping[str, Any], key: str) -> None:
    """The same in every cell."""
    axis.set_xlim(-0.02, 1.02)
    if key in LOGARITHMIC:
        known = [
            arm[key]["values"] for cell in summary["cells"].values() for arm in cell["arms"].values() if key in arm
        ]
        least = min((value for values in known for value in values if value > 0), default=0.01) / 1.5
        ticks = [tick for tick in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1) if tick >= least]
        axis.set_xscale("log")
        axis.set_xlim(least, 1)
        axis.set_xticks(ticks, [f"{tick:g}".lstrip("0") for tick in ticks])
        axis.minorticks_off()


def _arms(axis: Axes, summary: Mapping[str, Any], rows: Sequence[Row], key: str) -> None:
    for place, row in enumerate(rows):
        value = value_of(summary, row, key)
        if value is None:
            continue
        _point(axis, place, value, row.arm, hollow=is_doubtful(summary, row, key))
        if row.arm in GOALS:
            axis.axvline(value["mean"], color=KINDS[row.arm][0], linewidth=0.8, linestyle=":", zorder=0)
        if row.arm == "after":
            axis.axhspan(place - 0.5, place + 0.5, color=KINDS["after"][0], alpha=0.08, linewidth=0)
    _tidy(axis)


def _point(axis: Axes, place: int, value: Mapping[str, Any], arm: str, *, hollow: bool) -> None:
    colour, marker = KINDS[kind_of(arm)]
    axis.plot(value["values"], [place] * len(value["values"]), "|", color=colour, alpha=0.5, markersize=6)
    if value["low"] is not None:
        left = max(value["low"], axis.get_xlim()[0])
        axis.hlines(place, left, value["high"], color=colour, linewidth=1.5)
    face = "white" if hollow else colour
    axis.plot(value["mean"], place, marker, color=colour, markerfacecolor=face, markersize=5, label=arm)


def _tidy(axis: Axes) -> None:
    axis.grid(axis="x", alpha=0.3)
    axis.tick_params(axis="x", labelsize=7.5)
    axis.tick_params(axis="y", labelsize=8)


def _name_lines(axis: Axes, rows: Sequence[Row]) -> None:
    """What each line is of, from the top; feedback and the ceiling among other arms in bold."""
    axis.set_yticks(range(len(rows)), [row.label for row in rows])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    several = len({row.cell for row in rows}) == 1
    for label, row in zip(axis.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if several and row.arm in GOALS else "normal")


def _key(hollow: str, kinds: Sequence[str] = ()) -> list[Line2D]:
    """What the marks mean."""
    styles = {KINDS[kind]: {"after": "feedback"}.get(kind, kind) for kind in KINDS if kind in kinds}
    shown = [Line2D([], [], color=each[0], marker=each[1], markersize=5, label=name) for each, name in styles.items()]
    grey = {"color": "#555555", "linestyle": "none"}
    shown.append(Line2D([], [], marker="o", markerfacecolor="white", label=f"hollow: an honesty check failed {hollow}"))
    shown.append(Line2D([], [], marker="|", label="a seed; line: 95 % t-interval"))
    for each in shown[-2:]:
        each.set(**grey)
    return shown


def differences_figure(
    summary: Mapping[str, Any], rows: Sequence[Row], reference: Row, panels: Mapping[str, str] = PANELS
) -> Figure:
    """A panel a measure, a line a row: each row less `reference`, paired by seed, with the 95 % t-interval; hollow
    where an honesty check failed on some seed of either. Where some rows lie far from the others the axis is broken."""
    rows = [row for row in rows if row != reference and _seeds(summary, row) == _seeds(summary, reference)]
    drawing = Figure(figsize=(10.2, 1.1 + 0.23 * len(rows)))
    top, bottom = 1 - 0.42 / drawing.get_figheight(), 0.6 / drawing.get_figheight()
    outer = drawing.add_gridspec(1, len(panels), left=0.18, right=0.985, top=top, bottom=bottom, wspace=0.1)
    for place, (key, title) in enumerate(panels.items()):
        found = {line: value for line, row in enumerate(rows) if (value := _less(summary, row, reference, key))}
        spans = _spans([_ends(value) for value in found.values()])
        widths = [3.0 if low <= 0 <= high else 1.0 for low, high in spans]
        inner = outer[place].subgridspec(1, len(spans), width_ratios=widths, wspace=0.06)
        parts = [drawing.add_subplot(inner[number]) for number in range(len(spans))]
        for axis, span in zip(parts, spans, strict=True):
            _differences(axis, rows, found, span)
        _break(parts)
        _name_lines(parts[0], rows)
        parts[0].tick_params(labelleft=place == 0)
        base = value_of(summary, reference, key)
        start = "" if base is None else f", {number(base['mean'])}"
        parts[0].set_title(f"{title}:\nless that of “{reference.label}”{start}", loc="left", fontsize=8.5)
    marks = _key(f"on some seed, here or of “{reference.label}”")
    if len(drawing.axes) > len(panels):
        marks.append(Line2D([], [], linestyle="none", label="//: the axis is broken, and its parts differ in scale"))
    drawing.legend(handles=marks, loc="lower center", ncols=len(marks), fontsize=7.5, frameon=False)
    return drawing


def _seeds(summary: Mapping[str, Any], row: Row) -> list[int]:
    found: list[int] = summary["cells"][row.cell]["seeds"] if row.cell in summary["cells"] else []
    return found


def _less(summary: Mapping[str, Any], row: Row, reference: Row, key: str) -> dict[str, Any] | None:
    """The differences of a row, seed by seed, their mean and its interval."""
    here, there = value_of(summary, row, key), value_of(summary, reference, key)
    if here is None or there is None or len(here["values"]) != len(there["values"]):
        return None
    by_seed = np.array(here["values"]) - np.array(there["values"])
    mean, half = float(by_seed.mean()), half_width(by_seed)
    interval = {"low": None, "high": None} if half is None else {"low": mean - half, "high": mean + half}
    hollow = is_doubtful(summary, row, key) or is_doubtful(summary, reference, key)
    return {"values": by_seed.tolist(), "mean": mean, "hollow": hollow, **interval}


def _ends(value: Mapping[str, Any]) -> tuple[float, float]:
    ends = [*value["values"], *(end for end in (value["low"], value["high"]) if end is not None)]
    return min(ends), max(ends)


def _spans(ends: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """What an axis has to show, 0 among it: one span, or two where the widest gap is not worth its room."""
    ordered = sorted([(0.0, 0.0), *ends])
    reached = np.maximum.accumulate([high for _, high in ordered])
    gaps = [low - high for (low, _), high in zip(ordered[1:], reached, strict=False)]
    first, last = ordered[0][0], float(reached[-1])
    if gaps and max(gaps) > BREAK * (last - first):
        place = int(np.argmax(gaps))
        return [(first, float(reached[place])), (ordered[place + 1][0], last)]
    return [(first, last)]


def _differences(
    axis: Axes, rows: Sequence[Row], found: Mapping[int, Mapping[str, Any]], span: tuple[float, float]
) -> None:
    """The rows that lie in this part of an axis."""
    room = 0.06 * (span[1] - span[0]) or 0.01
    axis.set_xlim(span[0] - room, span[1] + room)
    if span[0] <= 0 <= span[1]:
        axis.axvline(0, color="#0072B2", linewidth=0.8, linestyle=":", zorder=0)
    for place, value in found.items():
        if span[0] <= value["mean"] <= span[1]:
            _point(axis, place, value, rows[place].arm, hollow=value["hollow"])
    _tidy(axis)


def _break(parts: Sequence[Axes]) -> None:
    """Strokes where two parts of one axis meet, which share their lines."""
    for left, right in pairwise(parts):
        right.sharey(left)
        right.tick_params(left=False, labelleft=False)
        for axis, side, edge in ((left, "right", 1), (right, "left", 0)):
            axis.spines[side].set_visible(False)
            stroke = axis.plot([edge, edge], [0, 1], "k", marker=((-0.5, -1), (0.5, 1)), linestyle="none", markersize=8)
            stroke[0].set(transform=axis.transAxes, clip_on=False)
