"""The table and the figure of what an explanation costs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.page import Page, rows

NAMES = {
    "bare": "the classifier alone on the perturbed images",
    "explain": "`explain`, the paper's masks and fill",
    "default": "`explain`, the masks and fill by default",
    "lime": "the package `lime`, the paper's masks and fill",
}
COLOURS = {"bare": "#555555", "explain": "#0072B2", "default": "#0072B2", "lime": "#D55E00"}


def page_of(path: Path) -> Page:
    """Of a results.json."""
    found = json.loads(path.read_text(encoding="utf-8"))
    milliseconds, ratios = found["milliseconds"]["wall"], found["times_bare"]["wall"]
    lines = []
    for name, told in NAMES.items():
        times = milliseconds[name]
        ratio = f"{ratios[name]['median']:.2f}" if name in ratios else "1"
        lines.append([told, f"{times['median']:.1f} ({times['min']:.1f} to {times['max']:.1f})", ratio])
    table = rows(["", "milliseconds, median (least to most)", "times the classifier alone"], lines)
    return Page({"cost": table}, figure(milliseconds, ratios))


def figure(milliseconds: Mapping[str, Any], ratios: Mapping[str, Any]) -> Figure:
    """What each takes as a bar from 0 to the median, with a line from the least to the most of the repetitions."""
    drawing = Figure(figsize=(7.4, 2.3), layout="constrained")
    axis = drawing.subplots()
    for place, (name, colour) in enumerate(COLOURS.items()):
        times = milliseconds[name]
        axis.barh(place, times["median"], height=0.6, color=colour, alpha=0.55, linewidth=0)
        axis.hlines(place, times["min"], times["max"], color="black", linewidth=1.4)
        ratio = f"{ratios[name]['median']:.2f} times that" if name in ratios else "which no explanation can do without"
        told = f"  {times['median']:.1f} ms, {ratio}"
        axis.text(times["max"] + 0.5, place, told, color="black", va="center", fontsize=8)
    axis.axvline(milliseconds["bare"]["median"], color=COLOURS["bare"], linewidth=0.8, linestyle=":", zorder=0)
    axis.set_yticks(range(len(COLOURS)), [NAMES[name].replace("`", "") for name in COLOURS], fontsize=8)
    axis.set_ylim(len(COLOURS) - 0.5, -0.5)
    axis.set_xlim(0, 148)
    axis.set_xticks(range(0, 101, 20))
    axis.tick_params(axis="x", labelsize=8)
    axis.set_xlabel("milliseconds an explanation: median; line: least to most of the repetitions", fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    return drawing
