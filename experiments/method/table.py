"""The tables of README.md from results.jsonl.

python experiments/method/table.py
"""

import json
import math
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

import scipy.stats

HERE = Path(__file__).parent
MEASURES = ("shifted", "0.05", "0.1")
HEAD = """| probe | seeds | shifted | closed | ε=.05 | closed | ε=.1 | closed | margin / slope |
|---|---|---|---|---|---|---|---|---|"""
Row = dict[str, Any]


def main() -> None:
    rows = [json.loads(line) for line in (HERE / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    for depth in ("pgd", "full"):
        for task in ("mnist-decoy", "digits-decoy", "fashion-mnist-decoy"):
            chosen = [row for row in rows if row["depth"] == depth and row["task"] == task]
            if chosen:
                print(f"\n### {task}, {depth}\n")
                print(HEAD)
                for line in lines(chosen):
                    print(line)


def lines(rows: list[Row]) -> list[str]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["name"]].append(row)
    ends = {(row["arm"], row["seed"]): row for row in rows if row["arm"] in ("before", "ceiling")}
    return [line(name, group, ends) for name, group in groups.items()]


def line(name: str, group: list[Row], ends: dict[tuple[str, int], Row]) -> str:
    cells = [name, " ".join(str(row["seed"]) for row in group)]
    for measure in MEASURES:
        values = [value(row, measure) for row in group]
        closed = [gap(row, ends, measure) for row in group]
        cells += [several(values), "–" if any(map(math.isnan, closed)) else several(closed)]
    if "where" in group[0]:
        cells.append(several([ratio(row["where"]["margin"], row["where"]["slope_middle"]) for row in group]))
    return "| " + " | ".join(cells) + " |"


def value(row: Row, measure: str) -> float:
    """Accuracy on the shifted images, or what PGD or all attacks leave at this L∞ distance."""
    if measure == "shifted":
        return float(row["shifted"])
    return float(row["robust"].get(measure, row["robust"].get(f"linf {measure}")))


def gap(row: Row, ends: dict[tuple[str, int], Row], measure: str) -> float:
    """Which share of the way from the classifier before feedback to the ceiling of the same seed it has come."""
    found = [value(ends[arm, row["seed"]], measure) for arm in ("before", "ceiling") if (arm, row["seed"]) in ends]
    return ratio(value(row, measure) - found[0], found[1] - found[0]) if len(found) == 2 else math.nan


def ratio(part: float, whole: float) -> float:
    """Not a number where there is nothing to divide by: a constant output, or no gap."""
    return part / whole if whole else math.nan


def several(values: list[float]) -> str:
    """The values, or their mean with a 95 % t-interval where there are more than two."""
    if len(values) < 3:
        return ", ".join(f"{value:.3f}" for value in values)
    half = float(scipy.stats.sem(values) * scipy.stats.t.ppf(0.975, len(values) - 1))
    return f"{mean(values):.3f} ± {half:.3f} ({', '.join(f'{value:.2f}' for value in values)})"


if __name__ == "__main__":
    main()
