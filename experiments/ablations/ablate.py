"""What does each part of the method contribute? One part taken out or changed at a time.

    python experiments/ablations/ablate.py
    python experiments/ablations/ablate.py --answers 250 --folder studies/ablations-250 --output studies/ablations-250
    python experiments/ablations/ablate.py --only 1000-masks lambda-0.3 --folder studies/more --output studies/more

Writes results.json, tables.md and figure.svg to --output. Stopped and started again it goes on; every cell can be rerun
alone by the command that results.json gives for it.
"""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from explainfb.evaluation.settings import EvaluationSettings
from explainfb.robustness.settings import BRIEF
from explainfb.study.settings import StudySettings
from explainfb.sweeps.figures import differences_figure
from explainfb.sweeps.grid_runner import Grid, GridSettings, run_grid
from explainfb.sweeps.tables import Row, contrast_table, read_summary, table, write_page

BASE, AT_ONCE = "as-it-is", "no-online-rounds"
QUICK = EvaluationSettings(linf=(0.05, 0.1), l2=(1.0,), attack_images=200, attacks=BRIEF)


def changed(study: StudySettings, **parts: Any) -> StudySettings:
    """The study with some settings of its parts changed: `changed(study, reward={"members": 1}, rounds=1)`."""
    new = {
        name: replace(getattr(study, name), **value) if isinstance(value, dict) else value
        for name, value in parts.items()
    }
    return replace(study, **new)


CHANGES: dict[str, dict[str, Any]] = {
    BASE: {},
    "one-reward-model": {"reward": {"members": 1}},
    AT_ONCE: {"rounds": 1, "finetune": {"steps": 640}},
    "random-queries": {"queries": {"choice": "random"}},
    "no-regularisation": {"reward": {"weight_decay": 0.0}},
    "no-normalisation": {"reward": {"normalised": False}},
    "utilities-for-comparisons": {"reward": {"learned_from": "utilities"}},
    "same-image-only": {"queries": {"same_image": 1.0}},
    "cross-image-only": {"queries": {"same_image": 0.0}},
    "64-masks": {"lime": {"masks": 64}},
    "gradient-for-exchange": {"finetune": {"exchanged": 0.0, "strength": 0.7}},
    "coin-followed": {"error_rate": 0.5, "finetune": {"evidence": 1.0}},
}
"""What is changed in each cell; everything else stays as it is."""
MORE: dict[str, dict[str, Any]] = {
    "1000-masks": {"lime": {"masks": 1000}},
    "papers-masks": {"lime": {"sampling": "lime", "fill": "mean"}},
    "papers-sampling": {"lime": {"sampling": "lime"}},
    "papers-fill": {"lime": {"fill": "mean"}},
    "absolute-scale": {"reward": {"scale": "probability"}},
    "gradient-and-exchange": {"finetune": {"strength": 0.2}},
    "half-exchanged": {"finetune": {"exchanged": 0.5}},
    "free-reward": {"reward": {"kind": "free"}, "finetune": {"exchanged": 0.0, "strength": 0.7}},
    "lambda-0.3": {"finetune": {"exchanged": 0.0, "strength": 0.3}},
    "lambda-1.5": {"finetune": {"exchanged": 0.0, "strength": 1.5}},
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
    output: Path = Path("studies/ablations")
    """Where the tables and the figure are written."""
    page_of: Path | None = None
    """A results.json of cells that were run: tables and figure are made of it anew, and nothing is run."""

    def __post_init__(self) -> None:
        if unknown := [name for name in self.only if name not in CHANGES | MORE]:
            raise SystemExit(f"Unknown cells: {', '.join(unknown)}; expected some of {', '.join(CHANGES | MORE)}.")

    @property
    def cells(self) -> dict[str, StudySettings]:
        full = self.setting == "full"
        evaluation = EvaluationSettings() if full else QUICK
        study = StudySettings(task=self.task, controls=(), evaluation=evaluation)
        study = replace(study, comparisons_per_round=math.ceil(self.answers / study.rounds))
        chosen = CHANGES | (MORE if full else {})
        if self.only:
            chosen = {name: parts for name, parts in (CHANGES | MORE).items() if name in (BASE, *self.only)}
        found = {name: changed(study, **parts) for name, parts in chosen.items()}
        if AT_ONCE in found:
            found[AT_ONCE] = replace(found[AT_ONCE], comparisons_per_round=study.rounds * study.comparisons_per_round)
        return found


def main(wanted: Ablations) -> None:
    console = Console()
    grid = Grid(cells=wanted.cells, reference=BASE, against_arms=False)
    summary = read_summary(wanted.page_of) if wanted.page_of else run_grid(grid, wanted.grid, console)
    reference = Row(BASE.replace("-", " "), BASE)
    rows = [Row("before", BASE, "before"), *(Row(name.replace("-", " "), name) for name in summary["cells"])]
    tables = f"{table(summary, rows)}\n{contrast_table(summary)}"
    write_page(summary, wanted.output, tables=tables, drawing=differences_figure(summary, rows, reference))
    console.print(tables, markup=False)


if __name__ == "__main__":
    main(tyro.cli(Ablations))
