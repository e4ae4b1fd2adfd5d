"""The numbers of results.json as tables: arms × measures, for the page and for the terminal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table

from explainfb.report.measures import CLEAN, ECE, NORM_SIGNS, SHARE, SHIFTED, TEST, Measure, clean
from explainfb.report.numerals import plain, signed
from explainfb.results.format1 import Arm, Evaluation, Results, arms
from explainfb.robustness.sanity_checks import meanings

DASH = "\N{EN DASH}"
MARKS = "abcdefghijklmnopqrstuvwxyz"
ABREAST = 5
"""Arms side by side in a terminal."""


@dataclass(frozen=True)
class Cell:
    """One number with its interval, both ready to be read."""

    value: str
    interval: str = ""
    mark: str = ""
    """The letter of the note that says why the number cannot be relied on."""
    claimed: str = ""
    """`better` or `worse` for a difference whose interval excludes 0."""


@dataclass(frozen=True)
class Row:
    """One arm."""

    arm: Arm
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Columns:
    """Columns that stand under one heading."""

    heading: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class ResultTable:
    """A table with its rows and the notes below it."""

    columns: tuple[Columns, ...]
    rows: tuple[Row, ...]
    notes: tuple[tuple[str, str], ...] = ()
    """(letter, why the numbers so marked cannot be relied on)"""


HEADINGS = {CLEAN: "clean, %", TEST: "test, %", SHIFTED: "shifted, %", ECE: "ECE", SHARE: "shortcut share, %"}

WAYS = {"forward": "k images forward", "backward": "k images backward"}


def shown_measures(results: Results) -> list[Measure]:
    """The columns of the main table: those that were measured on some arm."""
    named = [clean(results), SHIFTED, ECE, SHARE]
    return [m for m in named if any(m.value(arm.evaluation) is not None for arm in arms(results))]


def main_table(results: Results) -> ResultTable:
    """Accuracy, calibration, the share of the reasons on the shortcut, and what it cost, arm by arm."""
    shown, budget = shown_measures(results), results.get("budget", {})
    ways = WAYS if budget else {}
    rows = [
        Row(arm, (*(_cell(m, arm.evaluation) for m in shown), *(_thousands(budget.get(arm.key), way) for way in ways)))
        for arm in arms(results)
    ]
    return ResultTable((Columns("", (*(HEADINGS[m] for m in shown), *ways.values())),), tuple(rows))


def difference_table(results: Results) -> ResultTable:
    """After minus each other arm, paired; a difference is claimed where its interval excludes 0."""
    compared = [arm for arm in arms(results) if arm.key in results["differences"]]
    shown = [m for m in shown_measures(results) if any(m.difference(results, arm.key) for arm in compared)]
    rows = [Row(arm, tuple(_difference_cell(m, results, arm) for m in shown)) for arm in compared]
    names = tuple(HEADINGS[m].replace("%", "points") for m in shown)
    return ResultTable((Columns("after minus the arm", names),), tuple(rows))


def robust_table(results: Results) -> ResultTable:
    """Robust accuracy, arm by arm, at every ε of both norms; numbers that failed a check refer to a note."""
    cases = sorted({_case(row) for arm in arms(results) for row in arm.evaluation["robust_accuracy"]}, key=_case_order)
    notes = _notes(results)
    rows = [Row(arm, tuple(_robust_cell(arm.evaluation, case, notes) for case in cases)) for arm in arms(results)]
    norms = dict.fromkeys(norm for norm, _ in cases)
    columns = [Columns(f"{NORM_SIGNS[n]}, ε =", tuple(f"{e:g}" for norm, e in cases if norm == n)) for n in norms]
    return ResultTable(tuple(columns), tuple(rows), tuple((mark, text) for text, mark in notes.items()))


def table_text(results: Results) -> Group:
    """Every measure of every arm, one arm a column, for a terminal of 80 characters; print it with `rich`."""
    main, robust = main_table(results), robust_table(results)
    names = [name for columns in main.columns for name in columns.names]
    norms = [(columns.heading.removesuffix(", ε ="), name) for columns in robust.columns for name in columns.names]
    names += [f"{norm} ε = {radius}, %" for norm, radius in norms]
    columns = [Row(row.arm, (*row.cells, *more.cells)) for row, more in zip(main.rows, robust.rows, strict=True)]
    blocks = [columns[start : start + ABREAST] for start in range(0, len(columns), ABREAST)]
    tables = [_block(results["task"], names, block) for block in blocks]
    tables[-1].caption = "\n".join(f"({mark}) not to be relied on: {text}" for mark, text in robust.notes) or None
    tables[-1].caption_justify = "left"
    return Group(*tables)


def _block(title: str, names: list[str], columns: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column(title, no_wrap=True, overflow="fold")
    for column in columns:
        table.add_column(column.arm.label, justify="right", style="bold" if column.arm.role == "after" else None)
    for name, cells in zip(names, zip(*(column.cells for column in columns), strict=True), strict=True):
        table.add_row(name, *(cell.value + (f" ({cell.mark})" if cell.mark else "") for cell in cells))
    return table


def _cell(measure: Measure, evaluation: Evaluation) -> Cell:
    value = measure.value(evaluation)
    if value is None:
        return Cell(DASH)
    write = _percentage if measure.in_points else _decimal
    limits = evaluation["intervals"][measure.key]
    return Cell(write(value), _range(limits, write) if limits else "")


def _thousands(budget: dict[str, int] | None, way: str) -> Cell:
    return Cell(DASH if budget is None else f"{budget[way] / 1000:,.1f}")


def _difference_cell(measure: Measure, results: Results, arm: Arm) -> Cell:
    found = measure.difference(results, arm.key)
    if found is None:
        return Cell(DASH)
    scale, digits = (100, 1) if measure.in_points else (1, 3)
    direction = measure.direction(found)
    low, high = (signed(scale * end, digits=digits) for end in (found.low, found.high))
    claimed = "" if direction == "unclear" else direction
    return Cell(signed(scale * found.estimate, digits=digits), f"{low} to {high}", claimed=claimed)


def _robust_cell(evaluation: Evaluation, case: tuple[str, float], notes: dict[str, str]) -> Cell:
    row = next((row for row in evaluation["robust_accuracy"] if _case(row) == case), None)
    if row is None:
        return Cell(DASH)
    limits = _range([row["low"], row["high"]], _percentage) + _beside(row.get("cross_check"))
    return Cell(_percentage(row["accuracy"]), limits, notes.get(_why(row), ""))


def _beside(check: dict[str, Any] | None) -> str:
    """What another library's attack left of the same images, and what ours did."""
    if check is None:
        return ""
    theirs, ours = _percentage(check["accuracy"]), _percentage(check["ours"])
    return f"; {check['attack']} {theirs}, ours {ours} on the same {check['n']}"


def _notes(results: Results) -> dict[str, str]:
    """Each reason not to rely on a number, with the letter that refers to it."""
    rows = [row for arm in arms(results) for row in arm.evaluation["robust_accuracy"]]
    reasons = dict.fromkeys(_why(row) for row in rows if not row["reliable"])
    return {why: MARKS[index % len(MARKS)] for index, why in enumerate(reasons)}


def _why(row: dict[str, object]) -> str:
    flags = row["flags"]
    assert isinstance(flags, list)
    if row["reliable"]:
        return ""
    spelled = [meanings().get(flag, str(flag)) for flag in flags]
    return " ".join(spelled) or "Not reliable, for a reason that was not recorded."


def _case(row: dict[str, object]) -> tuple[str, float]:
    return str(row["norm"]), float(str(row["epsilon"]))


def _case_order(case: tuple[str, float]) -> tuple[int, float]:
    return list(NORM_SIGNS).index(case[0]), case[1]


def _percentage(fraction: float) -> str:
    return f"{100 * fraction:.1f}"


def _decimal(value: float) -> str:
    return plain(value, digits=3)


def _range(limits: list[float], write: Callable[[float], str]) -> str:
    return DASH.join(write(end) for end in limits)
