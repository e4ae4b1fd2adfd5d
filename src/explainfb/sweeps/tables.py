"""A summary's numbers as tables in Markdown, for a page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from explainfb.core.types import ThreatModel
from explainfb.results.measures import MEASURES, Measure, measure_of, robust_accuracy_under
from explainfb.results.records import FEEDBACK
from explainfb.statistics.contrasts import Contrast
from explainfb.sweeps.summary import ArmSummary, CellSummary, GridSummary, OverSeeds

ATTACKS = (ThreatModel("linf", 0.05), ThreatModel("linf", 0.1), ThreatModel("l2", 1.0))
COLUMNS = (*MEASURES, *map(robust_accuracy_under, ATTACKS))
"""Of a table unless others are named."""


@dataclass(frozen=True)
class Row:
    """One arm of one cell."""

    label: str
    cell: str
    arm: str = FEEDBACK


def rows_of(summary: GridSummary, cell: str) -> list[Row]:
    """Every arm of a cell, in the order of the tables."""
    return [Row(arm.arm.label, cell, name) for name, arm in summary.cells[cell].arms.items()]


def arm_of(summary: GridSummary, row: Row) -> ArmSummary | None:
    """What the summary has of a row; None where the cell has no such arm. The cell must be there."""
    return summary.cells[row.cell].arms.get(row.arm)


def value_of(summary: GridSummary, row: Row, measure: Measure) -> OverSeeds | None:
    """What was measured of a row; None if it was not."""
    arm = arm_of(summary, row)
    return None if arm is None else arm.of(measure)


def is_unreliable(summary: GridSummary, row: Row, measure: Measure) -> bool:
    """Whether a sanity check failed on some seed."""
    arm = arm_of(summary, row)
    return arm is not None and not arm.is_reliable(measure)


def number(value: float) -> str:
    """Three digits after the point, without a lone zero before it: .931."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.3f}")


def table(summary: GridSummary, rows: Sequence[Row], measures: Sequence[Measure] = COLUMNS) -> str:
    """Markdown: one line a row, mean ± half the 95 % t-interval over seeds; a star where a sanity check failed.

    The last column has the thousands of images that went forward and backward through the network on the first seed.
    Rows of cells that are not there are left out.
    """
    known = [row for row in rows if row.cell in summary.cells]
    present = [measure for measure in measures if any(value_of(summary, row, measure) for row in known)]
    headings = [*(measure.heading for measure in present), "passes"]
    lines = ["| | " + " | ".join(headings) + " |", "|---" * (len(present) + 2) + "|"]
    for row in known:
        strong = "**" if row.arm == FEEDBACK and len({each.arm for each in rows}) > 1 else ""
        cells = [*(_written(summary, row, measure) for measure in present), _passes(arm_of(summary, row))]
        lines.append(f"| {strong}{row.label}{strong} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _written(summary: GridSummary, row: Row, measure: Measure) -> str:
    value = value_of(summary, row, measure)
    if value is None:
        return "–"
    interval = "" if value.half is None else f" ± {number(value.half)}"
    return number(value.mean) + interval + ("\\*" if is_unreliable(summary, row, measure) else "")


def _passes(arm: ArmSummary | None) -> str:
    compute = None if arm is None else arm.compute
    return "–" if compute is None else f"{compute.forward / 1000:.0f} / {compute.backward / 1000:.0f}"


def contrast_table(summary: GridSummary, cell: str | None = None) -> str:
    """Markdown: feedback of one cell, or of all, less what it was tested against, and whether that is a difference."""
    lines = ["| feedback less | measure | difference | 95 % interval | p (Holm) | |", "|---" * 6 + "|"]
    for name, found in summary.cells.items():
        if cell in (None, name):
            lines += [_contrast_line(found, each) for each in found.contrasts if each.p is not None]
    return "\n".join(lines) + "\n"


def _contrast_line(cell: CellSummary, contrast: Contrast) -> str:
    what, measure = label_of(cell, contrast), measure_of(contrast.measure).short
    size = f"{contrast.difference:+.3f} | {contrast.low:+.3f} to {contrast.high:+.3f}"
    verdict = "a difference" if contrast.is_significant else "not shown" if contrast.reliable else "not to be relied on"
    return f"| {what} | {measure} | {size} | {contrast.p:.2g} | {verdict} |"


def label_of(cell: CellSummary, contrast: Contrast) -> str:
    """What feedback of a cell was tested against: an arm of its own in a few words, or another cell by its name."""
    arm = cell.arms.get(contrast.arm)
    return contrast.arm if arm is None else arm.arm.label
