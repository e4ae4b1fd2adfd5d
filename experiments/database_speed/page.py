"""The table and the figure of how long an annotator waits."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.page import Page, rows

NAMES = {
    "next": "the next comparison",
    "answer": "an answer is put on record",
    "page": "everything that is asked of the database for one page of the app",
    "bare insert": "a bare SQLite insert beside it, one row and one commit",
}
DRAWN = {
    "page": "all that one page of\nthe app asks for",
    "answer": "an answer is\nput on record",
    "next": "the next comparison",
    "bare insert": "a bare SQLite insert\nbeside either",
}
BACKENDS = {"sqlite": ("SQLite", "#0072B2", "o"), "postgresql": ("PostgreSQL", "#D55E00", "s")}
"""What a reader calls it, colour and marker."""
TICKS = (3, 10, 30, 100, 300, 1000)


def page_of(path: Path) -> Page:
    """Of a results.json."""
    found = json.loads(path.read_text(encoding="utf-8"))
    lines = []
    for name, told in NAMES.items():
        times = [backend["milliseconds"][name] for backend in found.values()]
        lines.append([told, *(f"{each['median']:.1f} ({each['p95']:.0f})" for each in times)])
    return Page({"waiting": rows(["milliseconds, median (95th percentile)", *found], lines)}, figure(found))


def figure(found: Mapping[str, Any]) -> Figure:
    """Of each wait the median, and a line to the 95th percentile, by what the answers are kept in."""
    drawing = Figure(figsize=(7.4, 3.1), layout="constrained")
    axis = drawing.subplots()
    for name, backend in found.items():
        told, colour, marker = BACKENDS[name]
        for place, what in enumerate(DRAWN):
            times, line = backend["milliseconds"][what], place + (0.17 if name == "postgresql" else -0.17)
            axis.hlines(line, times["median"], times["p95"], color=colour, linewidth=1.8)
            axis.plot(times["p95"], line, "|", color=colour, markersize=8)
            axis.plot(times["median"], line, marker, color=colour, markersize=6)
            number = f"{times['median']:.{0 if times['median'] >= 100 else 1}f}"
            first = f"{told}  {number}" if place == 0 else number
            axis.annotate(
                first,
                (times["median"], line),
                (-7, 0),
                textcoords="offset points",
                color=colour,
                ha="right",
                va="center",
                fontsize=8,
            )
    axis.set_yticks(range(len(DRAWN)), list(DRAWN.values()), fontsize=8)
    axis.set_ylim(len(DRAWN) - 0.5, -0.5)
    axis.set_xscale("log")
    axis.set_xlim(2, 1000)
    axis.set_xticks(TICKS, [f"{tick:,}" for tick in TICKS], fontsize=8)
    axis.minorticks_off()
    axis.set_xlabel("milliseconds, logarithmic: the median, and a line to the 95th percentile", fontsize=8)
    axis.grid(axis="x", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    return drawing
