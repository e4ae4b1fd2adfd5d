"""Does feedback make a classifier more robust that learned no shortcut?

    python -m experiments.without_shortcut.run
    python -m experiments.without_shortcut.run --more --data-dir DATA --first-seed 11 --seeds 5

Stopped and started again it goes on. Every cell can be rerun alone by the command that results.json gives for it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.grids import LINF_1, as_measured, run
from experiments.without_shortcut.page import page_of
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
from explainfb.results.measures import CLEAN, ECE
from explainfb.robustness.settings import THOROUGH
from explainfb.study.settings import KnownControl, StudySettings
from explainfb.sweeps.settings import Grid, GridSettings

STRENGTH = 0.01538
"""γ of the penalty on what the reward finds irrelevant, and λ of the pixel masks beside it."""
CONTROLS: tuple[KnownControl, ...] = ("cross_entropy", "random_exchange", "rrr")


@dataclass(frozen=True, kw_only=True)
class WithoutShortcut:
    """Which cells are run."""

    more: bool = False
    """MNIST and digits beside adversarial training too, in place of digits with the gradient penalty."""
    setting: Literal["quick", "full"] = "quick"
    """`full`: the attacks for final numbers."""
    grid: Annotated[GridSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: GridSettings(folder=Path("studies/without_shortcut"), first_seed=16, seeds=10)
    )

    @property
    def cells(self) -> dict[str, StudySettings]:
        evaluation = EvaluationSettings(attacks=THOROUGH) if self.setting == "full" else EvaluationSettings()
        if self.more:
            controls: tuple[KnownControl, ...] = (*CONTROLS, "adversarial_training")
            return {
                f"{task}-seeds-11-to-15": as_measured(task=task, controls=controls, evaluation=evaluation)
                for task in ("mnist", "digits")
            }
        followed = {"as-it-is": FinetuneSettings(), "gradient-penalty": FinetuneSettings(gradient_penalty=STRENGTH)}
        return {
            f"digits-{name}": as_measured(
                task="digits",
                controls=CONTROLS,
                finetune=settings,
                baselines=BaselineSettings(rrr_strength=STRENGTH),
                evaluation=evaluation,
            )
            for name, settings in followed.items()
        }


def main(wanted: WithoutShortcut) -> None:
    if wanted.more:
        grid = Grid(cells=wanted.cells, measures=None)
    else:
        grid = Grid(cells=wanted.cells, reference="digits-gradient-penalty", measures=(CLEAN, ECE, LINF_1))
    run(grid, wanted.grid, page_of)


if __name__ == "__main__":
    main(tyro.cli(WithoutShortcut, description=__doc__))
