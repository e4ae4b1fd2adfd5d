"""A grid's summary for a page: its numbers, tables in Markdown, and a figure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from explainfb.core.errors import InputError
from explainfb.core.files import write_whole
from explainfb.results.upgrade import DESCRIPTIONS

LABELS = {name: label for name, (label, _, _) in DESCRIPTIONS.items()}

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
    """Three digits without a zero as the only one before the point, as in .931."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.3f}")


def table(summary: Mapping[str, Any], rows: Sequence[Row], measures: Mapping[str, str] = MEASURES) -> str:
    """Markdown: one line a row, mean ± half the 95 % t-interval over seeds; a star where an honesty check failed.

    The last column has the thousands of images that went forward and backward through the network on the first seed.
    """
    known = [row for row in rows if row.cell in summary["cells"]]
    present = {key: name for key, name in measures.items() if any(value_of(summary, row, key) for row in known)}
    lines = ["| | " + " | ".join([*present.values(), "passes"]) + " |", "|---" * (len(present) + 2) + "|"]
    for row in known:
        strong = "**" if row.arm == "after" and len({each.arm for each in rows}) > 1 else ""
        cells = [*(_written(summary, row, key) for key in present), _passes(summary, row)]
        lines.append(f"| {strong}{row.label}{strong} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def value_of(summary: Mapping[str, Any], row: Row, key: str) -> dict[str, Any] | None:
    """What was measured of a row: values by seed, mean, low and high; None if it was not."""
    found: dict[str, Any] | None = summary["cells"][row.cell]["arms"].get(row.arm, {}).get(key)
    return found


def is_doubtful(summary: Mapping[str, Any], row: Row, key: str) -> bool:
    """Whether an honesty check failed on some seed."""
    return key in summary["cells"][row.cell]["unreliable"].get(row.arm, {})


def _written(summary: Mapping[str, Any], row: Row, key: str) -> str:
    value = value_of(summary, row, key)
    if value is None:
        return "–"
    interval = "" if value["low"] is None else f" ± {number(value['high'] - value['mean'])}"
    return number(value["mean"]) + interval + ("\\*" if is_doubtful(summary, row, key) else "")


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


def write_page(summary: Mapping[str, Any], folder: Path, *, tables: str, drawing: Figure) -> None:
    """results.json, tables.md and figure.svg in `folder`."""
    numbers = json.dumps(summary, indent=1) + "\n"
    write_whole(folder / "results.json", lambda partial: partial.write_text(numbers, encoding="utf-8"))
    write_whole(folder / "tables.md", lambda partial: partial.write_text(tables, encoding="utf-8"))
    save(drawing, folder / "figure.svg")


def read_summary(path: Path) -> dict[str, Any]:
    """A grid's summary from the results.json that `write_page` left; `InputError` where there is none."""
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); give the results.json of a grid that was run.") from error
    if not isinstance(summary, dict) or not {"cells", "contrasts"} <= summary.keys():
        raise InputError(f"{path} holds no cells and contrasts; give the results.json of a grid that was run.")
    return summary


def save(drawing: Figure, path: Path) -> None:
    """An SVG: the same numbers make the same file."""
    with mpl.rc_context({"svg.hashsalt": "grid", "svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans"]}):
        write_whole(path, lambda partial: drawing.savefig(partial, format="svg", metadata={"Date": None}))
