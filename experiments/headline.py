"""The table that experiments/README.md opens with, made from the results of the experiments.

    python experiments/headline.py

writes it between the two marks of README.md; a test compares them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from explainfb.grid_page import number
from explainfb.results import LABELS

HERE = Path(__file__).parent
BEGIN, END = "<!-- made by headline.py -->\n", "<!-- until here -->\n"
COLUMNS = (
    "before",
    "random exchange",
    "best other arm",
    "**feedback**",
    "never saw it",
    "shown of feedback",
    "numbers",
)
CEILING, NO_SHORTCUT = "ceiling", "no_shortcut"
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
    Start("digits, no shortcut, LeNet", ("robustness/sweeps/sound-digits.json",)),
)
MEASURES = (
    Measure("Shifted accuracy", "shifted_accuracy", "shifted accuracy"),
    Measure("Accuracy under attack, L∞ .1", "linf 0.1", "robust accuracy, linf 0.1"),
    Measure("Calibration error", "ece", "calibration error", lower_is_better=True),
)


def table() -> str:
    """Markdown: one line a start and measure, means with 95 % t-intervals over the seeds."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for measure in MEASURES:
        lines.append(f"| **{measure.heading}**" + " |" * (len(COLUMNS) + 1))
        for start in STARTS:
            found = [of_cell(read(path), start) for path in start.paths]
            if measure.key in found[0]["arms"]["after"]:
                lines.append("| " + " | ".join(cells(start, found, measure)) + " |")
    return "\n".join(lines) + "\n"


@cache
def read(path: str) -> Found:
    found: Found = json.loads((HERE / path).read_text(encoding="utf-8"))
    return found


def of_cell(summary: Found, start: Start) -> Found:
    """Arms, flags and contrasts of one start."""
    if start.cell is None:
        return summary
    own = [contrast for contrast in summary["contrasts"] if contrast["cell"] == start.cell]
    return summary["cells"][start.cell] | {"contrasts": own}


def cells(start: Start, found: list[Found], measure: Measure) -> Iterator[str]:
    """One line's."""
    arms = {arm: written(file, arm, measure) for file in reversed(found) for arm in file["arms"]}
    rival = best_other(found, measure)
    yield start.name
    yield arms["before"]
    yield arms.get("random_exchange", "–")
    yield "–" if rival is None else f"{arms[rival]} {LABELS[rival]}"
    yield f"**{arms['after']}**"
    yield arms.get(CEILING, "–")
    yield shown(found, rival, measure)
    yield " ".join(f"[{Path(path).stem}]({path})" for path in start.paths)


def written(found: Found, arm: str, measure: Measure) -> str:
    value = found["arms"][arm][measure.key]
    star = "\\*" if measure.key in found["unreliable"].get(arm, {}) else ""
    return f"{number(value['mean'])} ± {number(value['high'] - value['mean'])}{star}"


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
            (worse if (contrast["difference"] > 0) == measure.lower_is_better else better).append(name)
    told = [f"{word} than {', '.join(who)}" for word, who in (("better", better), ("worse", worse)) if who]
    return "; ".join(told) or "nothing"


def put(text: str) -> str:
    """The README's text with the table of today between the marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    page = HERE / "README.md"
    page.write_text(put(page.read_text(encoding="utf-8")), encoding="utf-8")
