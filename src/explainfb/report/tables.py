"""A study's numbers as tables: arms × measures, for the page and for the terminal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.table import Table

from explainfb.core.types import CrossCheck, Interval, RobustAccuracy, ThreatModel
from explainfb.report.measures import difference, direction, plain_measures, robustness, threat_models
from explainfb.report.number_format import plain, signed
from explainfb.results.measures import FAITHFULNESS, NORM_SIGNS, SHORTCUT_SHARE, Measure, size_of
from explainfb.results.records import ArmDescription, ArmResult, Compute, StudyResults
from explainfb.robustness.sanity_checks import meanings

DASH = "\N{EN DASH}"
MARKS = "abcdefghijklmnopqrstuvwxyz"


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

    arm: ArmDescription
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


WAYS = {"forward": "k images forward", "backward": "k images backward"}


def shown_measures(results: StudyResults) -> list[Measure]:
    """The columns of the main table: those that were measured on some arm."""
    arms = results.arms.values()
    return [measure for measure in plain_measures(results) if any(arm.measured(measure) for arm in arms)]


def main_table(results: StudyResults) -> ResultTable:
    """Accuracy, calibration, the share of the reasons on the shortcut, and what it cost, arm by arm."""
    shown, arms = shown_measures(results), results.arms.values()
    ways = WAYS if any(arm.compute for arm in arms) else {}
    rows = [
        Row(arm.arm, (*(_cell(m, arm.measured(m)) for m in shown), *(_thousands(arm.compute, way) for way in ways)))
        for arm in arms
    ]
    headings = [_heading(measure) for measure in shown]
    return ResultTable((Columns("", (*headings, *ways.values())),), tuple(rows))


def difference_table(results: StudyResults) -> ResultTable:
    """Feedback minus each other arm, paired over the same test images; numbers clear of 0 are claimed."""
    compared = [arm for arm in results.arms.values() if arm.arm.name in results.differences]
    shown = [m for m in shown_measures(results) if any(difference(results, m, arm) for arm in compared)]
    rows = [Row(arm.arm, tuple(_difference_cell(m, difference(results, m, arm)) for m in shown)) for arm in compared]
    names = [f"{measure.heading}, points" if measure.in_percent else measure.heading for measure in shown]
    return ResultTable((Columns("feedback minus the arm", tuple(names)),), tuple(rows))


def robust_table(results: StudyResults) -> ResultTable:
    """Robust accuracy, arm by arm, at every ε of both norms; numbers that failed a check refer to a note."""
    models, notes = threat_models(results), _notes(results)
    rows = [Row(arm.arm, tuple(_robust_cell(arm, model, notes) for model in models)) for arm in results.arms.values()]
    radii = {norm: tuple(size_of(model.epsilon) for model in models if model.norm == norm) for norm in NORM_SIGNS}
    columns = [Columns(f"{NORM_SIGNS[norm]}, ε =", names) for norm, names in radii.items() if names]
    return ResultTable(tuple(columns), tuple(rows), tuple((mark, text) for text, mark in notes.items()))


def summary_table(results: StudyResults) -> Table:
    """One arm a row, in the measures that a reader asks for first, for a terminal of 80 characters.

    The report has every number with its interval.
    """
    robust = robustness(results)
    shown = [measure for measure in (*shown_measures(results), robust) if measure not in (None, SHORTCUT_SHARE)]
    table = _terminal_table(results, results.task, shown, _starred)
    if not all(arm.is_reliable(measure) for arm in results.arms.values() for measure in shown):
        table.caption = "* a sanity check failed; the report says which"
        table.caption_justify = "left"
    return table


def faithfulness_summary(results: StudyResults) -> Table | None:
    """How true each arm's explanations are, each number ± half of its 95 % interval; None where it was not measured."""
    images = images_of_faithfulness(results)
    if not images:
        return None
    return _terminal_table(results, f"faithfulness, n = {images}", FAITHFULNESS, _with_half)


def _terminal_table(
    results: StudyResults, title: str, shown: Sequence[Measure], cell: Callable[[ArmResult, Measure], str]
) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column(title, no_wrap=True)
    for measure in shown:
        table.add_column(_heading(measure), justify="right", no_wrap=True)
    for arm in results.arms.values():
        style = "bold" if arm.arm.role == "feedback" else None
        table.add_row(arm.arm.label, *(cell(arm, measure) for measure in shown), style=style)
    return table


def faithfulness_table(results: StudyResults) -> ResultTable:
    """How true each arm's explanations are to its classifier, with 95 % intervals; no rows where nobody asked."""
    arms = [arm for arm in results.arms.values() if arm.faithfulness is not None]
    rows = [Row(arm.arm, tuple(_cell(measure, arm.measured(measure)) for measure in FAITHFULNESS)) for arm in arms]
    return ResultTable((Columns("", tuple(measure.heading for measure in FAITHFULNESS)),), tuple(rows))


def images_of_faithfulness(results: StudyResults) -> str:
    """On how many images, such as `20`, or `18 to 20` where arms differ; empty where it was not measured."""
    counts = sorted({arm.faithfulness.n for arm in results.arms.values() if arm.faithfulness is not None})
    return " to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))) if counts else ""


def _with_half(arm: ArmResult, measure: Measure) -> str:
    found = arm.measured(measure)
    return DASH if found is None else f"{_decimal(found.estimate)} ± {_decimal((found.high - found.low) / 2)}"


def _heading(measure: Measure) -> str:
    return f"{measure.heading}, %" if measure.in_percent else measure.heading


def _starred(arm: ArmResult, measure: Measure) -> str:
    return _cell(measure, arm.measured(measure)).value + ("" if arm.is_reliable(measure) else "*")


def _cell(measure: Measure, value: Interval | None) -> Cell:
    if value is None:
        return Cell(DASH)
    write = _percentage if measure.in_percent else _decimal
    return Cell(write(value.estimate), _range(value, write))


def _thousands(compute: Compute | None, way: str) -> Cell:
    return Cell(DASH if compute is None else f"{getattr(compute, way) / 1000:,.1f}")


def _difference_cell(measure: Measure, found: Interval | None) -> Cell:
    if found is None:
        return Cell(DASH)
    scale, digits = (100, 1) if measure.in_percent else (1, 3)
    side = direction(measure, found)
    low, high = (signed(scale * end, digits=digits) for end in (found.low, found.high))
    claimed = "" if side == "unclear" else side
    return Cell(signed(scale * found.estimate, digits=digits), f"{low} to {high}", claimed=claimed)


def _robust_cell(arm: ArmResult, model: ThreatModel, notes: dict[str, str]) -> Cell:
    robust = next((each for each in arm.robust_accuracy if each.threat_model == model), None)
    if robust is None:
        return Cell(DASH)
    limits = _range(robust.accuracy, _percentage) + _cross_check_note(robust.cross_check)
    return Cell(_percentage(robust.accuracy.estimate), limits, notes.get(_why(robust), ""))


def _cross_check_note(check: CrossCheck | None) -> str:
    """How many images held against another library's attack, and how many of the same ones against ours."""
    if check is None:
        return ""
    theirs, ours = _percentage(check.accuracy), _percentage(check.ours)
    return f"; {check.attack} {theirs}, ours {ours} on the same {check.n}"


def _notes(results: StudyResults) -> dict[str, str]:
    """Each reason not to rely on a number, with the letter that refers to it."""
    rows = [robust for arm in results.arms.values() for robust in arm.robust_accuracy]
    reasons = dict.fromkeys(_why(robust) for robust in rows if not robust.reliable)
    return {why: MARKS[index % len(MARKS)] for index, why in enumerate(reasons)}


def _why(robust: RobustAccuracy) -> str:
    return " ".join(meanings().get(flag, flag) for flag in robust.flags)


def _percentage(fraction: float) -> str:
    return f"{100 * fraction:.1f}"


def _decimal(value: float) -> str:
    return plain(value, digits=3)


def _range(limits: Interval, write: Callable[[float], str]) -> str:
    return DASH.join(write(end) for end in (limits.low, limits.high))
