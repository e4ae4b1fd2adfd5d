"""How should a classifier follow the reward: by counterexamples, or by the gradient of explanations?

    python -m experiments.counterexamples_vs_gradient.run
    python -m experiments.counterexamples_vs_gradient.run --task mnist --data-dir DATA --first-seed 2

Stopped and started again it goes on. Every cell can be rerun alone by the command that results.json gives for it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.counterexamples_vs_gradient.page import page_of
from experiments.grids import as_measured, run
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.study.settings import StudySettings
from explainfb.sweeps.settings import Grid, GridSettings

TaskName = Literal["digits", "mnist"]
STEPS: dict[TaskName, int] = {"digits": 160, "mnist": 480}
"""Gradient steps a round, as they were when these were run."""


@dataclass(frozen=True, kw_only=True)
class CounterexamplesVsGradient:
    """Which task is run."""

    task: TaskName = "digits"
    grid: Annotated[GridSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: GridSettings(folder=Path("studies/counterexamples_vs_gradient"), first_seed=0)
    )

    @property
    def cells(self) -> dict[str, StudySettings]:
        steps = STEPS[self.task]
        by_gradient = FinetuneSettings(steps=steps, counterexample_share=0.0, reward_weight=0.7, significance=1.0)
        return {
            f"{self.task}-counterexamples": as_measured(
                task=f"{self.task}-decoy",
                controls=("cross_entropy", "random_answers", "wrong_masks", "rrr", "no_shortcut"),
                finetune=FinetuneSettings(steps=steps),
            ),
            f"{self.task}-gradient": as_measured(
                task=f"{self.task}-decoy",
                controls=("cross_entropy", "random_answers", "no_shortcut"),
                finetune=by_gradient,
            ),
        }


def main(wanted: CounterexamplesVsGradient) -> None:
    run(Grid(cells=wanted.cells), wanted.grid, page_of)


if __name__ == "__main__":
    main(tyro.cli(CounterexamplesVsGradient, description=__doc__))
