"""How many answers does it take, how right must they be, who should give them, and which should be asked for?

    python -m experiments.label_efficiency.run                    # quick
    python -m experiments.label_efficiency.run --setting wide     # what README.md shows

Stopped and started again it goes on. Every cell can be rerun alone by the command that results.json gives for it.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.grids import as_measured, run
from experiments.label_efficiency.page import BASE, SCHEDULE, page_of
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.preferences.settings import QuerySettings
from explainfb.robustness.settings import BRIEF
from explainfb.study.settings import StudySettings
from explainfb.sweeps.settings import Grid, GridSettings

STEPS = 640
"""Gradient steps of every cell, however many answers and rounds it has."""
CROWD = (0.0, 0.1, 0.3, 0.5, 0.5)
"""How often each of five annotators is wrong: one knows, one tries, one is careless, two press anything."""
QUICK = EvaluationSettings(linf=(0.05, 0.1), l2=(), attack_images=200, attacks=BRIEF)


@dataclass(frozen=True, kw_only=True)
class LabelEfficiency:
    """Which cells are run."""

    setting: Literal["quick", "wide", "full"] = "quick"
    """`wide`: more numbers of answers, and random ones, wrong ones and the crowd's at more than one number. `full`:
    every number with every share of wrong ones and both strategies, and every attack of a study."""
    task: str = "digits-decoy"
    grid: Annotated[GridSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: GridSettings(folder=Path("studies/label_efficiency"))
    )

    @property
    def sizes(self) -> tuple[int, ...]:
        return (25, 100, 250, 1000, 4000) if self.setting == "quick" else tuple(SCHEDULE)

    @property
    def cells(self) -> dict[str, StudySettings]:
        found = {f"{size}-answers": self._of_size(size) for size in self.sizes}
        found[BASE] = replace(found[BASE], controls=("random_exchange", "no_shortcut"))
        return found | self._random | self._wrong | self._crowd

    @property
    def _random(self) -> dict[str, StudySettings]:
        sizes = {"quick": (100,), "wide": (100, 250, 1000), "full": self.sizes}[self.setting]
        queries = QuerySettings(strategy="random")
        return {f"{size}-answers-random": replace(self._of_size(size), queries=queries) for size in sizes}

    @property
    def _wrong(self) -> dict[str, StudySettings]:
        """By how many of a hundred choices are wrong."""
        rates: dict[int, tuple[int, ...]] = {250: (0, 20, 40), 1000: (40,)}
        if self.setting != "quick":
            rates = dict.fromkeys(self.sizes if self.setting == "full" else rates, (0, 20, 30, 40))
        return {
            f"{size}-answers-{rate}-wrong": replace(self._of_size(size), error_rate=rate / 100)
            for size, each in rates.items()
            for rate in each
        }

    @property
    def _crowd(self) -> dict[str, StudySettings]:
        found = {}
        for size in (250,) if self.setting == "quick" else (250, 1000):
            crowd = replace(self._of_size(size), crowd=CROWD)
            found[f"{size}-answers-crowd"] = crowd
            found[f"{size}-answers-crowd-weighed"] = replace(crowd, reward=replace(crowd.reward, reliability="learned"))
        return found

    def _of_size(self, answers: int) -> StudySettings:
        """The study with so many answers in all, and as many gradient steps as any other."""
        rounds, comparisons = SCHEDULE[answers]
        study = as_measured(
            task=self.task,
            controls=(),
            rounds=rounds,
            comparisons_per_round=comparisons,
            evaluation=EvaluationSettings() if self.setting == "full" else QUICK,
        )
        return replace(study, finetune=replace(study.finetune, steps=STEPS // rounds))


def main(wanted: LabelEfficiency) -> None:
    run(Grid(cells=wanted.cells, reference=BASE, against_arms=False), wanted.grid, page_of)


if __name__ == "__main__":
    main(tyro.cli(LabelEfficiency, description=__doc__))
