"""The table and the figure of what a study costs as it grows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.page import Page, rows

GB = 2**20 / 1e9
"""Of a MiB."""
GROWTH = (
    ("studies", "cpu_seconds", "processor time of a study, hours", "hours", 1 / 3600),
    ("studies", "memory_mib", "the most memory of its process, GB", "GB", GB),
    ("studies", "disk_mib", "its folder, GB", "GB", GB),
    ("studies", "answers_mib", "of this the database, GB", "GB", GB),
    ("files", "memory_mib", "memory that a file of explanations takes when it is read, GB", "GB", GB),
    ("files", "file_mib", "that file, GB", "GB", GB),
)
"""Where it stands in results.json, what grows, in words, its unit and what makes that of the file's."""
MILLION = 1_000_000


def slope(found: Sequence[Mapping[str, float]], grows: str) -> tuple[float, float]:
    """How much a million explanations more add, by least squares, and the largest distance from the line as a share of
    what was measured last."""
    x, y = (np.array([each[name] for each in found], float) for name in ("explanations", grows))
    line = np.polyfit(x, y, 1)
    return float(line[0] * MILLION), float(np.abs(np.polyval(line, x) - y).max() / y[-1])


def page_of(path: Path) -> Page:
    """Of a results.json."""
    found = json.loads(path.read_text(encoding="utf-8"))
    lines = []
    for where, grows, told, _, unit in GROWTH:
        last = found[where][-1]
        million, off = slope(found[where], grows)
        measured = f"{last[grows] * unit:.2g} at {last['explanations']:,}"
        lines.append([told, measured, f"{million * unit:.2g}", f"{off:.0%}"])
    heads = ["what grows", "measured up to", "a million explanations more add", "furthest from a straight line"]
    return Page({"growth": rows(heads, lines)}, figure(found))


def figure(found: Mapping[str, Any]) -> Figure:
    """The growths that matter, as measured and as straight lines."""
    drawing = Figure(figsize=(7.4, 2.2), layout="constrained")
    shown = (GROWTH[0], GROWTH[1], GROWTH[2])
    for axis, (where, grows, told, unit, factor) in zip(drawing.subplots(1, len(shown)), shown, strict=True):
        x = [each["explanations"] for each in found[where]]
        y = [each[grows] * factor for each in found[where]]
        line = np.polyfit(x, y, 1)
        axis.plot([0, x[-1]], np.polyval(line, [0, x[-1]]), color="#999999", linewidth=1)
        axis.plot(x, y, "o", color="#0072B2", markersize=4)
        axis.set_title(told.split(",")[0], fontsize=8)
        axis.set_xticks([0, x[-1]], ["0", f"{x[-1]:,}"], fontsize=8)
        axis.set_yticks([0, y[-1]], ["0", f"{y[-1]:.2g} {unit}"], fontsize=8)
        axis.set_ylim(0, 1.1 * y[-1])
        axis.set_xlabel("explanations", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return drawing
