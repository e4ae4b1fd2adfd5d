"""The table and the figure of what each question teaches, by the answer and by the minute."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.page import Page, rows
from explainfb.statistics.contrasts import half_width
from explainfb.sweeps.tables import number

NAMES = {
    "compare": ("which of two explanations", "#0072B2", "o"),
    "superpixels": ("which of two superpixels", "#56B4E9", "s"),
    "rank": ("best and worst of five", "#D55E00", "^"),
    "yes-no": ("right place, yes or no", "#009E73", "v"),
    "point": ("which pieces should not count", "#CC79A7", "D"),
}
"""What a reader calls it, colour and marker."""
FASTEST, SLOWEST = 3, 5
"""Seconds that people took for a comparison of two short clips (Christiano et al. 2017)."""
Found = Mapping[str, Mapping[str, Any]]
"""By question, then by seed."""


def page_of(path: Path) -> Page:
    """Of a results.json."""
    found: Found = json.loads(path.read_text(encoding="utf-8"))
    return Page({"answers": table(found)}, figure(found))


def mean(runs: Mapping[str, Any], what: str) -> list[float]:
    """Over seeds, after each round, round 0 first."""
    return [float(each) for each in np.mean([run[what] for run in runs.values()], axis=0)]


def table(found: Found) -> str:
    """A line a question."""
    counts = mean(found["compare"], "answers")[1:]
    lines = []
    for name, (told, _, _) in NAMES.items():
        runs = found.get(name, {})
        if not runs:
            continue
        each = np.array([run["shifted"] for run in runs.values()])  # (seeds, rounds + 1)
        halves = [half_width(column) for column in each.T[1:]]
        accuracy = [
            number(value) + ("" if half is None else f" ± {number(half)}")
            for value, half in zip(each.mean(0)[1:], halves, strict=True)
        ]
        held = sum(len(run["not_followed"]) for run in runs.values())
        given, took = mean(runs, "answers")[-1], mean(runs, "seconds")[-1]
        lines.append(
            [
                told,
                *accuracy,
                f"{held} of {len(runs) * len(counts)}" if held else "none",
                f"{took / given:.1f}",
                f"{took / 60:.0f}",
            ]
        )
    after = [f"after {count:.0f} answers" for count in counts]
    return rows(["", *after, "rounds not followed", "seconds an answer", "minutes in all"], lines)


def figure(found: Found) -> Figure:
    """Shifted accuracy over answers, and over minutes; thin lines are single seeds."""
    drawing = Figure(figsize=(7.4, 3.2), layout="constrained")
    by_answer, by_minute = drawing.subplots(1, 2, sharey=True)
    compared = found["compare"]
    each = mean(compared, "seconds")[-1] / mean(compared, "answers")[-1]
    for name, (told, colour, marker) in NAMES.items():
        runs = found.get(name, {})
        if runs:
            draw(by_answer, runs, "answers", 1, told, colour, marker)
            draw(by_minute, runs, "seconds", 60, told, colour, marker)
            minutes, accuracy = np.array(mean(runs, "seconds")) / 60, mean(runs, "shifted")
            by_minute.fill_betweenx(
                accuracy, minutes * FASTEST / each, minutes * SLOWEST / each, color=colour, alpha=0.1, linewidth=0
            )
    by_answer.set_xlabel("answers", fontsize=8)
    by_minute.set_xlabel("minutes; shaded where comparisons take 3 to 5 s", fontsize=8)
    by_answer.set_ylabel("shifted accuracy", fontsize=8)
    by_minute.legend(fontsize=7, frameon=False, loc="center right")
    for axis in (by_answer, by_minute):
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    return drawing


def draw(axis: Axes, runs: Mapping[str, Any], what: str, unit: float, told: str, colour: str, marker: str) -> None:
    for run in runs.values():
        axis.plot(np.array(run[what]) / unit, run["shifted"], color=colour, linewidth=0.6, alpha=0.4)
    over = np.array(mean(runs, what)) / unit
    axis.plot(over, mean(runs, "shifted"), color=colour, marker=marker, markersize=4, linewidth=1.6, label=told)
