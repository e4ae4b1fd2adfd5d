"""The table and the figure that experiments/README.md opens with, made from the results of the experiments.

    python experiments/headline.py

writes the table between the two marks of README.md, where a test compares it, and headline.svg.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from statsmodels.stats.multitest import multipletests

from explainfb.results.format1 import LABELS
from explainfb.statistics.contrasts import LEVEL
from explainfb.sweeps.figures import KINDS, LOGARITHMIC
from explainfb.sweeps.tables import number, save

HERE = Path(__file__).parent
BEGIN, END = "<!-- made by headline.py -->\n", "<!-- until here -->\n"
BEFORE, RANDOM, RIVAL, FEEDBACK, UNTOUCHED = COLUMNS = (
    "before",
    "random exchange",
    "best other arm",
    "feedback",
    "never saw it",
)
KIND = {BEFORE: "before", RANDOM: "control", RIVAL: "other method", FEEDBACK: "after", UNTOUCHED: "ceiling"}
"""What each column is drawn as."""
LEAST = 1e-3
"""An interval of the figure that reaches further down, on an axis that may be logarithmic, is cut off there."""
HOLLOW = "hollow: an honesty check failed on some seed"
CEILING, NO_SHORTCUT = "ceiling", "no_shortcut"
LEFT_OUT = {"work", "anew"}
"""Folders of what probes make, and of what was run a second time."""
NO_RIVALS = ("before", "random_exchange", "after", CEILING, "oracle_reward")
"""Those with a column of their own, and the one that is feedback with the annotator's utility for a reward."""
Found = dict[str, Any]


@dataclass(frozen=True)
class Start:
    """A kind of classifier that feedback was given to, and the files that have its arms."""

    name: str
    paths: tuple[str, ...]
    cell: str | None = None
    """Of a grid's file; a sweep's has one only."""


@dataclass(frozen=True)
class Measure:
    """What is compared: its heading, its key in a summary, its name in a contrast."""

    heading: str
    key: str
    contrast: str
    lower_is_better: bool = False


STARTS = (
    Start("MNIST, position, LeNet", ("shortcut/results.json",), "mnist-position-lenet"),
    Start("the same, pixel masks with a tuned λ", ("shortcut/tuned_rrr/mnist.json",)),
    Start("MNIST, position, MLP", ("shortcut/position-mlp/results.json",), "mnist-position-mlp"),
    Start("MNIST, grey, MLP", ("shortcut/results.json",), "mnist-grey-mlp"),
    Start("MNIST, grey, LeNet", ("shortcut/grey-lenet/results.json",), "mnist-grey-lenet"),
    Start("digits, position, LeNet", ("shortcut/digits/results.json",), "digits-position-lenet"),
    Start("the same, pixel masks with a tuned λ", ("shortcut/tuned_rrr/digits.json",)),
    Start("digits, position, MLP", ("shortcut/position-mlp/results.json",), "digits-position-mlp"),
    Start("digits, grey, MLP", ("shortcut/digits-grey/results.json",), "digits-grey-mlp"),
    Start("digits, grey, LeNet", ("shortcut/grey-lenet/results.json",), "digits-grey-lenet"),
    Start("Fashion-MNIST, position, LeNet", ("shortcut/fashion-mnist/results.json",), "fashion-mnist-position-lenet"),
    Start("the same, 480 steps a round", ("shortcut/fashion-mnist/longer.json",)),
    Start("Fashion-MNIST, position, MLP", ("shortcut/position-mlp/results.json",), "fashion-mnist-position-mlp"),
    Start("Fashion-MNIST, grey, MLP", ("shortcut/fashion-mnist/results.json",), "fashion-mnist-grey-mlp"),
    Start("Fashion-MNIST, grey, LeNet", ("shortcut/grey-lenet/results.json",), "fashion-mnist-grey-lenet"),
    Start(
        "MNIST, position, LeNet, tuned on adversarial images",
        ("robustness/sweeps/hardened-mnist.json", "robustness/sweeps/hardened-rrr-mnist.json"),
    ),
    Start(
        "digits, position, LeNet, tuned on adversarial images",
        ("robustness/sweeps/hardened-digits.json", "robustness/sweeps/hardened-rrr-digits.json"),
    ),
    Start("MNIST, no shortcut, LeNet", ("robustness/sweeps/sound-mnist.json",)),
    Start("digits, no shortcut, LeNet", ("robustness/sweeps/sound-digits.json",)),
    Start("MNIST, position, LeNet, other seeds, λ tuned", ("beyond/mnist/results.json",), "as-it-is"),
    Start("the same, with the gradient penalty", ("beyond/mnist/results.json",), "gradient-penalty"),
    Start("the same, on adversarial images", ("beyond/mnist/results.json",), "adversarial-images"),
    Start("digits, position, LeNet, other seeds, λ tuned", ("beyond/digits/results.json",), "as-it-is"),
    Start("the same, with the gradient penalty", ("beyond/digits/results.json",), "gradient-penalty"),
    Start("the same, on adversarial images", ("beyond/digits/results.json",), "adversarial-images"),
    Start("digits, no shortcut, LeNet, other seeds", ("beyond/digits-sound/results.json",), "as-it-is"),
    Start("the same, with the gradient penalty", ("beyond/digits-sound/results.json",), "gradient-penalty"),
)
MEASURES = (
    Measure("Shifted accuracy", "shifted_accuracy", "shifted accuracy"),
    Measure("Accuracy under attack, L∞ .1", "linf 0.1", "robust accuracy, linf 0.1"),
    Measure("Calibration error", "ece", "calibration error", lower_is_better=True),
)


@dataclass(frozen=True)
class Value:
    """One arm by one measure: the mean over seeds, its interval, and whether a check failed on some seed."""

    arm: str
    mean: float
    low: float
    high: float
    doubtful: bool

    def __str__(self) -> str:
        return f"{number(self.mean)} ± {number(self.high - self.mean)}" + "\\*" * self.doubtful


def table() -> str:
    """Markdown: one line a start and measure, means with 95 % t-intervals over the seeds."""
    headings = [*(emphasised(column, column) for column in COLUMNS), "shown of feedback", "numbers"]
    lines = ["| | " + " | ".join(headings) + " |", "|---" * (len(headings) + 1) + "|"]
    for measure in MEASURES:
        lines.append(f"| **{measure.heading}**" + " |" * (len(headings) + 1))
        for start, found in measured(measure):
            lines.append("| " + " | ".join(cells(start, found, measure)) + " |")
    return "\n".join(lines) + "\n"


def measured(measure: Measure) -> Iterator[tuple[Start, list[Found]]]:
    """The starts that have the measure, each with what its files hold of it."""
    for start in STARTS:
        found = [of_cell(read(path), start) for path in start.paths]
        if measure.key in found[0]["arms"]["after"]:
            yield start, found


def read(path: str) -> Found:
    return everything()[path]


@cache
def everything() -> dict[str, Found]:
    """Every file with tests, by its path here; of each test `remains`, whether it does after one correction of all."""
    paths = (path.relative_to(HERE) for path in sorted(HERE.rglob("*.json")))
    files = {
        path.as_posix(): json.loads((HERE / path).read_text(encoding="utf-8"))
        for path in paths
        if not LEFT_OUT & {*path.parts}
    }
    files = {path: file for path, file in files.items() if isinstance(file, dict) and tests_of(file)}
    tests = [test for file in files.values() for test in tests_of(file)]
    raw = [max(p for p in (test["p_seeds"], test["p_images"]) if p is not None) for test in tests]
    for test, p in zip(tests, multipletests(raw, method="holm")[1], strict=True):
        test["remains"] = bool(test["is_one"] and p < LEVEL)
    return files


def tests_of(file: Found) -> list[Found]:
    return [*file.get("contrasts", ()), *file.get("tests", ())]


def remaining() -> str:
    """How many differences remain when the tests of all files are corrected as one."""
    tests = [test for file in everything().values() for test in tests_of(file)]
    counts = [sum(test[name] for test in tests) for name in ("is_one", "remains")]
    return f"{counts[1]} of {counts[0]} differences remain of {len(tests):,} tests"


def of_cell(summary: Found, start: Start) -> Found:
    """Arms, flags and contrasts of one start."""
    if start.cell is None:
        return summary
    found: Found = summary["cells"][start.cell]
    return found | {"contrasts": [contrast for contrast in summary["contrasts"] if contrast["cell"] == start.cell]}


def cells(start: Start, found: list[Found], measure: Measure) -> Iterator[str]:
    """One line's."""
    values = values_of(found, measure)
    rival = values.get(RIVAL)
    yield start.name
    for column in COLUMNS:
        value = values.get(column)
        label = f" {LABELS[value.arm]}" if value and column == RIVAL else ""
        yield emphasised(column, "–" if value is None else f"{value}{label}")
    yield shown(found, rival.arm if rival else None, measure)
    yield " ".join(f"[{Path(path).stem}]({path})" for path in start.paths)


def emphasised(column: str, text: str) -> str:
    return f"**{text}**" if column == FEEDBACK else text


def values_of(found: list[Found], measure: Measure) -> dict[str, Value]:
    """By column, those that a start has."""
    arms = {arm: value_of(file, arm, measure) for file in reversed(found) for arm in file["arms"]}
    named = {BEFORE: "before", RANDOM: "random_exchange", RIVAL: best_other(found, measure), FEEDBACK: "after"}
    return {column: arms[arm] for column, arm in (named | {UNTOUCHED: CEILING}).items() if arm in arms}


def value_of(found: Found, arm: str, measure: Measure) -> Value:
    value = found["arms"][arm][measure.key]
    doubtful = measure.key in found["unreliable"].get(arm, {})
    return Value(arm, value["mean"], value["low"], value["high"], doubtful)


def best_other(found: list[Found], measure: Measure) -> str | None:
    """The arm with the best mean of those that have no column of their own."""
    sign = -1 if measure.lower_is_better else 1
    means = {
        arm: sign * values[measure.key]["mean"]
        for file in found
        for arm, values in file["arms"].items()
        if arm not in NO_RIVALS
    }
    return max(means, key=lambda arm: means[arm]) if means else None


def shown(found: list[Found], rival: str | None, measure: Measure) -> str:
    """What the corrected tests say of feedback against the arms of the line."""
    names = {"before": "before", "random_exchange": "random", rival: "best other", NO_SHORTCUT: "never saw it"}
    better: list[str] = []
    worse: list[str] = []
    for arm, name in names.items():
        contrasts = (each for file in found for each in file["contrasts"] if each["arm"] == arm)
        contrast = next((each for each in contrasts if each["measure"] == measure.contrast), None)
        if contrast is not None and contrast["is_one"]:
            told = better if (contrast["difference"] > 0) != measure.lower_is_better else worse
            told.append(name + "†" * contrast["remains"])
    parts = [f"{word} than {', '.join(who)}" for word, who in (("better", better), ("worse", worse)) if who]
    return "; ".join(parts) or "nothing"


def figure() -> Figure:
    """A panel a measure, a line a start: the columns' means with their intervals, hollow where a check failed."""
    drawing = Figure(figsize=(10.2, 0.9 + 0.33 * len(STARTS)), layout="constrained")
    panels = drawing.subplots(1, len(MEASURES), sharey=True)
    for axis, measure in zip(panels, MEASURES, strict=True):
        axis.set_title(measure.heading, loc="left", fontsize=9)
        if measure.key in LOGARITHMIC:
            axis.set_xscale("log")
            axis.set_title(f"{measure.heading}, logarithmic", loc="left", fontsize=9)
        for start, found in measured(measure):
            draw(axis, STARTS.index(start), values_of(found, measure))
        axis.grid(axis="x", alpha=0.3)
        axis.tick_params(labelsize=8)
        for place in range(1, len(STARTS), 2):
            axis.axhspan(place - 0.5, place + 0.5, color="#000000", alpha=0.04, linewidth=0)
    panels[0].set_yticks(range(len(STARTS)), [start.name for start in STARTS])
    panels[0].set_ylim(len(STARTS) - 0.5, -0.5)
    marks = {line.get_label(): line for line in panels[0].get_lines()}
    marks[HOLLOW] = Line2D([], [], color="#555555", marker="o", markerfacecolor="white", linestyle="none", markersize=4)
    drawing.legend(marks.values(), marks, loc="outside lower center", ncols=len(marks), frameon=False, fontsize=8)
    return drawing


def draw(axis: Axes, line: int, values: dict[str, Value]) -> None:
    """Each column a little below the last, so that none hides another."""
    for column, value in values.items():
        colour, marker = KINDS[KIND[column]]
        place = line + 0.15 * (COLUMNS.index(column) - COLUMNS.index(RIVAL))
        axis.hlines(place, max(value.low, LEAST), value.high, color=colour, linewidth=1.2)
        face = "white" if value.doubtful else colour
        axis.plot(value.mean, place, marker, color=colour, markerfacecolor=face, markersize=4, zorder=3, label=column)


def put(text: str) -> str:
    """The README's text with the table of today between the marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    page = HERE / "README.md"
    page.write_text(put(page.read_text(encoding="utf-8")), encoding="utf-8")
    save(figure(), HERE / "headline.svg")
    print(remaining())
