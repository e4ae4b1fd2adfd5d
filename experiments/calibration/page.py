"""The tables and the figure of calibration."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.calibration.calibrated import (
    SCORES,
    Calibrated,
    Tested,
    Way,
    of,
    read_calibrated,
    tests_of,
)
from experiments.page import Page, label, rows
from explainfb.core.types import FloatArray
from explainfb.statistics.contrasts import LEVEL, half_width
from explainfb.sweeps.tables import number

ROWS: tuple[Way, ...] = (
    ("before", "as it is"),
    ("before", "temperature"),
    ("before", "temperature told"),
    ("random_exchange", "as it is"),
    ("random_exchange", "temperature"),
    ("random_exchange", "temperature told"),
    ("feedback", "as it is"),
    ("feedback", "temperature"),
    ("no_shortcut", "as it is"),
)
"""Of the table beside the answer."""
PANELS: tuple[Way, ...] = (
    ("before", "as it is"),
    ("before", "temperature"),
    ("random_exchange", "temperature told"),
    ("feedback", "as it is"),
    ("no_shortcut", "as it is"),
)
COLOURS = {"before": "#d55e00", "random_exchange": "#cc79a7", "feedback": "#0072b2", "no_shortcut": "#666666"}
SHARES = (0.01, 0.1, 0.5, 1.0)
"""Of the images in a bin: what the figure shows the marker of."""
LEAST_IMAGES, LEAST_SEEDS = 5, 3
"""A bin of a seed with fewer images has no part in the bin's interval, nor has a bin of fewer such seeds one."""


def page_of(path: Path) -> Page:
    """Of a results.json."""
    found = read_calibrated(path)
    more = {f"{task}: tests": tests_table(tests_of(group)) for task, group in found.items()}
    return Page({"shifted images": shifted_table(found)}, figure(found), more)


def shifted_table(found: Mapping[str, Sequence[Calibrated]]) -> str:
    """What a temperature does to each arm on shifted images, with 95 % t-intervals over seeds."""
    heading = [f"{task.removesuffix('-decoy')}: {name}" for task in found for name in ("T", "ECE", "Brier")]
    lines = []
    for arm, scaling in ROWS:
        strong = "**" if (arm, scaling) == ("feedback", "as it is") else ""
        line = [strong + label(arm) + ("" if scaling == "as it is" else f", {scaling}") + strong]
        for group in found.values():
            one = of(group, arm, "shifted", scaling)
            line += ["–"] * 3 if one is None else [temperatures(one), mean(one, "ece"), mean(one, "brier")]
        lines.append(line)
    return rows(["", *heading], lines)


def mean(one: Calibrated, name: str) -> str:
    values = np.array(one.measured[name])
    half = half_width(values)
    return number(float(values.mean())) + ("" if half is None else f" ± {number(half)}")


def temperatures(one: Calibrated) -> str:
    """The median over the seeds, and how many ran into the end of the range that was searched."""
    if not one.temperatures:
        return "–"
    limits = f" ({one.at_limit} of {len(one.temperatures)} at the limit)" if one.at_limit else ""
    return f"{np.median(one.temperatures):.2f}{limits}"


def tests_table(tested: Sequence[Tested]) -> str:
    """Every test of a task."""
    lines = []
    for test in tested:
        one = test.contrast
        interval = "–" if one.low is None or one.high is None else f"{one.low:+.3f} to {one.high:+.3f}"
        p = "–" if one.p is None else f"{one.p:.2g}"
        what = f"{', '.join(test.reference)} less {one.arm}"
        verdict = f"a difference (p < {LEVEL})" if one.is_significant else "not shown"
        lines.append([test.images, SCORES[one.measure], what, f"{one.difference:+.3f}", interval, p, verdict])
    return rows(["images", "score", "", "difference", "95 % interval", "p (Holm)", ""], lines)


def figure(found: Mapping[str, Sequence[Calibrated]]) -> Figure:
    """Reliability on shifted images, a row of panels a task; a point grows with its bin's share of the images."""
    drawing = Figure(figsize=(1.85 * len(PANELS), 2.3 * len(found) + 0.5), layout="constrained")
    grid = drawing.subplots(len(found), len(PANELS), sharex=True, sharey=True, squeeze=False)
    for line, (task, group) in zip(grid, found.items(), strict=True):
        for axes, (arm, scaling) in zip(line, PANELS, strict=True):
            one = of(group, arm, "shifted", scaling)
            if one is not None and one.bins:
                panel(axes, one, COLOURS[arm], "o" if scaling == "as it is" else "D")
                title = [label(arm), "" if scaling == "as it is" else f"+ {scaling}", f"ECE {mean(one, 'ece')}"]
                axes.set_title("\n".join(title), fontsize=8)
        line[0].set_ylabel(f"{task}\naccuracy", fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel("confidence", fontsize=8)
    drawing.legend(handles=key(), loc="outside lower center", ncols=len(SHARES) + 2, frameon=False, fontsize=8)
    return drawing


def area(share: float) -> float:
    """Of a marker, in square points, by the share of the images that its bin holds."""
    return 8 + 160 * share


def key() -> list[Line2D]:
    """What the size and the shape of a marker mean."""
    shown = [
        Line2D([], [], marker="o", markersize=area(share) ** 0.5, label=f"{share * 100:.0f} %") for share in SHARES
    ]
    shown[-1].set_label("100 % of the images in the bin")
    shown.append(Line2D([], [], marker="D", markersize=5, label="with a temperature"))
    for line in shown:
        line.set(color="#555555", linestyle="none", markeredgewidth=0)
    return [*shown, Line2D([], [], color="#555555", linewidth=1.1, label="95 % t-interval")]


def panel(axes: Axes, one: Calibrated, colour: str, marker: str) -> None:
    """The images of all seeds in bins; bars are t-intervals over the seeds with images enough in the bin."""
    count, confidence, right = (
        np.array([getattr(bins, name) for bins in one.bins]) for name in ("count", "confidence", "right")
    )
    total = count.sum(0)
    some = total > 0
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=":")
    for place, low, high in intervals(count, confidence, right):
        axes.vlines(place, low, high, color=colour, linewidth=1.1, alpha=0.7)
    x, y = confidence.sum(0)[some] / total[some], right.sum(0)[some] / total[some]
    sizes = [area(share) for share in total[some] / total.sum()]
    axes.scatter(x, y, s=sizes, color=colour, marker=marker, alpha=0.85, linewidth=0, clip_on=False)
    axes.set(xlim=(0, 1.03), ylim=(-0.03, 1.03), aspect="equal", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def intervals(count: FloatArray, confidence: FloatArray, right: FloatArray) -> Iterator[tuple[float, float, float]]:
    """Where, and from where to where, for each bin that has one; all of shape (seeds, bins)."""
    for images, confident, correct in zip(count.T, confidence.T, right.T, strict=True):
        some = images >= LEAST_IMAGES
        if some.sum() >= LEAST_SEEDS:
            by_seed = correct[some] / images[some]
            half = half_width(by_seed) or 0.0
            yield confident.sum() / images.sum(), max(0.0, by_seed.mean() - half), min(1.0, by_seed.mean() + half)
