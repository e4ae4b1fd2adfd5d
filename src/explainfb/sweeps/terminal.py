"""A sweep's summary, printed."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from explainfb.report.stopped_rounds import sentence
from explainfb.results.measures import SHIFTED, Measure
from explainfb.results.records import Stopped
from explainfb.statistics.contrasts import LEVEL
from explainfb.sweeps.summary import ArmSummary, CellSummary, GridSummary
from explainfb.sweeps.tables import label_of

ARMS_A_BLOCK = 4
"""Arms beside each other in a terminal of 80 characters."""


def print_sweep(console: Console, summary: GridSummary) -> None:
    """The table of means over seeds, what stopped, and what feedback gains or loses."""
    cell = summary.only
    arms = list(cell.arms.values())
    for start in range(0, len(arms), ARMS_A_BLOCK):
        console.print(_table(cell, arms[start : start + ARMS_A_BLOCK]))
    if any(arm.unreliable for arm in arms):
        console.print("* not to be relied on: a sanity check failed on some seed, named in its study's report.")
    for line in _in_few_words(cell):
        console.print(line, markup=False, highlight=False)
    if cell.contrasts:
        console.print(_contrast_table(cell))
    if cell.gap_closed is not None:
        each = ", ".join(f"{value:.2f}" for value in cell.gap_closed.values)
        console.print(f"Share of the gap to the ceiling closed: {cell.gap_closed.mean:.2f}, by seed {each}.")


def _table(cell: CellSummary, arms: Sequence[ArmSummary]) -> Table:
    seeds = ", ".join(str(seed) for seed in cell.seeds)
    table = Table(title=f"{cell.task}, seeds {seeds}: mean ± half the 95 % interval over seeds", box=None)
    table.add_column("")
    for arm in arms:
        table.add_column(arm.arm.label, justify="right")
    for measure in cell.before.measures:
        table.add_row(measure.heading, *(_written(arm, measure) for arm in arms))
    return table


def _written(arm: ArmSummary, measure: Measure) -> str:
    """Mean ± half the interval; a star where a sanity check failed on some seed."""
    value = arm.of(measure)
    if value is None:
        return "–"
    interval = "" if value.half is None else f"±{value.half:.2f}"
    return f"{value.mean:.3f}{interval}{'' if arm.is_reliable(measure) else '*'}"


def _in_few_words(cell: CellSummary) -> list[str]:
    """What had to stop: of each arm the first round, and how many more there are."""
    by_arm: dict[str, list[Stopped]] = {}
    for stopped in cell.stopped:
        by_arm.setdefault(stopped.arm, []).append(stopped)
    return [_first_of(cell.arms.get(name), rounds) for name, rounds in by_arm.items()]


def _first_of(arm: ArmSummary | None, rounds: Sequence[Stopped]) -> str:
    first = sentence(rounds[0])
    named = first if arm is None else f"{arm.arm.label}, {first[:1].lower()}{first[1:]}"
    return named + (f" (and {len(rounds) - 1} rounds more; sweep.json has them.)" if len(rounds) > 1 else "")


def _contrast_table(cell: CellSummary) -> Table:
    """What feedback gains or loses in shifted accuracy, and whether that may be called a difference."""
    table = Table(title="Feedback less each arm, shifted accuracy", box=None)
    for name in ("", "difference", "95 % interval", "p (Holm)", ""):
        table.add_column(name, justify="right")
    for contrast in cell.contrasts:
        if contrast.measure == SHIFTED.key:
            p = contrast.p
            table.add_row(
                label_of(cell, contrast),
                f"{contrast.difference:+.3f}",
                "–" if p is None else f"{contrast.low:+.3f} to {contrast.high:+.3f}",
                "–" if p is None else f"{p:.2g}",
                f"a difference (p < {LEVEL})" if contrast.is_significant else "not shown",
            )
    return table
