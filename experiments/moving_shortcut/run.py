"""Does feedback help where the shortcut lies elsewhere in each image, and what of it does the helping?

    python -m experiments.moving_shortcut.run --data-dir DATA --seeds 3

Five tasks with every rival: the shortcut lies beside the digit (`ring`), there and on the frame (`two`), across the
digit (`stripe`), behind it (`texture`), always at the same place (`frame`). In `ring-95` one image in twenty lacks it,
and rivals that count these for more come beside. `ring-250` asks for a quarter of the answers. The other cells ask
or read otherwise on `ring`, to see what each half is worth. Stopped and started again it goes on. Every cell can be
rerun alone by the command that results.json gives.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from experiments.grids import run
from experiments.moving_shortcut.page import page_of
from experiments.one_sentence.run import BEST
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.preferences.settings import QuerySettings
from explainfb.results.measures import ECE, SHIFTED
from explainfb.rewards.settings import RewardSettings
from explainfb.study.settings import KnownControl, StudySettings
from explainfb.sweeps.settings import Grid, GridSettings

RIVALS: tuple[KnownControl, ...] = ("random_exchange", "constant_map", "oracle_reward", "no_shortcut", "cutout", "rrr")
TOLD_APART = StudySettings(
    task="mnist-ring",
    train_images=3000,
    queries=QuerySettings(compared="superpixels", strategy="random"),
    reward=RewardSettings(features="classifier", steps=300),
    evaluation=EvaluationSettings(attack_images=20, explain_images=20, faithfulness_images=0),
    baselines=BEST,
    controls=RIVALS,
)
"""Two superpixels of one image are compared; the reward reads what the first classifier's convolutions see there."""
WHOLE = QuerySettings(strategy="random")
GROUPS: tuple[KnownControl, ...] = ("jtt", "group_dro", "dfr")
GROUPS_BEST = replace(BEST, jtt_steps=100, jtt_factor=20.0, group_dro_step=3.0, dfr_images="train")
"""Of eleven settings of JTT, six of group DRO and six of DFR those with most shifted accuracy on `ring-95`, seed 0."""
FEEDBACK_ALONE = replace(TOLD_APART, controls=())
CELLS = {
    "ring": TOLD_APART,
    "two": replace(TOLD_APART, task="mnist-two"),
    "stripe": replace(TOLD_APART, task="mnist-stripe"),
    "texture": replace(TOLD_APART, task="mnist-texture"),
    "frame": replace(TOLD_APART, task="mnist-decoy"),
    "ring-95": replace(TOLD_APART, shortcut_rate=0.95, baselines=GROUPS_BEST, controls=(*RIVALS, *GROUPS)),
    "ring-250": replace(FEEDBACK_ALONE, comparisons_per_round=63),
    "ring-whole-explanations": replace(FEEDBACK_ALONE, queries=WHOLE),
    "ring-pixels": replace(FEEDBACK_ALONE, reward=RewardSettings(steps=300)),
    "ring-neither": replace(FEEDBACK_ALONE, queries=WHOLE, reward=RewardSettings(steps=300)),
}


@dataclass(frozen=True, kw_only=True)
class MovingShortcut:
    """On which seeds it is run, and where."""

    grid: Annotated[GridSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: GridSettings(folder=Path("studies/moving_shortcut"), first_seed=41, seeds=5)
    )
    cells: tuple[str, ...] = (
        "ring",
        "two",
        "stripe",
        "texture",
        "frame",
        "ring-95",
        "ring-250",
        "ring-neither",
        "ring-whole-explanations",
    )
    """Which of the cells: ring, two, stripe, texture, frame, ring-95, ring-250, ring-whole-explanations,
    ring-pixels, ring-neither."""

    @property
    def chosen(self) -> dict[str, StudySettings]:
        return {name: CELLS[name] for name in self.cells}


def main(wanted: MovingShortcut) -> None:
    run(Grid(cells=wanted.chosen, reference=wanted.cells[0], measures=(SHIFTED, ECE)), wanted.grid, page_of)


if __name__ == "__main__":
    main(tyro.cli(MovingShortcut, description=__doc__))
