"""The table and the figure of how a study grows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.page import Page, rows

GROWTH = (
    ("made", "explanations", "seconds", "processor seconds to make them", "s"),
    ("kept", "explanations", "file_mib", "MiB in a study's folder", "MiB"),
    ("kept", "explanations", "memory_mib", "MiB of memory once read", "MiB"),
    ("answered", "answers", "mib", "MiB of the database, an answer for each comparison", "MiB"),
    ("answered", "answers", "seconds", "processor seconds to put them on record", "s"),
)
"""Where it stands in results.json, what is counted, what grows, in words, and its unit."""
MILLION = 1_000_000


def slope(found: Sequence[Mapping[str, float]], counted: str, grows: str) -> tuple[float, float]:
    """How much a million more add, by least squares, and the largest distance from the line as a share of the last."""
    x, y = (np.array([each[name] for each in found], float) for name in (counted, grows))
    line = np.polyfit(x, y, 1)
    return float(line[0] * MILLION), float(np.abs(np.polyval(line, x) - y).max() / y[-1])


def page_of(path: Path) -> Page:
    """Of a results.json."""
    found = json.loads(path.read_text(encoding="utf-8"))
    lines = []
    for where, counted, grows, told, _ in GROWTH:
        last = found[where][-1]
        million, off = slope(found[where], counted, grows)
        lines.append([told, f"{last[counted]:,}", f"{last[grows]:,.1f}", f"{million:,.0f}", f"{off:.0%}"])
    heads = ["what grows", "measured up to", "there", "a million more add", "furthest from a straight line"]
    return Page({"growth": rows(heads, lines)}, figure(found))


def figure(found: Mapping[str, Any]) -> Figure:
    """Each growth, as measured and as a straight line."""
    drawing = Figure(figsize=(7.4, 2.1), layout="constrained")
    for axis, (where, counted, grows, told, unit) in zip(drawing.subplots(1, len(GROWTH)), GROWTH, strict=True):
        x, y = ([each[name] for each in found[where]] for name in (counted, grows))
        line = np.polyfit(x, y, 1)
        axis.plot([0, x[-1]], np.polyval(line, [0, x[-1]]), color="#999999", linewidth=1)
        axis.plot(x, y, "o", color="#0072B2", markersize=4)
        axis.set_title(told.replace(" of ", "\nof ").replace(" to ", "\nto ").replace(", ", ",\n"), fontsize=6)
        axis.set_xticks([0, x[-1]], ["0", f"{x[-1]:,}"], fontsize=6)
        axis.set_yticks([0, y[-1]], ["0", f"{y[-1]:,.0f} {unit}"], fontsize=6)
        axis.set_xlabel(counted, fontsize=6)
        axis.spines[["top", "right"]].set_visible(False)
    return drawing
