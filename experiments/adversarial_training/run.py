"""Does feedback add to adversarial training, of a classifier that learned a shortcut?

    python -m experiments.adversarial_training.run --data-dir DATA

Every arm is tuned on images that are attacked as it learns from them. Stopped and started again it goes on; every cell
can be rerun alone by the command that results.json gives for it.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.adversarial_training.page import page_of
from experiments.grids import as_measured, run
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
from explainfb.robustness.settings import THOROUGH
from explainfb.study.settings import StudySettings
from explainfb.sweeps.settings import Grid, GridSettings

TaskName = Literal["digits", "mnist"]
STRENGTHS: dict[TaskName, float] = {"mnist": 1.538, "digits": 0.1538}
"""λ of pixel masks, as chosen on validation images."""


@dataclass(frozen=True, kw_only=True)
class AdversarialTraining:
    """Which cells are run."""

    tasks: tuple[TaskName, ...] = ("mnist", "digits")
    setting: Literal["quick", "full"] = "quick"
    """`full`: the attacks for final numbers."""
    grid: Annotated[GridSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: GridSettings(folder=Path("studies/adversarial_training"))
    )

    @property
    def cells(self) -> dict[str, StudySettings]:
        found: dict[str, StudySettings] = {}
        for task in self.tasks:
            study = as_measured(
                task=f"{task}-decoy",
                controls=("adversarial_training", "random_exchange"),
                finetune=FinetuneSettings(adversarial_epsilon=0.1),
                evaluation=EvaluationSettings(attacks=THOROUGH) if self.setting == "full" else EvaluationSettings(),
            )
            masks = BaselineSettings(rrr_strength=STRENGTHS[task])
            found |= {task: study, f"{task}-pixel-masks": replace(study, controls=("rrr",), baselines=masks)}
        return found


def main(wanted: AdversarialTraining) -> None:
    run(Grid(cells=wanted.cells, measures=None), wanted.grid, page_of)


if __name__ == "__main__":
    main(tyro.cli(AdversarialTraining, description=__doc__))
