"""The table of experiments/README.md that says at which size of attack classifiers break, made from the curves.

    python experiments/distances.py

writes it between the two marks of README.md, where a test compares it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from explainfb.results.format1 import LABELS
from explainfb.sweeps.tables import number

HERE = Path(__file__).parent
BEGIN, END = "<!-- made by distances.py -->\n", "<!-- until here, distances.py -->\n"
BEFORE, RANDOM, FEEDBACK, CEILING = "before", "random_exchange", "feedback", "ceiling"
NO_RIVALS = (BEFORE, RANDOM, FEEDBACK, CEILING, "oracle_reward")
"""Those with a column of their own, and the one that is feedback with the annotator's utility for a reward."""
MEASURE = "mean L∞ distance"
SHORT = {BEFORE: "before", RANDOM: "random", CEILING: "never saw it"}
Found = dict[str, Any]


@dataclass(frozen=True)
class Start:
    """A kind of classifier that feedback was given to: what its curves are called, in which folder of robustness/."""

    name: str
    folder: str
    start: str
    images: str = "shifted"


STARTS = (
    Start("MNIST, position, LeNet", "mnist-quick", "decoy"),
    Start("the same, tuned on adversarial images", "mnist-quick", "hardened"),
    Start("MNIST, grey, MLP", "mnist-grey-quick", "grey"),
    Start("digits, position, LeNet", "digits-quick", "decoy"),
    Start("the same, tuned on adversarial images", "digits-quick", "hardened"),
    Start("Fashion-MNIST, position, LeNet", "fashion-mnist-quick", "position"),
    Start("Fashion-MNIST, grey, MLP", "fashion-mnist-quick", "grey"),
    Start("MNIST, no shortcut, LeNet", "mnist-quick", "sound", "clean"),
    Start("digits, no shortcut, LeNet", "digits-quick", "sound", "clean"),
)


def table() -> str:
    """Markdown: one line a start, means with 95 % t-intervals over the seeds."""
    columns = ["before", "random exchange", "best other arm", "**feedback**", "never saw it", "shown of feedback"]
    lines = ["| | " + " | ".join([*columns, "numbers"]) + " |", "|---" * 8 + "|"]
    return "\n".join([*lines, *("| " + " | ".join(cells(start)) + " |" for start in STARTS)]) + "\n"


def cells(start: Start) -> Iterator[str]:
    """One line's."""
    curves = curves_of(start)
    rivals = [arm for arm in curves if arm not in NO_RIVALS]
    rival = max(rivals, key=lambda arm: curves[arm]["mean_distance"]["mean"])
    yield start.name
    for arm in (BEFORE, RANDOM, rival, FEEDBACK, CEILING):
        text = value(curves[arm]) if arm in curves else "–"
        yield f"**{text}**" if arm == FEEDBACK else f"{text} {LABELS[arm]}" if arm == rival else text
    yield shown(start, SHORT | {rival: "best other"})
    yield f"[{start.folder}](robustness/{start.folder}/results.json)"


@cache
def read(folder: str) -> Found:
    found: Found = json.loads((HERE / "robustness" / folder / "results.json").read_text(encoding="utf-8"))
    return found


def curves_of(start: Start) -> dict[str, Found]:
    """By arm."""
    wanted = (start.start, start.images, "linf")
    found = read(start.folder)["curves"]
    return {curve["arm"]: curve for curve in found if (curve["start"], curve["images"], curve["norm"]) == wanted}


def value(curve: Found) -> str:
    """With a star where a check failed on some seed, somewhere on the curve."""
    distance = curve["mean_distance"]
    return f"{number(distance['mean'])} ± {number(distance['half'])}" + "\\*" * any(curve["flagged"])


def shown(start: Start, names: dict[str, str]) -> str:
    """What the corrected tests say of feedback against the arms of the line, and against that of the folder's first
    start."""
    told: dict[str, list[str]] = {"better": [], "worse": []}
    for test in read(start.folder)["tests"]:
        if (test["reference"], test["images"], test["measure"]) == (f"{start.start}: feedback", start.images, MEASURE):
            name = "feedback without" if ":" in test["arm"] and start.start == "hardened" else names.get(test["arm"])
            if name is not None and test["is_one"]:
                told["better" if test["difference"] > 0 else "worse"].append(name)
    return "; ".join(f"{word} than {', '.join(who)}" for word, who in told.items() if who) or "nothing"


def put(text: str) -> str:
    """The README's text with the table of today between the marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    page = HERE / "README.md"
    page.write_text(put(page.read_text(encoding="utf-8")), encoding="utf-8")
