"""Does feedback repair a classifier that learned a shortcut? Two shortcuts, three data sets, two networks, every arm.

    python -m experiments.shortcut_repair.run --data-dir DATA                       # quick: MNIST
    python -m experiments.shortcut_repair.run --data-dir DATA --shortcuts position --networks mlp
    python -m experiments.shortcut_repair.run --data-dir DATA --setting full --tasks digits mnist fashion-mnist

Stopped and started again it goes on. Every cell can be rerun alone by the command that results.json gives for it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

import tyro

from experiments.grids import as_measured, run
from experiments.shortcut_repair.page import page_of
from explainfb.classifiers.settings import TrainingSettings
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
from explainfb.robustness.settings import THOROUGH
from explainfb.study.settings import KnownControl, StudySettings
from explainfb.sweeps.settings import Grid, GridSettings
from explainfb.tasks.shortcuts import Kind

TaskName = Literal["digits", "mnist", "fashion-mnist"]
EVERY_ARM: tuple[KnownControl, ...] = (
    "cross_entropy",
    "random_exchange",
    "random_answers",
    "wrong_masks",
    "oracle_reward",
    "rrr",
    "input_gradient",
    "adversarial_training",
    "no_shortcut",
)
"""Those that there were when it was run."""
Network = Literal["lenet", "mlp"]
LEARNS: dict[Kind, Network] = {"position": "lenet", "grey": "mlp"}
"""The network that falls for each shortcut harder, on validation seeds."""
VARIANTS = {
    "mnist-position-lenet-tuned-rrr": as_measured(
        task="mnist-decoy", controls=("rrr",), baselines=BaselineSettings(rrr_strength=1.538)
    ),
    "digits-position-lenet-tuned-rrr": as_measured(controls=("rrr",), baselines=BaselineSettings(rrr_strength=15.38)),
    "fashion-mnist-position-lenet-480-steps": as_measured(
        task="fashion-mnist-decoy",
        controls=("random_exchange", "no_shortcut"),
        finetune=FinetuneSettings(steps=480),
    ),
    "mnist-position-lenet-coin-followed": as_measured(
        task="mnist-decoy", controls=("random_answers",), finetune=FinetuneSettings(significance=1.0)
    ),
}
"""λ of RRR as chosen on validation images, more steps, and a coin whose reward is followed without evidence."""


@dataclass(frozen=True, kw_only=True)
class ShortcutRepair:
    """Which cells are run."""

    setting: Literal["quick", "full"] = "quick"
    """`full`: both networks for both shortcuts, and the attacks for final numbers."""
    tasks: tuple[TaskName, ...] = ("mnist",)
    shortcuts: tuple[Kind, ...] = ("position", "grey")
    networks: tuple[Network, ...] = ()
    """For every shortcut; without any, `quick` takes the one that falls for it harder."""
    variants: bool = False
    """Whether the four variants are run in place of these."""
    grid: Annotated[GridSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: GridSettings(folder=Path("studies/shortcut_repair"))
    )

    @property
    def cells(self) -> dict[str, StudySettings]:
        if self.variants:
            return VARIANTS
        evaluation = EvaluationSettings(attacks=THOROUGH) if self.setting == "full" else EvaluationSettings()
        return {
            f"{task}-{kind}-{network}": as_measured(
                task=f"{task}-decoy",
                shortcut=kind,
                controls=EVERY_ARM,
                training=TrainingSettings(classifier=network),
                evaluation=evaluation,
            )
            for task in self.tasks
            for kind in self.shortcuts
            for network in self.networks or (get_args(Network) if self.setting == "full" else (LEARNS[kind],))
        }


def main(wanted: ShortcutRepair) -> None:
    run(Grid(cells=wanted.cells), wanted.grid, page_of)


if __name__ == "__main__":
    main(tyro.cli(ShortcutRepair, description=__doc__))
