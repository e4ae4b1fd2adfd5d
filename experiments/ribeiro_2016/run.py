"""Ribeiro, Singh, Guestrin 2016, sections 5.2 to 5.4, 6.3 and 6.4, in a size that a laptop does in minutes.

    python -m experiments.ribeiro_2016.run --data-dir DATA/books --pictures DATA/huskywolf

Each section has a script of its own, which says what it does, and whose defaults are nearer to the paper's size. Here
they run one after the other, each for at most 20 minutes on two free cores; what was stopped goes on. results.json in
--out has all of them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from experiments.kept import Line
from experiments.page import write_json, write_page
from experiments.ribeiro_2016 import cleaning, faithful, husky_wolf, trust_model, trust_prediction
from experiments.ribeiro_2016.page import page_of
from explainfb.core.errors import InputError

Part = Literal["faithful", "trust_prediction", "trust_model", "cleaning", "husky_wolf"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the data are, and what is run."""

    data_dir: Path
    """A folder with positive.review and negative.review: one domain of the multi-domain sentiment dataset."""
    pictures: Path | None = None
    """A folder with train/husky, train/wolf, test/husky and test/wolf; without it 6.4 is left out."""
    out: Path = Path("studies/ribeiro_2016")
    parts: tuple[Part, ...] = ("faithful", "trust_prediction", "trust_model", "cleaning", "husky_wolf")

    def __post_init__(self) -> None:
        if not self.parts:
            raise InputError("No part was named; expected some of faithful … husky_wolf.")


def quick(settings: Settings) -> dict[str, Callable[[], Line]]:
    """Each part in its quick setting, which is what the README's tables were made with."""
    data, out = settings.data_dir, settings.out
    found: dict[str, Callable[[], Line]] = {
        "faithful": lambda: faithful.measure(faithful.Settings(data_dir=data, out=out, documents=DOCUMENTS)),
        "trust_prediction": lambda: trust_prediction.measure(
            trust_prediction.Settings(data_dir=data, out=out, documents=30, samples=2000, trees=200)
        ),
        "trust_model": lambda: trust_model.measure(trust_model.Settings(data_dir=data, out=out, pairs=6, samples=1000)),
        "cleaning": lambda: cleaning.measure(
            cleaning.Settings(
                data_dir=data, out=out, first_seed=1, people=1, samples=300, among=60, qualities=(0.9, 0.5)
            )
        ),
    }
    pictures = settings.pictures
    if pictures is not None:
        found["husky_wolf"] = lambda: husky_wolf.measure(husky_wolf.Settings(data_dir=pictures, out=out))
    return found


DOCUMENTS = 60


def main(settings: Settings) -> None:
    """Results of parts that were run before stay."""
    path = settings.out / "results.json"
    results: Line = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"format": 1}
    for name, run in quick(settings).items():
        if name in settings.parts:
            results[name] = run()
            write_json(results, path)
    write_page(page_of(path), settings.out)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
