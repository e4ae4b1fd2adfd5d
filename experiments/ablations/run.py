"""What does each part of the method contribute? One part taken out or changed at a time.

    python -m experiments.ablations.run
    python -m experiments.ablations.run --answers 250 --folder studies/ablations-250
    python -m experiments.ablations.run --only 1000-masks lambda-0.3 --folder studies/ablations-more

Stopped and started again it goes on. Every cell can be rerun alone by the command that results.json gives for it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.ablations.page import AT_ONCE, BASE, page_of
from experiments.grids import as_measured, measured_as_then, run
from explainfb.core.errors import InputError
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.preferences.settings import QuerySettings
from explainfb.rewards.settings import RewardSettings
from explainfb.robustness.settings import BRIEF
from explainfb.study.settings import StudySettings
from explainfb.sweeps.settings import Grid, GridSettings

QUICK = EvaluationSettings(linf=(0.05, 0.1), l2=(1.0,), attack_images=200, attacks=BRIEF)
STUDY = as_measured(controls=())
GRADIENT = FinetuneSettings(counterexample_share=0.0, reward_weight=0.7)
"""The reward is followed by the gradient of explanations."""
CELLS: Mapping[str, StudySettings] = {
    BASE: STUDY,
    "one-reward-model": replace(STUDY, reward=RewardSettings(members=1)),
    AT_ONCE: replace(STUDY, rounds=1, finetune=FinetuneSettings(steps=640)),
    "random-queries": replace(STUDY, queries=QuerySettings(strategy="random")),
    "no-regularisation": replace(STUDY, reward=RewardSettings(weight_decay=0.0)),
    "no-normalisation": replace(STUDY, reward=RewardSettings(normalised=False)),
    "utilities-for-comparisons": replace(STUDY, reward=RewardSettings(learned_from="utilities")),
    "same-image-only": replace(STUDY, queries=QuerySettings(same_image=1.0)),
    "cross-image-only": replace(STUDY, queries=QuerySettings(same_image=0.0)),
    "64-masks": replace(STUDY, lime=replace(STUDY.lime, n_samples=64)),
    "gradient-for-exchange": replace(STUDY, finetune=GRADIENT),
    "coin-followed": replace(STUDY, error_rate=0.5, finetune=FinetuneSettings(significance=1.0)),
}
"""In each one thing is changed; everything else stays as it is."""
MORE: Mapping[str, StudySettings] = {
    "1000-masks": replace(STUDY, lime=replace(STUDY.lime, n_samples=1000)),
    "papers-masks": replace(STUDY, lime=replace(STUDY.lime, sampling="lime", fill="mean")),
    "papers-sampling": replace(STUDY, lime=replace(STUDY.lime, sampling="lime")),
    "papers-fill": replace(STUDY, lime=replace(STUDY.lime, fill="mean")),
    "absolute-scale": replace(STUDY, reward=RewardSettings(scale="probability")),
    "gradient-and-exchange": replace(STUDY, finetune=FinetuneSettings(reward_weight=0.2)),
    "half-exchanged": replace(STUDY, finetune=FinetuneSettings(counterexample_share=0.5)),
    "free-reward": replace(STUDY, reward=RewardSettings(kind="free"), finetune=GRADIENT),
    "lambda-0.3": replace(STUDY, finetune=replace(GRADIENT, reward_weight=0.3)),
    "lambda-1.5": replace(STUDY, finetune=replace(GRADIENT, reward_weight=1.5)),
}
"""In the full setting, or where they are named, besides."""


@dataclass(frozen=True, kw_only=True)
class Ablations:
    """Which cells are run."""

    setting: Literal["quick", "full"] = "quick"
    """`full`: more changes, and every attack of a study."""
    only: tuple[str, ...] = ()
    """Cells to run beside `as-it-is`, those of the full setting among them; none named are all of the setting."""
    task: str = "digits-decoy"
    answers: int = 1000
    """In all; each of the four rounds asks a quarter of them, rounded up."""
    grid: Annotated[GridSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: GridSettings(folder=Path("studies/ablations"))
    )

    def __post_init__(self) -> None:
        if unknown := [name for name in self.only if name not in {**CELLS, **MORE}]:
            raise InputError(f"Unknown cells: {', '.join(unknown)}; expected some of {', '.join({**CELLS, **MORE})}.")

    @property
    def cells(self) -> dict[str, StudySettings]:
        full = self.setting == "full"
        known = {**CELLS, **MORE}
        chosen = [name for name in known if name in (BASE, *self.only)] if self.only else known if full else CELLS
        evaluation = EvaluationSettings() if full else QUICK
        asked = math.ceil(self.answers / STUDY.rounds)
        return {
            name: replace(
                known[name],
                task=self.task,
                evaluation=measured_as_then(evaluation),
                comparisons_per_round=asked * STUDY.rounds if name == AT_ONCE else asked,
            )
            for name in chosen
        }


def main(wanted: Ablations) -> None:
    run(Grid(cells=wanted.cells, reference=BASE, against_arms=False), wanted.grid, page_of)


if __name__ == "__main__":
    main(tyro.cli(Ablations, description=__doc__))
