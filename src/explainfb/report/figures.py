"""The report's charts: matplotlib → SVG that stands inside the page and takes its colours from it.

Each colour is drawn as a stand-in that is then replaced by a CSS variable, so that a chart has the page's colours, on a
dark screen and on paper too. Text stays text, which can be searched and read aloud.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from explainfb.core.types import Norm
from explainfb.report.measures import difference, threat_models
from explainfb.results.measures import NORM_SIGNS, Measure, size_of
from explainfb.results.records import (
    BEFORE,
    FEEDBACK,
    NO_SHORTCUT,
    ArmResult,
    ReliabilityBins,
    RoundResult,
    StudyResults,
)

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
    "svg.fonttype": "none",  # text, not outlines of letters
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


def strokes(results: StudyResults) -> dict[str, Stroke]:
    """Feedback stands out, before and the ceiling are grey, each of eight other arms has its own colour and marker.

    Beyond eight, colours come again with other markers.
    """
    ends = {BEFORE: Stroke(1, "o", "-", 1.4), FEEDBACK: Stroke(0, "o", "-", 2.2), NO_SHORTCUT: Stroke(2, "*", ":", 1.4)}
    colours = len(SERIES) - len(ends)
    beside = [name for name in results.arms if name not in ends]
    return ends | {
        name: Stroke(3 + index % colours, OTHERS[(index + index // colours) % len(OTHERS)], "--")
        for index, name in enumerate(beside)
    }


def robust_curves(results: StudyResults, norm: Norm) -> str:
    """SVG: robust accuracy against ε with its interval, one line an arm; hollow where a check failed."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes(4.4, 3.1)
        drawn = strokes(results)
        for arm in results.arms.values():
            _robust_line(axes, arm, norm, drawn[arm.arm.name])
        axes.set(xlabel=f"{NORM_SIGNS[norm]} ε", ylim=(0, 1), ylabel="robust accuracy")
        _radii(axes, [model.epsilon for model in threat_models(results) if model.norm == norm])
        _percent(axes)
        return svg(figure, f"robust-{norm}", f"Robust accuracy against the size of the {NORM_SIGNS[norm]} attack.")


def _robust_line(axes: Axes, arm: ArmResult, norm: Norm, stroke: Stroke) -> None:
    under = {each.threat_model.epsilon: each for each in arm.robust_accuracy if each.threat_model.norm == norm}
    if not under:
        return
    x = sorted(under)
    values = [under[epsilon].accuracy for epsilon in x]
    low, high = [value.low for value in values], [value.high for value in values]
    colour = SERIES[stroke.colour]
    axes.fill_between(x, low, high, color=colour, alpha=0.14 if arm.arm.name == FEEDBACK else 0.08, linewidth=0)
    if len(x) == 1:  # a band over one ε has no width
        axes.vlines(x, low, high, color=colour, linewidth=stroke.width, alpha=0.4)
    axes.plot(x, [value.estimate for value in values], stroke.dashes, color=colour, linewidth=stroke.width)
    for epsilon in x:
        face = colour if under[epsilon].reliable else PAPER
        axes.plot(epsilon, under[epsilon].accuracy.estimate, stroke.marker, ms=4, color=colour, markerfacecolor=face)


def _radii(axes: Axes, radii: Sequence[float]) -> None:
    """Ticks at the ε that were measured, unless they would run into each other."""
    gaps = [upper - lower for lower, upper in pairwise([0.0, *radii])]
    axes.set_xlim(0, 1.04 * radii[-1])
    if min(gaps) >= 0.1 * radii[-1]:
        axes.set_xticks(radii, [size_of(radius) for radius in radii])


def reliability_diagram(arm: ArmResult, colour: int, *, fullest: float) -> str:
    """SVG: accuracy by confidence over the diagonal of perfect calibration; below it where the images are.

    `fullest`, the largest share of images that a bin of any diagram beside this one holds, gives all the same scale.
    """
    bins, title = arm.reliability, f"{arm.arm.label}, ECE {arm.ece.estimate:.3f}"
    width = 1 / max(1, len(bins.count))
    places = [width * index for index in range(len(bins.count))]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 4.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.4, 1])
        heights = [accuracy or 0 for accuracy in bins.accuracy]
        upper.bar(
            places, heights, width, align="edge", color=SERIES[colour], alpha=0.75, edgecolor=PAPER, linewidth=0.8
        )
        upper.plot([0, 1], [0, 1], color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
        upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
        upper.set_title(title.replace(",", ":"), fontsize=9, loc="left")
        lower.bar(places, shares(bins), width, align="edge", color=MUTED, alpha=0.55, edgecolor=PAPER, linewidth=0.8)
        lower.set(ylabel="images", xlabel="confidence", ylim=(0, 1.05 * fullest))
        lower.yaxis.set_major_locator(MaxNLocator(2))
        for axes in (upper, lower):
            _percent(axes)
        lower.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol="\N{NO-BREAK SPACE}%"))
        return svg(figure, f"reliability-{arm.arm.name}", f"Reliability diagram {title}.")


def shares(bins: ReliabilityBins) -> list[float]:
    """The share of the images in each bin of confidence."""
    return [images / max(1, sum(bins.count)) for images in bins.count]


def difference_chart(results: StudyResults, measure: Measure) -> str:
    """SVG: feedback minus each other arm with its 95 % interval, against a line at 0."""
    compared = [(arm.arm, difference(results, measure, arm)) for arm in results.arms.values()]
    rows = [(arm, found) for arm, found in compared if found is not None]
    drawn, scale = strokes(results), 100 if measure.in_percent else 1
    with mpl.rc_context(STYLE):
        figure, axes = _axes(3.4, 0.95 + 0.3 * len(rows))
        axes.axvline(0, color=INK, linewidth=0.8)
        for place, (arm, found) in enumerate(rows):
            colour = SERIES[drawn[arm.name].colour]
            axes.plot([scale * found.low, scale * found.high], [place, place], color=colour, linewidth=2.4, alpha=0.45)
            axes.plot(scale * found.estimate, place, drawn[arm.name].marker, color=colour, ms=5)
        axes.set_yticks(range(len(rows)), [arm.label for arm, _ in rows])
        side = "right" if measure.higher_is_better else "left"
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=f"{'points' if measure.in_percent else 'ECE'}, {side} is better")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_title(measure.short, fontsize=9, loc="left", x=0)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        name = re.sub(r"[^\w.]+", "-", f"difference-{measure.key}")
        return svg(figure, name, f"Paired differences in {measure.short}: feedback minus each arm.")


def reward_accuracy_chart(rounds: Sequence[RoundResult]) -> str:
    """SVG: share of held-out answers that the reward predicts, against the number of answers it learned from."""
    known = [(each.answers, each.reward_accuracy) for each in rounds if each.reward_accuracy is not None]
    x, y = [answers for answers, _ in known], [accuracy.estimate for _, accuracy in known]
    low, high = [accuracy.low for _, accuracy in known], [accuracy.high for _, accuracy in known]
    with mpl.rc_context(STYLE):
        figure, axes = _axes(4.4, 2.9)
        axes.axhline(0.5, color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
        axes.annotate("a coin", (0, 0.5), xytext=(3, 3), textcoords="offset points", fontsize=8.5, color=MUTED)
        axes.vlines(x, low, high, color=SERIES[0], linewidth=2.4, alpha=0.35)
        axes.plot(x, y, "o-", color=SERIES[0], linewidth=1.6, ms=5)
        axes.set(xlim=(0, 1.06 * max(*x, 1)), ylim=(min(0.4, *y, *low), 1), xlabel="answers", ylabel="reward accuracy")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        _percent(axes)
        return svg(figure, "reward-accuracy", "Reward accuracy on held-out answers against the number of answers.")


def svg(figure: Figure, name: str, description: str) -> str:
    """`figure` as an SVG element with `description` as alternative text, ids of its own and the page's colours."""
    buffer = io.StringIO()
    # no salt and date of the moment: the same results give the same bytes
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # inside a page, a style would hold for everything, and ids of several charts would be the same
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
