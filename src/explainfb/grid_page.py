"""A grid's summary for a page: tables in Markdown and a figure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainfb.files import write_whole
from explainfb.results import LABELS

MEASURES = {
    "clean_accuracy": "clean",
    "shifted_accuracy": "shifted",
    "ece": "ECE",
    "shortcut_share": "share on shortcut",
    "linf 0.05": "L∞ .05",
    "linf 0.1": "L∞ .1",
    "l2 1": "L2 1",
}
"""Columns of a table unless others are named: keys of a sweep's summary, and what a reader calls them."""
PANELS = ("shifted_accuracy", "linf 0.1", "ece")
COLOURS = {"after": "#0072B2", "before": "#555555", "ceiling": "#009E73"}
"""Of Okabe & Ito's palette, which colour-blind readers can tell apart."""
OTHER = "#D55E00"


@dataclass(frozen=True)
class Row:
    """One arm of one cell."""

    label: str
    cell: str
    arm: str = "after"


def rows_of(summary: Mapping[str, Any], cell: str) -> list[Row]:
    """Every arm of a cell: before, controls, feedback and ceiling."""
    arms = list(summary["cells"][cell]["arms"])
    ends = [arm for arm in ("after", "ceiling") if arm in arms]
    return [Row(LABELS.get(arm, arm), cell, arm) for arm in [a for a in arms if a not in ends] + ends]


def number(value: float) -> str:
    """Three digits without the leading zero, as in .931."""
    return f"{value:.3f}".replace("0.", ".", 1)


def table(summary: Mapping[str, Any], rows: Sequence[Row], measures: Mapping[str, str] = MEASURES) -> str:
    """Markdown: one line a row, mean ± half the 95 % t-interval over seeds; a star where an honesty check failed.

    The last column has the thousands of images that went forward and backward through the network on the first seed.
    """
    known = [row for row in rows if row.cell in summary["cells"]]
    present = {key: name for key, name in measures.items() if any(_value(summary, row, key) for row in known)}
    lines = ["| | " + " | ".join([*present.values(), "passes"]) + " |", "|---" * (len(present) + 2) + "|"]
    for row in known:
        strong = "**" if row.arm == "after" and len({each.arm for each in rows}) > 1 else ""
        cells = [*(_written(summary, row, key) for key in present), _passes(summary, row)]
        lines.append(f"| {strong}{row.label}{strong} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _value(summary: Mapping[str, Any], row: Row, key: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = summary["cells"][row.cell]["arms"].get(row.arm, {}).get(key)
    return found


def _doubtful(summary: Mapping[str, Any], row: Row, key: str) -> bool:
    return key in summary["cells"][row.cell]["unreliable"].get(row.arm, {})


def _written(summary: Mapping[str, Any], row: Row, key: str) -> str:
    value = _value(summary, row, key)
    if value is None:
        return "–"
    interval = "" if value["low"] is None else f" ± {number(value['high'] - value['mean'])}"
    return number(value["mean"]) + interval + ("\\*" if _doubtful(summary, row, key) else "")


def _passes(summary: Mapping[str, Any], row: Row) -> str:
    budget = summary["cells"][row.cell].get("budget", {}).get(row.arm)
    return "–" if budget is None else f"{budget['forward'] / 1000:.0f} / {budget['backward'] / 1000:.0f}"


def contrast_table(summary: Mapping[str, Any], cell: str | None = None) -> str:
    """Markdown: feedback of a cell less what it was tested against, and whether that may be called a difference."""
    lines = ["| feedback less | measure | difference | 95 % interval | p (Holm) | |", "|---" * 6 + "|"]
    for each in summary["contrasts"]:
        if cell not in (None, each["cell"]) or each["p"] is None:
            continue
        interval = f"{each['low']:+.3f} to {each['high']:+.3f}"
        verdict = "a difference" if each["is_one"] else "not shown" if each["reliable"] else "not to be relied on"
        arm = each["arm"].replace("_", " ")
        lines.append(
            f"| {arm} | {each['measure']} | {each['difference']:+.3f} | {interval} | {each['p']:.2g} | {verdict} |"
        )
    return "\n".join(lines) + "\n"


def write_page(
    summary: Mapping[str, Any], folder: Path, *, tables: str, rows: Sequence[Row], panels: Sequence[str] = PANELS
) -> None:
    """results.json, tables.md and figure.svg in `folder`."""
    numbers = json.dumps(summary, indent=1) + "\n"
    write_whole(folder / "results.json", lambda partial: partial.write_text(numbers, encoding="utf-8"))
    write_whole(folder / "tables.md", lambda partial: partial.write_text(tables, encoding="utf-8"))
    figure(summary, rows, folder / "figure.svg", panels)


def figure(summary: Mapping[str, Any], rows: Sequence[Row], path: Path, panels: Sequence[str] = PANELS) -> None:
    """A panel a measure, a line a row: every seed as a dot, mean and 95 % t-interval over them; hollow where an honesty
    check failed on some seed."""
    known = [row for row in rows if row.cell in summary["cells"]]
    height = 0.9 + 0.27 * len(known)
    drawing = Figure(figsize=(3 + 2.4 * len(panels), height))
    axes = drawing.subplots(1, len(panels), sharey=True, squeeze=False)
    for axis, key in zip(axes[0], panels, strict=True):
        _panel(axis, summary, known, key)
    axes[0][0].set_yticks(range(len(known)), [row.label for row in known])
    axes[0][0].invert_yaxis()
    drawing.tight_layout()
    with mpl.rc_context({"svg.hashsalt": "grid"}):  # the same numbers make the same file
        write_whole(path, lambda partial: drawing.savefig(partial, format="svg", metadata={"Date": None}))


def _panel(axis: Axes, summary: Mapping[str, Any], rows: Sequence[Row], key: str) -> None:
    for place, row in enumerate(rows):
        value = _value(summary, row, key)
        if value is None:
            continue
        colour, hollow = COLOURS.get(row.arm, OTHER), _doubtful(summary, row, key)
        axis.plot(value["values"], [place] * len(value["values"]), "|", color=colour, alpha=0.5, markersize=6)
        if value["low"] is not None:
            axis.hlines(place, value["low"], value["high"], color=colour, linewidth=1.5)
        axis.plot(value["mean"], place, "o", color=colour, markersize=5, fillstyle="none" if hollow else "full")
    axis.set_title(MEASURES.get(key, key), fontsize=10)
    axis.grid(axis="x", alpha=0.3)
    axis.tick_params(labelsize=8)
    axis.set_xlim(-0.02, 1.02)
