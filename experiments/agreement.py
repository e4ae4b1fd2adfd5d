"""Does a rerun agree with what was found? Two results.json of the same cells, from two machines or versions.

    python experiments/agreement.py experiments/shortcut/results.json studies/shortcut/results.json

prints how many means of the second lie within the first's 95 % intervals, how many intervals overlap, how many tests
decide alike, and which do not.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

Found = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What is compared."""

    first: tyro.conf.Positional[Path]
    second: tyro.conf.Positional[Path]


def main(settings: Settings) -> None:
    first, second = (json.loads(path.read_text(encoding="utf-8")) for path in (settings.first, settings.second))
    print("\n".join(told(first, second)))


def told(first: Found, second: Found) -> Iterator[str]:
    """Sentences, and a line for each disagreement."""
    known = dict(values_of(second))
    pairs = {name: (value, known[name]) for name, value in values_of(first) if name in known}
    if not pairs:
        raise SystemExit("No cell, arm and measure is in both; expected two results.json of one grid.")
    outside = {name: pair for name, pair in pairs.items() if not within(pair[1]["mean"], pair[0])}
    overlap = sum(old["low"] <= new["high"] and new["low"] <= old["high"] for old, new in pairs.values())
    yield (
        f"{len(pairs) - len(outside)} of {len(pairs)} means lie within the first's 95 % intervals; "
        f"{overlap} intervals overlap."
    )
    for name, (old, new) in outside.items():
        yield f"- {', '.join(name)}: {new['mean']:.4f}, and {old['low']:.4f} to {old['high']:.4f}"
    decided = dict(decisions_of(second))
    tests = [(name, decision, decided[name]) for name, decision in decisions_of(first) if name in decided]
    differ = [each for each in tests if each[1] != each[2]]
    yield f"{len(tests) - len(differ)} of {len(tests)} tests decide alike."
    for name, old, new in differ:
        yield f"- {', '.join(name)}: {'no ' * (not new)}difference, and {'no ' * (not old)}difference"


def within(mean: float, value: Found) -> bool:
    return bool(value["low"] - 1e-9 <= mean <= value["high"] + 1e-9)


def values_of(summary: Found) -> Iterator[tuple[tuple[str, ...], Found]]:
    """By cell, arm and measure, those that have an interval."""
    for cell, found in summary.get("cells", {}).items():
        for arm, values in found["arms"].items():
            for measure, value in values.items():
                if isinstance(value, dict) and value.get("low") is not None:
                    yield (cell, arm, measure), value


def decisions_of(summary: Found) -> Iterator[tuple[tuple[str, ...], bool]]:
    for test in summary["contrasts"]:
        yield (test["cell"], test["arm"], test["measure"]), test["is_one"]


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
