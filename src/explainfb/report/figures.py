"""The report's charts: matplotlib → SVG that stands inside the page and takes its colours from it.

Each colour is drawn as a stand-in that is then replaced by a CSS variable, so a chart follows the page into the dark
and onto paper. Text stays text.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from explainfb.report.measures import NORM_SIGNS, Measure
from explainfb.results.format1 import Arm, Evaluation, Results, arms

INK, MUTED, RULE, PAPER = "#010101", "#020202", "#030303", "#040404"
SERIES = tuple(f"#0501{index:02x}" for index in range(11))
VARIABLES = {INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper"} | {
    colour: f"series-{index}" for index, colour in enumerate(SERIES)
}
MARKERS = {"s": "■", "D": "◆", "^": "▲", "v": "▼", "P": "✚", "X": "✖", "<": "◀", ">": "▶", "o": "●", "*": "★"}
"""What matplotlib calls a marker, and the sign that stands for it in the page's legend."""
OTHERS = "sD^vPX<>"
"""Markers of controls and other methods."""
SCALE = 1.4
"""A chart is never wider than this many CSS pixels a point, so that its text stays as large as the page's."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 9.0,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Stroke:
    """How an arm is drawn in every chart: never told by its colour alone."""

    colour: int
    """Index of the page's colour `--series-N`."""
    marker: str
    dashes: str
    width: float = 1.2


def strokes(results: Results) -> dict[str, Stroke]:
    """After stands out, before and the ceiling are grey, each of eight other arms has its own colour and marker.

    Beyond eight, colours come again with other markers.
    """
    found = {"before": Stroke(1, "o", "-", 1.4), "after": Stroke(0, "o", "-", 2.2), "ceiling": Stroke(2, "*", ":", 1.4)}
    colours = len(SERIES) - 3
    for index, name in enumerate(results["controls"]):
        marker = OTHERS[(index + index // colours) % len(OTHERS)]
        found[name] = Stroke(3 + index % colours, marker, "--")
    return found


def robust_curves(results: Results, norm: str) -> str:
    """SVG: robust accuracy against ε with its interval, one line an arm; hollow where a check failed."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes(4.4, 3.1)
        drawn = strokes(results)
        for arm in arms(results):
            _robust_line(axes, arm, norm, drawn[arm.key])
        axes.set(xlabel=f"{NORM_SIGNS[norm]} ε", ylim=(0, 1), ylabel="robust accuracy")
        _radii(axes, results, norm)
        _percent(axes)
        return svg(figure, f"robust-{norm}", f"Robust accuracy against the size of the {NORM_SIGNS[norm]} attack.")


def _robust_line(axes: Axes, arm: Arm, norm: str, stroke: Stroke) -> None:
    rows = sorted(
        (r for r in arm.evaluation["robust_accuracy"] if r["norm"] == norm), key=lambda r: float(r["epsilon"])
    )
    if not rows:
        return
    x, y, low, high = ([row[key] for row in rows] for key in ("epsilon", "accuracy", "low", "high"))
    colour = SERIES[stroke.colour]
    axes.fill_between(x, low, high, color=colour, alpha=0.14 if arm.role == "after" else 0.08, linewidth=0)
    if len(x) == 1:
        axes.vlines(x, low, high, color=colour, linewidth=stroke.width, alpha=0.4)
    axes.plot(x, y, stroke.dashes, color=colour, linewidth=stroke.width)
    for row in rows:
        face = colour if row["reliable"] else PAPER
        axes.plot(row["epsilon"], row["accuracy"], stroke.marker, ms=4, color=colour, markerfacecolor=face)


def _radii(axes: Axes, results: Results, norm: str) -> None:
    """Ticks at the ε that were measured, unless they would run into each other."""
    rows = [row for arm in arms(results) for row in arm.evaluation["robust_accuracy"]]
    radii = sorted({row["epsilon"] for row in rows if row["norm"] == norm})
    gaps = [upper - lower for lower, upper in pairwise([0.0, *radii])]
    axes.set_xlim(0, 1.04 * radii[-1])
    if min(gaps) >= 0.1 * radii[-1]:
        axes.set_xticks(radii, [f"{radius:g}" for radius in radii])


def reliability_diagram(evaluation: Evaluation, name: str, colour: int, *, fullest: float) -> str:
    """SVG: accuracy by confidence over the diagonal of perfect calibration; below it where the images are.

    `fullest`, the largest share of images that a bin of any diagram beside this one holds, gives all the same scale.
    """
    bins = evaluation["reliability"]
    count, width = bins["count"], 1 / max(1, len(bins["count"]))
    places = [width * index for index in range(len(count))]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 4.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.4, 1])
        heights = [accuracy or 0 for accuracy in bins["accuracy"]]
        upper.bar(
            places, heights, width, align="edge", color=SERIES[colour], alpha=0.75, edgecolor=PAPER, linewidth=0.8
        )
        upper.plot([0, 1], [0, 1], color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
        upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
        upper.set_title(f"{name}: ECE {evaluation['ece']:.3f}", fontsize=9, loc="left")
        lower.bar(
            places, shares(evaluation), width, align="edge", color=MUTED, alpha=0.55, edgecolor=PAPER, linewidth=0.8
        )
        lower.set(ylabel="images", xlabel="confidence", ylim=(0, 1.05 * fullest))
        lower.yaxis.set_major_locator(MaxNLocator(2))
        for axes in (upper, lower):
            _percent(axes)
        lower.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol="\N{NO-BREAK SPACE}%"))
        return svg(
            figure, f"reliability-{name.split()[0]}", f"Reliability diagram {name}, ECE {evaluation['ece']:.3f}."
        )


def shares(evaluation: Evaluation) -> list[float]:
    """The share of the images in each bin of confidence."""
    count = evaluation["reliability"]["count"]
    return [images / max(1, sum(count)) for images in count]


def difference_chart(results: Results, measure: Measure) -> str:
    """SVG: after minus each other arm with its 95 % interval, against a line at 0."""
    compared = [(arm, measure.difference(results, arm.key)) for arm in arms(results)]
    rows = [(arm, found) for arm, found in compared if found is not None]
    drawn, scale = strokes(results), 100 if measure.in_points else 1
    with mpl.rc_context(STYLE):
        figure, axes = _axes(3.4, 0.95 + 0.3 * len(rows))
        axes.axvline(0, color=INK, linewidth=0.8)
        for place, (arm, found) in enumerate(rows):
            colour = SERIES[drawn[arm.key].colour]
            axes.plot([scale * found.low, scale * found.high], [place, place], color=colour, linewidth=2.4, alpha=0.45)
            axes.plot(scale * found.estimate, place, drawn[arm.key].marker, color=colour, ms=5)
        axes.set_yticks(range(len(rows)), [arm.label for arm, _ in rows])
        side = "right" if measure.higher_is_better else "left"
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=f"{'points' if measure.in_points else 'ECE'}, {side} is better")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_title(measure.short, fontsize=9, loc="left", x=0)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        return svg(figure, f"difference-{measure.key}", f"Paired differences in {measure.short}: after minus each arm.")


def reward_accuracy_chart(by_round: Sequence[Mapping[str, Any]]) -> str:
    """SVG: share of held-out answers that the reward predicts, against the number of answers it learned from."""
    rows = [row for row in by_round if row["reward_accuracy"] is not None]
    with mpl.rc_context(STYLE):
        figure, axes = _axes(4.4, 2.9)
        x, y = [row["answers"] for row in rows], [row["reward_accuracy"] for row in rows]
        axes.axhline(0.5, color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
        axes.annotate("a coin", (0, 0.5), xytext=(3, 3), textcoords="offset points", fontsize=8.5, color=MUTED)
        bounded = [row for row in rows if row["low"] is not None and row["high"] is not None]
        low, high = ([row[end] for row in bounded] for end in ("low", "high"))
        axes.vlines([row["answers"] for row in bounded], low, high, color=SERIES[0], linewidth=2.4, alpha=0.35)
        axes.plot(x, y, "o-", color=SERIES[0], linewidth=1.6, ms=5)
        axes.set(xlim=(0, 1.06 * max(*x, 1)), ylim=(min(0.4, *y, *low), 1), xlabel="answers", ylabel="reward accuracy")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        _percent(axes)
        return svg(figure, "reward-accuracy", "Reward accuracy on held-out answers against the number of answers.")


def loss_chart(curves: Mapping[str, Sequence[float]]) -> str:
    """SVG: the loss against the step, one line a curve."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes(4.4, 2.9)
        for index, (name, losses) in enumerate(curves.items()):
            shade = 0.35 + 0.65 * (index + 1) / len(curves)
            axes.plot(losses, color=SERIES[0], alpha=shade, linewidth=1.2)
            axes.annotate(name, (len(losses) - 1, losses[-1]), (4, -3), textcoords="offset points", fontsize=8)
        axes.set(xlabel="step", ylabel="loss")
        axes.margins(x=0)
        axes.grid(axis="y")
        return svg(figure, "loss", f"Loss against the step: {', '.join(curves)}.")


def svg(figure: Figure, name: str, description: str) -> str:
    """`figure` as an SVG element with `description` as alternative text, ids of its own and the page's colours."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'\sid="', f' id="{name}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    label = escape(description, quote=True)
    box = re.search(r'viewBox="0 0 ([\d.]+) [\d.]+"', text)
    assert box is not None
    size = f'style="max-width: {float(box[1]) * SCALE:.0f}px"'
    opening = f'<svg class="chart" role="img" aria-label="{label}" {size} {box[0]}><title>{escape(description)}</title>'
    return opening + text[text.index(">") + 1 :].rstrip()


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _percent(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol="\N{NO-BREAK SPACE}%"))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
