"""A grid's summary drawn: every arm of every cell, or what cells differ by from one of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.lines import Line2D

from explainfb.core.types import ThreatModel
from explainfb.results.measures import ECE, SHIFTED, Measure, robust_accuracy_under
from explainfb.results.records import FEEDBACK, Role
from explainfb.sweeps.summary import GridSummary, OverSeeds
from explainfb.sweeps.tables import Row, arm_of, is_unreliable, number, rows_of, value_of

PANELS = (SHIFTED, robust_accuracy_under(ThreatModel("linf", 0.1)), ECE)
"""What is drawn."""
LOGARITHMIC = (ECE,)
KINDS: dict[Role, tuple[str, str]] = {
    "before": ("#555555", "D"),
    "feedback": ("#0072B2", "o"),
    "ceiling": ("#009E73", "s"),
    "control": ("#D55E00", "^"),
    "reference": ("#CC79A7", "v"),
}
"""By the role of an arm, in the order in which arms are drawn: colours of Okabe & Ito's palette, which colour-blind
readers can tell apart, and markers."""
GOALS: tuple[Role, ...] = ("feedback", "ceiling")
"""What other arms are seen beside."""
BREAK = 0.4
"""A gap between differences that is wider than this share of their whole range is cut out of the axis."""


def role_of(summary: GridSummary, row: Row) -> Role:
    """A key of `KINDS`."""
    arm = arm_of(summary, row)
    return "control" if arm is None else arm.arm.role


def arms_figure(summary: GridSummary, panels: Sequence[Measure] = PANELS) -> Figure:
    """A row of panels a cell, a line every arm: each seed as a tick, mean and 95 % t-interval over them; hollow where
    a sanity check failed on some seed. Before, feedback and the ceiling come first; dotted, the means of the two."""
    cells = {cell: _ordered(summary, rows_of(summary, cell)) for cell in summary.cells}
    heights = [0.75 + 0.19 * len(rows) for rows in cells.values()]
    drawing = Figure(figsize=(10.2, sum(heights) + 0.4), layout="constrained")
    grid = drawing.subplots(len(cells), len(panels), sharey="row", squeeze=False, height_ratios=heights)
    for line, (cell, rows) in zip(grid, cells.items(), strict=True):
        for axis, measure in zip(line, panels, strict=True):
            _scale(axis, summary, measure)
            _arms(axis, summary, rows, measure)
            axis.set_xlabel(_title(measure, logarithmic=measure in LOGARITHMIC), fontsize=8)
        line[0].set_title(cell, loc="left", fontsize=9, fontweight="bold")
        _name_lines(line[0], summary, rows)
    marks = _legend("on some seed", {role_of(summary, row) for rows in cells.values() for row in rows})
    drawing.legend(handles=marks, loc="outside lower center", ncols=len(marks), fontsize=7.5, frameon=False)
    return drawing


def _ordered(summary: GridSummary, rows: Sequence[Row]) -> list[Row]:
    """By role as `KINDS` has them."""
    return sorted(rows, key=lambda row: list(KINDS).index(role_of(summary, row)))


def _title(measure: Measure, *, logarithmic: bool = False) -> str:
    """What a panel shows; of an error, that less of it is better."""
    notes = ["lower is better"] * (not measure.higher_is_better) + ["logarithmic"] * logarithmic
    return measure.short + (f" ({', '.join(notes)})" if notes else "")


def _scale(axis: Axes, summary: GridSummary, measure: Measure) -> None:
    """The same in every cell."""
    axis.set_xlim(-0.02, 1.02)
    if measure in LOGARITHMIC:
        known = [value for cell in summary.cells.values() for arm in cell.arms.values() if (value := arm.of(measure))]
        least = min((value for each in known for value in each.values if value > 0), default=0.01) / 1.5
        ticks = [tick for tick in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1) if tick >= least]
        axis.set_xscale("log")
        axis.set_xlim(least, 1)
        axis.set_xticks(ticks, [f"{tick:g}".lstrip("0") for tick in ticks])
        axis.minorticks_off()  # their labels would run into those of the major ones


def _arms(axis: Axes, summary: GridSummary, rows: Sequence[Row], measure: Measure) -> None:
    for place, row in enumerate(rows):
        value, role = value_of(summary, row, measure), role_of(summary, row)
        if value is None:
            continue
        _point(axis, place, Drawn(value, row.arm, role, hollow=is_unreliable(summary, row, measure)))
        if role in GOALS:
            axis.axvline(value.mean, color=KINDS[role][0], linewidth=0.8, linestyle=":", zorder=0)
        if row.arm == FEEDBACK:
            axis.axhspan(place - 0.5, place + 0.5, color=KINDS[role][0], alpha=0.08, linewidth=0)
    _tidy(axis)


@dataclass(frozen=True)
class Drawn:
    """One value with its seeds, and how it is drawn."""

    value: OverSeeds
    arm: str
    role: Role
    hollow: bool
    """Where a sanity check failed on some seed."""


def _point(axis: Axes, place: int, drawn: Drawn) -> None:
    value, (colour, marker) = drawn.value, KINDS[drawn.role]
    axis.plot(value.values, [place] * len(value.values), "|", color=colour, alpha=0.5, markersize=6)
    if value.low is not None and value.high is not None:
        left = max(value.low, axis.get_xlim()[0])  # an interval may reach below 0, which a logarithmic axis cannot show
        axis.hlines(place, left, value.high, color=colour, linewidth=1.5)
    face = "white" if drawn.hollow else colour
    axis.plot(value.mean, place, marker, color=colour, markerfacecolor=face, markersize=5, label=drawn.arm)


def _tidy(axis: Axes) -> None:
    axis.grid(axis="x", alpha=0.3)
    axis.tick_params(axis="x", labelsize=7.5)
    axis.tick_params(axis="y", labelsize=8)


def _name_lines(axis: Axes, summary: GridSummary, rows: Sequence[Row]) -> None:
    """What each line is of, from the top; feedback and the ceiling among other arms in bold."""
    axis.set_yticks(range(len(rows)), [row.label for row in rows])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    several = len({row.cell for row in rows}) == 1
    for label, row in zip(axis.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if several and role_of(summary, row) in GOALS else "normal")


def _legend(hollow: str, roles: Collection[Role] = ()) -> list[Line2D]:
    """What the marks mean."""
    styles = {KINDS[role]: "other method" if role == "reference" else role for role in KINDS if role in roles}
    shown = [Line2D([], [], color=each[0], marker=each[1], markersize=5, label=name) for each, name in styles.items()]
    grey = {"color": "#555555", "linestyle": "none"}
    shown.append(Line2D([], [], marker="o", markerfacecolor="white", label=f"hollow: a sanity check failed {hollow}"))
    shown.append(Line2D([], [], marker="|", label="a seed; line: 95 % t-interval"))
    for each in shown[-2:]:
        each.set(**grey)
    return shown


def differences_figure(
    summary: GridSummary, rows: Sequence[Row], reference: Row, panels: Sequence[Measure] = PANELS
) -> Figure:
    """A panel a measure, a line a row: each row less `reference`, paired by seed, with the 95 % t-interval; hollow
    where a sanity check failed on some seed of either. Where some rows lie far from the others the axis is broken."""
    rows = [row for row in rows if row != reference and _seeds(summary, row) == _seeds(summary, reference)]
    drawing = Figure(figsize=(10.2, 1.1 + 0.23 * len(rows)))
    top, bottom = 1 - 0.42 / drawing.get_figheight(), 0.6 / drawing.get_figheight()
    outer = drawing.add_gridspec(1, len(panels), left=0.18, right=0.985, top=top, bottom=bottom, wspace=0.1)
    for place, measure in enumerate(panels):
        parts = _panel(drawing, outer[place], summary, rows, reference, measure)
        parts[0].tick_params(labelleft=place == 0)
    marks = _legend(f"on some seed, here or of “{reference.label}”")
    if len(drawing.axes) > len(panels):
        marks.append(Line2D([], [], linestyle="none", label="//: the axis is broken, and its parts differ in scale"))
    drawing.legend(handles=marks, loc="lower center", ncols=len(marks), fontsize=7.5, frameon=False)
    return drawing


def _panel(
    drawing: Figure, room: SubplotSpec, summary: GridSummary, rows: Sequence[Row], reference: Row, measure: Measure
) -> list[Axes]:
    """One measure, in one part or in two."""
    found = {line: drawn for line, row in enumerate(rows) if (drawn := _less(summary, row, reference, measure))}
    spans = _spans([_ends(drawn.value) for drawn in found.values()])
    widths = [3.0 if low <= 0 <= high else 1.0 for low, high in spans]
    inner = room.subgridspec(1, len(spans), width_ratios=widths, wspace=0.06)
    parts = [drawing.add_subplot(inner[number]) for number in range(len(spans))]
    for axis, span in zip(parts, spans, strict=True):
        _differences(axis, found, span)
    _break(parts)
    _name_lines(parts[0], summary, rows)
    base = value_of(summary, reference, measure)
    start = "" if base is None else f", {number(base.mean)}"
    parts[0].set_title(f"{_title(measure)}:\nless that of “{reference.label}”{start}", loc="left", fontsize=8.5)
    return parts


def _seeds(summary: GridSummary, row: Row) -> tuple[int, ...]:
    return summary.cells[row.cell].seeds if row.cell in summary.cells else ()


def _less(summary: GridSummary, row: Row, reference: Row, measure: Measure) -> Drawn | None:
    """The differences of a row, seed by seed, their mean and its interval."""
    here, there = value_of(summary, row, measure), value_of(summary, reference, measure)
    if here is None or there is None or len(here.values) != len(there.values):
        return None
    difference = OverSeeds.of((np.array(here.values) - np.array(there.values)).tolist())
    hollow = is_unreliable(summary, row, measure) or is_unreliable(summary, reference, measure)
    return Drawn(difference, row.arm, role_of(summary, row), hollow)


def _ends(value: OverSeeds) -> tuple[float, float]:
    ends = [*value.values, *(end for end in (value.low, value.high) if end is not None)]
    return min(ends), max(ends)


def _spans(ends: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """What an axis has to show, 0 among it: one span, or two where the widest gap would take too much room."""
    ordered = sorted([(0.0, 0.0), *ends])
    reached = np.maximum.accumulate([high for _, high in ordered])
    gaps = [low - high for (low, _), high in zip(ordered[1:], reached, strict=False)]
    first, last = ordered[0][0], float(reached[-1])
    if gaps and max(gaps) > BREAK * (last - first):
        place = int(np.argmax(gaps))
        return [(first, float(reached[place])), (ordered[place + 1][0], last)]
    return [(first, last)]


def _differences(axis: Axes, found: Mapping[int, Drawn], span: tuple[float, float]) -> None:
    """The rows, by their lines, that lie in this part of an axis."""
    room = 0.06 * (span[1] - span[0]) or 0.01
    axis.set_xlim(span[0] - room, span[1] + room)
    if span[0] <= 0 <= span[1]:
        axis.axvline(0, color=KINDS["feedback"][0], linewidth=0.8, linestyle=":", zorder=0)
    for place, drawn in found.items():
        if span[0] <= drawn.value.mean <= span[1]:
            _point(axis, place, drawn)
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
