"""Does feedback go beyond pixel masks of every image, and beyond a classifier that never saw the shortcut?

    python experiments/beyond/beyond.py --task digits
    python experiments/beyond/beyond.py --task mnist --data-dir DATA
    python experiments/beyond/beyond.py --task digits --start sound

Writes results.json, tables.md and figure.svg to a folder in --output. Stopped and started again it goes on; every cell
can be rerun alone by the command that results.json gives for it.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from explainfb.evaluation.settings import EvaluationSettings
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
from explainfb.robustness.settings import THOROUGH
from explainfb.study.settings import StudySettings
from explainfb.sweeps.figures import arms_figure
from explainfb.sweeps.grid_runner import MEASURES, Grid, GridSettings, run_grid
from explainfb.sweeps.tables import contrast_table, read_summary, rows_of, table, write_page

AS_IT_IS, PENALTY, ADVERSARIAL = "as-it-is", "gradient-penalty", "adversarial-images"
Name = Literal["digits", "mnist"]
PENALISED = 0.01538
"""γ of the penalty on what the reward finds unwanted, and λ of the pixel masks beside it where no shortcut is."""
FOLLOWED = {AS_IT_IS: FinetuneSettings(), PENALTY: FinetuneSettings(gradient_penalty=PENALISED)}
MASKS: dict[tuple[Name, bool], float] = {
    ("digits", False): 15.38,
    ("mnist", False): 1.538,
    ("digits", True): 0.1538,
    ("mnist", True): 1.538,
}
"""λ of pixel masks by task, without and with adversarial images, as chosen on validation images (`../method`)."""


@dataclass(frozen=True, kw_only=True)
class Beyond:
    """Which task is run."""

    task: Name = "digits"
    start: Literal["decoy", "sound"] = "decoy"
    """Whether the classifier learned a shortcut, or there never was one."""
    setting: Literal["quick", "full"] = "quick"
    """`full`: the attacks for final numbers."""
    grid: Annotated[GridSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: GridSettings(folder=Path("studies/beyond"), first_seed=16, seeds=10)
    )
    output: Path = Path("studies/beyond")
    """Where the tables and the figure are written, in a folder named after task and start."""
    page_of: Path | None = None
    """A results.json of cells that were run: tables and figure are made of it anew, and nothing is run."""

    @property
    def name(self) -> str:
        return self.task if self.start == "decoy" else f"{self.task}-{self.start}"

    @property
    def cells(self) -> dict[str, StudySettings]:
        return self._sound if self.start == "sound" else self._decoy

    @property
    def _decoy(self) -> dict[str, StudySettings]:
        finetune = FOLLOWED | {ADVERSARIAL: FinetuneSettings(adversarial_epsilon=0.1)}
        return {
            name: StudySettings(
                task=f"{self.task}-decoy",
                controls=("random_exchange", "rrr", "no_shortcut"),
                finetune=settings,
                baselines=BaselineSettings(rrr_strength=MASKS[self.task, settings.adversarial_epsilon > 0]),
                evaluation=self._evaluation,
            )
            for name, settings in finetune.items()
        }

    @property
    def _sound(self) -> dict[str, StudySettings]:
        return {
            name: StudySettings(
                task=self.task,
                controls=("cross_entropy", "random_exchange", "rrr"),
                finetune=settings,
                baselines=BaselineSettings(rrr_strength=PENALISED),
                evaluation=self._evaluation,
            )
            for name, settings in FOLLOWED.items()
        }

    @property
    def _evaluation(self) -> EvaluationSettings:
        return EvaluationSettings(attacks=THOROUGH) if self.setting == "full" else EvaluationSettings()


def main(wanted: Beyond) -> None:
    console = Console()
    accuracy = "clean accuracy" if wanted.start == "sound" else "shifted accuracy"
    grid = Grid(cells=wanted.cells, reference=PENALTY, measures=(accuracy, *MEASURES[1:]))
    where = replace(wanted.grid, folder=wanted.grid.folder / wanted.name)
    summary = read_summary(wanted.page_of) if wanted.page_of else run_grid(grid, where, console)
    tables = "".join(f"## {cell}\n\n{table(summary, rows_of(summary, cell))}\n" for cell in summary["cells"])
    tables += "".join(f"## {cell}: tests\n\n{contrast_table(summary, cell)}\n" for cell in summary["cells"])
    write_page(summary, wanted.output / wanted.name, tables=tables, drawing=arms_figure(summary))
    console.print(tables, markup=False)


if __name__ == "__main__":
    main(tyro.cli(Beyond))
