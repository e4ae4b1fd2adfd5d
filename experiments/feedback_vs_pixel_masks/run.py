"""Does feedback do better than pixel masks of every image, and than never having seen the shortcut?

    python -m experiments.feedback_vs_pixel_masks.run --task digits
    python -m experiments.feedback_vs_pixel_masks.run --task mnist --data-dir DATA --seeds 8

Stopped and started again it goes on. Every cell can be rerun alone by the command that results.json gives for it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.feedback_vs_pixel_masks.page import page_of
from experiments.grids import as_measured, run
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
from explainfb.robustness.settings import THOROUGH
from explainfb.study.settings import StudySettings
from explainfb.sweeps.settings import Grid, GridSettings

TaskName = Literal["digits", "mnist"]
FOLLOWED = {
    "as-it-is": FinetuneSettings(),
    "gradient-penalty": FinetuneSettings(gradient_penalty=0.01538),
    "adversarial-images": FinetuneSettings(adversarial_epsilon=0.1),
}
MASKS: dict[tuple[TaskName, bool], float] = {
    ("digits", False): 15.38,
    ("mnist", False): 1.538,
    ("digits", True): 0.1538,
    ("mnist", True): 1.538,
}
"""λ of pixel masks by task, without and with adversarial images, as chosen on validation images."""


@dataclass(frozen=True, kw_only=True)
class FeedbackVsPixelMasks:
    """Which task is run."""

    task: TaskName = "digits"
    setting: Literal["quick", "full"] = "quick"
    """`full`: the attacks for final numbers."""
    grid: Annotated[GridSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: GridSettings(folder=Path("studies/feedback_vs_pixel_masks"), first_seed=16, seeds=10)
    )

    @property
    def cells(self) -> dict[str, StudySettings]:
        evaluation = EvaluationSettings(attacks=THOROUGH) if self.setting == "full" else EvaluationSettings()
        return {
            f"{self.task}-{name}": as_measured(
                task=f"{self.task}-decoy",
                controls=("random_exchange", "rrr", "no_shortcut"),
                finetune=settings,
                baselines=BaselineSettings(rrr_strength=MASKS[self.task, settings.adversarial_epsilon > 0]),
                evaluation=evaluation,
            )
            for name, settings in FOLLOWED.items()
        }


def main(wanted: FeedbackVsPixelMasks) -> None:
    run(Grid(cells=wanted.cells, reference=f"{wanted.task}-gradient-penalty"), wanted.grid, page_of)


if __name__ == "__main__":
    main(tyro.cli(FeedbackVsPixelMasks, description=__doc__))
