"""Does feedback do more than one sentence can, and than every rival at its best?

    python -m experiments.one_sentence.tune --task digits
    python -m experiments.one_sentence.run --task digits
    python -m experiments.one_sentence.tune --task mnist --data-dir DATA
    python -m experiments.one_sentence.run --task mnist --data-dir DATA

`tune` prints what the rivals' settings below were chosen by. Stopped and started again `run` goes on. Every cell can be
rerun alone by the command that results.json gives for it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.grids import run
from experiments.one_sentence.page import page_of
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
from explainfb.study.settings import StudySettings
from explainfb.sweeps.settings import Grid, GridSettings

TaskName = Literal["digits", "mnist"]
BEST: dict[TaskName, BaselineSettings] = {
    "digits": BaselineSettings(),
    "mnist": BaselineSettings(),
}
"""RRR and cutout as `tune` chose them."""


@dataclass(frozen=True, kw_only=True)
class OneSentence:
    """Which task is run."""

    task: TaskName = "digits"
    grid: Annotated[GridSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: GridSettings(folder=Path("studies/one_sentence"), first_seed=31, seeds=5)
    )

    @property
    def cells(self) -> dict[str, StudySettings]:
        name = f"{self.task}-decoy"
        return {
            f"{self.task}-as-it-is": StudySettings(
                task=name,
                controls=("random_exchange", "cutout", "constant_map", "rrr", "no_shortcut_cutout", "no_shortcut"),
                baselines=BEST[self.task],
            ),
            f"{self.task}-gradient-penalty": StudySettings(
                task=name, controls=("constant_map",), finetune=FinetuneSettings(gradient_penalty=0.01538)
            ),
        }


def main(wanted: OneSentence) -> None:
    run(Grid(cells=wanted.cells, reference=f"{wanted.task}-as-it-is"), wanted.grid, page_of)


if __name__ == "__main__":
    main(tyro.cli(OneSentence, description=__doc__))
