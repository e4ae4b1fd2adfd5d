"""The tables and the figure of the linear pipeline."""

import base64
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.kept import Line, interval
from experiments.page import Page, rows


def page_of(path: Path) -> Page:
    """Of a results.json."""
    results = json.loads(path.read_text(encoding="utf-8"))
    tables = {"bugs": bugs(by_name(results["bugs"])), "features": features(by_name(results["features"]))}
    return Page(tables, figure(results["weights"]))


def by_name(found: Sequence[Line]) -> dict[str, list[Line]]:
    """All seeds of each, in the order of the first."""
    groups: dict[str, list[Line]] = {}
    for line in found:
        groups.setdefault(line["key"].split(" | ")[0], []).append(line)
    return groups


def percent(some: Sequence[Line], name: str) -> str:
    """The mean over seeds with its half 95 % t-interval."""
    found = interval([100 * line[name] for line in some])
    half = "" if found["half"] is None else f" ± {found['half']:.1f}"
    return f"{found['mean']:.1f}{half}"


def bugs(groups: dict[str, list[Line]]) -> str:
    heading = ["bug", "training images right, %", "test images right, %", "the doctor: failed checks"]
    lines = [[name, percent(some, "train"), percent(some, "test"), named(some)] for name, some in groups.items()]
    return rows(heading, lines)


def named(some: Sequence[Line]) -> str:
    """The checks that failed; in how many seeds, where not in all."""
    counts = Counter(check for line in some for check in line["failed"])
    shown = [check if times == len(some) else f"{check} ({times} of {len(some)})" for check, times in counts.items()]
    return ", ".join(shown) or "–"


def features(groups: dict[str, list[Line]]) -> str:
    heading = ["what the classifier sees", "numbers", "training images right, %", "test images right, %"]
    lines = [
        [name, str(some[0]["numbers"]), percent(some, "train"), percent(some, "test")] for name, some in groups.items()
    ]
    return rows(heading, lines)


def figure(weights: Sequence[str]) -> Figure:
    """What a linear classifier looks for, class by class."""
    maps = np.array([np.frombuffer(base64.b64decode(row), np.int8) for row in weights]).reshape(-1, 28, 28)
    largest = float(np.quantile(np.abs(maps), 0.99))
    drawing = Figure(figsize=(6.5, 2.9), layout="constrained")
    for label, (axes, one) in enumerate(zip(drawing.subplots(2, 5).flat, maps, strict=True)):
        axes.imshow(one, cmap="RdBu_r", vmin=-largest, vmax=largest)
        axes.set_title(str(label), fontsize=8, pad=2)
        axes.axis("off")
    drawing.suptitle("red: ink here speaks for the digit; blue: against it", fontsize=8)
    return drawing
