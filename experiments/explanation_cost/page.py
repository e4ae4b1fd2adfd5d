"""The table of what an explanation costs."""

import json
from pathlib import Path

from experiments.page import Page, rows

NAMES = {
    "bare": "the classifier alone on the perturbed images",
    "explain": "`explain`, the paper's masks and fill",
    "default": "`explain`, the masks and fill by default",
    "lime": "the package `lime`, the paper's masks and fill",
}


def page_of(path: Path) -> Page:
    """Of a results.json."""
    found = json.loads(path.read_text(encoding="utf-8"))
    milliseconds, ratios = found["milliseconds"]["wall"], found["times_bare"]["wall"]
    lines = []
    for name, told in NAMES.items():
        times = milliseconds[name]
        ratio = f"{ratios[name]['median']:.2f}" if name in ratios else "1"
        lines.append([told, f"{times['median']:.1f} ({times['min']:.1f} to {times['max']:.1f})", ratio])
    return Page({"cost": rows(["", "milliseconds, median (least to most)", "times the classifier alone"], lines)})
