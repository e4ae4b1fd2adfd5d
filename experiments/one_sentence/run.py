"""Does feedback do more than one sentence can, and than rivals at their best?

    python -m experiments.one_sentence.tune
    python -m experiments.one_sentence.run --seeds 3

`tune` prints what the rivals' settings below were chosen by. Stopped and started again `run` goes on. Every cell can be
rerun alone by the command that results.json gives for it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from experiments.grids import run
from experiments.one_sentence.page import page_of
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
from explainfb.study.settings import KnownControl, StudySettings
from explainfb.sweeps.settings import Grid, GridSettings

BEST = BaselineSettings(rrr_strength=1.538, rrr_start="fresh", rrr_steps=4, cutout_size=0.25, cutout_steps=4)
"""RRR and cutout as `tune` chose them on digits-decoy."""
RIVALS: tuple[KnownControl, ...] = (
    "random_exchange",
    "cutout",
    "constant_map",
    "oracle_reward",
    "rrr",
    "no_shortcut_cutout",
    "no_shortcut",
)
CELLS = {
    "frame": StudySettings(controls=RIVALS, baselines=BEST),
    "frame-gradient-penalty": StudySettings(
        controls=("constant_map",), finetune=FinetuneSettings(gradient_penalty=0.01538)
    ),
    "ring": StudySettings(task="digits-ring", controls=RIVALS, baselines=BEST),
}


@dataclass(frozen=True, kw_only=True)
class OneSentence:
    """On which seeds it is run, and where."""

    grid: Annotated[GridSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: GridSettings(folder=Path("studies/one_sentence"), first_seed=31, seeds=5)
    )

    @property
    def cells(self) -> dict[str, StudySettings]:
        return CELLS


def main(wanted: OneSentence) -> None:
    run(Grid(cells=wanted.cells, reference="frame"), wanted.grid, page_of)


if __name__ == "__main__":
    main(tyro.cli(OneSentence, description=__doc__))
