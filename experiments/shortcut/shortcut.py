"""Does feedback on explanations mend a shortcut? Two shortcuts, three data sets, two networks, every arm.

    python experiments/shortcut/shortcut.py --data-dir DATA                    # quick: MNIST
    python experiments/shortcut/shortcut.py --data-dir DATA --shortcuts position --networks mlp
    python experiments/shortcut/shortcut.py --data-dir DATA --setting full --tasks digits mnist fashion-mnist

Writes results.json, tables.md and figure.svg to --output. Stopped and started again it goes on; every cell can be rerun
alone by the command that results.json gives for it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

import tyro
from rich.console import Console

from explainfb.classifiers.settings import TrainingSettings
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.robustness.settings import THOROUGH
from explainfb.study.settings import KnownControl, StudySettings
from explainfb.sweeps.figures import arms_figure
from explainfb.sweeps.grid_runner import Grid, GridSettings, run_grid
from explainfb.sweeps.tables import contrast_table, read_summary, rows_of, table, write_page
from explainfb.tasks.shortcuts import Kind

Name = Literal["digits", "mnist", "fashion-mnist"]
Network = Literal["lenet", "mlp"]
BAIT: dict[Kind, Network] = {"position": "lenet", "grey": "mlp"}
"""The network that falls for each shortcut harder, on validation seeds."""


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """Which cells are run."""

    setting: Literal["quick", "full"] = "quick"
    """`full`: both networks for both shortcuts, and the attacks for final numbers."""
    tasks: tuple[Name, ...] = ("mnist",)
    shortcuts: tuple[Kind, ...] = ("position", "grey")
    networks: tuple[Network, ...] = ()
    """For every shortcut; without any, `quick` takes the one that falls for it harder."""
    grid: Annotated[GridSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: GridSettings(folder=Path("studies/shortcut"))
    )
    output: Path = Path("studies/shortcut")
    """Where the tables and the figure are written."""
    page_of: Path | None = None
    """A results.json of cells that were run: tables and figure are made of it anew, and nothing is run."""

    @property
    def cells(self) -> dict[str, StudySettings]:
        evaluation = EvaluationSettings(attacks=THOROUGH) if self.setting == "full" else EvaluationSettings()
        return {
            f"{task}-{kind}-{network}": StudySettings(
                task=f"{task}-decoy",
                shortcut=kind,
                controls=get_args(KnownControl),
                training=TrainingSettings(classifier=network),
                evaluation=evaluation,
            )
            for task in self.tasks
            for kind in self.shortcuts
            for network in self.networks or (get_args(Network) if self.setting == "full" else (BAIT[kind],))
        }


def main(wanted: Shortcut) -> None:
    console = Console()
    grid = Grid(cells=wanted.cells)
    summary = read_summary(wanted.page_of) if wanted.page_of else run_grid(grid, wanted.grid, console)
    tables = ""
    for cell, found in summary["cells"].items():
        closed = "".join(f"{value:.2f} " for value in found.get("gap_closed", {}).get("values", []))
        gap = f"\nShare of the gap to the ceiling closed, seed by seed: {closed}\n" if closed else ""
        tables += f"## {cell}\n\n{table(summary, rows_of(summary, cell))}{gap}\n{contrast_table(summary, cell)}\n"
    write_page(summary, wanted.output, tables=tables, drawing=arms_figure(summary))
    console.print(tables, markup=False)


if __name__ == "__main__":
    main(tyro.cli(Shortcut))
