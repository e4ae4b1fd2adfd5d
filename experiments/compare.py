"""Does a rerun agree with what was found? Two results.json of the same cells, from two machines or versions.

    python -m experiments.compare experiments/shortcut_repair/results.json studies/shortcut_repair/results.json

prints how many means of the second lie within the first's 95 % intervals, how many intervals overlap, how many tests
decide alike, and which do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tyro

from explainfb.core.errors import InputError
from explainfb.sweeps.summary import GridSummary, OverSeeds
from explainfb.sweeps.summary_file import read_summary

Key = tuple[str, str, str]
"""Cell, arm and the key of a measure."""


@dataclass(frozen=True)
class Settings:
    """What is compared."""

    first: tyro.conf.Positional[Path]
    second: tyro.conf.Positional[Path]


def main(settings: Settings) -> None:
    print("\n".join(told(read_summary(settings.first), read_summary(settings.second))))


def told(first: GridSummary, second: GridSummary) -> Iterator[str]:
    """Sentences, and a line for each disagreement. Raises `InputError` where nothing is in both."""
    known = values_of(second)
    pairs = {key: (value, known[key]) for key, value in values_of(first).items() if key in known}
    if not pairs:
        raise InputError("No cell, arm and measure is in both files; give two results.json of one grid.")
    outside = {key: pair for key, pair in pairs.items() if not within(pair[1].mean, pair[0])}
    overlap = sum(overlaps(old, new) for old, new in pairs.values())
    inside = len(pairs) - len(outside)
    yield f"{inside} of {len(pairs)} means lie within the first's 95 % intervals; {overlap} intervals overlap."
    for key, (old, new) in outside.items():
        yield f"- {', '.join(key)}: {new.mean:.4f}, and {old.low:.4f} to {old.high:.4f}"
    decided = decisions_of(second)
    tests = [(key, decision, decided[key]) for key, decision in decisions_of(first).items() if key in decided]
    differ = [each for each in tests if each[1] != each[2]]
    yield f"{len(tests) - len(differ)} of {len(tests)} tests decide alike."
    for key, old_decision, new_decision in differ:
        yield f"- {', '.join(key)}: {_verdict(new_decision)}, and {_verdict(old_decision)}"


def _verdict(is_significant: bool) -> str:
    return "a difference" if is_significant else "no difference"


def within(mean: float, value: OverSeeds) -> bool:
    return value.low is not None and value.high is not None and value.low - 1e-9 <= mean <= value.high + 1e-9


def overlaps(old: OverSeeds, new: OverSeeds) -> bool:
    if old.low is None or old.high is None or new.low is None or new.high is None:
        return False
    return old.low <= new.high and new.low <= old.high


def values_of(summary: GridSummary) -> dict[Key, OverSeeds]:
    """Those that have an interval."""
    return {
        (name, arm, measure): value
        for name, cell in summary.cells.items()
        for arm, found in cell.arms.items()
        for measure, value in found.measured.items()
        if value.low is not None
    }


def decisions_of(summary: GridSummary) -> dict[Key, bool]:
    """Whether feedback differs from an arm, by the tests."""
    return {
        (name, each.arm, each.measure): each.is_significant
        for name, cell in summary.cells.items()
        for each in cell.contrasts
    }


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
