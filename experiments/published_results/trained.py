"""One classifier that was trained as a paper's was, and how it is kept."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.page import compact
from experiments.published_results.recipes import RECIPES, Arm, RecipeName
from explainfb.core.files import write_whole


@dataclass(frozen=True)
class Run:
    """One classifier to train."""

    recipe: RecipeName
    arm: Arm
    seed: int
    images: int
    epochs: int

    @property
    def order(self) -> tuple[int, int, int, str, int]:
        return list(RECIPES).index(self.recipe), self.images, self.epochs, self.arm, self.seed


@dataclass(frozen=True)
class Trained:
    """What it ended at."""

    run: Run
    train_accuracy: float
    shifted_accuracy: float
    clean_accuracy: float
    seconds: float

    @property
    def reported(self) -> float:
        """In per cent, what the papers report: on shifted images, without a shortcut on clean ones."""
        return 100 * (self.clean_accuracy if self.run.arm == "no_shortcut" else self.shifted_accuracy)


def read_trained(path: Path) -> list[Trained]:
    """From a results.json; none where there is no file."""
    if not path.is_file():
        return []
    rows = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return [Trained(Run(*row[:5]), *row[5:]) for row in rows]


def write_trained(found: Iterable[Trained], path: Path) -> None:
    """Into a results.json, whose other parts stay as they are."""
    rows = [
        [*asdict(each.run).values(), each.train_accuracy, each.shifted_accuracy, each.clean_accuracy, each.seconds]
        for each in sorted(found, key=lambda each: each.run.order)
    ]
    others = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    columns = [*Run.__dataclass_fields__, *list(Trained.__dataclass_fields__)[1:]]
    text = compact(others | {"columns": columns, "runs": rows}) + "\n"
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))
