"""How many answers does it take, how right must they be, who should give them, and which should be asked for?

    python experiments/label_efficiency/answers.py

Writes results.json, tables.md and figure.svg to --output. Stopped and started again it goes on; every cell can be rerun
alone by the command that results.json gives for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from explainfb.attack_settings import BRIEF
from explainfb.evaluation import EvaluationSettings
from explainfb.files import write_whole
from explainfb.grid import Grid, GridSettings, run_grid
from explainfb.grid_page import Row, contrast_table, table, write_page
from explainfb.queries import QuerySettings
from explainfb.settings import StudySettings

STEPS = 640
"""Gradient steps of every cell, however many answers and rounds it has."""
SCHEDULE = {25: (1, 25), 50: (2, 25), 100: (4, 25), 250: (4, 63), 500: (4, 125), 1000: (4, 250)} | {
    2000: (4, 500),
    4000: (4, 1000),
}
"""Answers in all → rounds, and comparisons a round."""
CROWD = (0.0, 0.1, 0.3, 0.5, 0.5)
"""How often each of five annotators is wrong: one knows, one tries, one is careless, two press anything."""
QUICK = EvaluationSettings(linf=(0.05, 0.1), l2=(), attacked=200, attacks=BRIEF)
BASE = "1000-answers"
PANELS = {"shifted_accuracy": "shifted accuracy", "linf 0.1": "accuracy under attack, L∞ .1"}


@dataclass(frozen=True, kw_only=True)
class LabelEfficiency:
    """Which cells are run."""

    setting: Literal["quick", "wide", "full"] = "quick"
    """`wide`: more numbers of answers, and random ones, wrong ones and the crowd's at more than one number. `full`:
    every number with every share of wrong ones and both choices, and every attack of a study."""
    task: str = "digits-decoy"
    grid: Annotated[GridSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: GridSettings(folder=Path("studies/label_efficiency"))
    )
    output: Path = Path("studies/label_efficiency")
    """Where the tables and the figure are written."""

    @property
    def study(self) -> StudySettings:
        return StudySettings(
            task=self.task, controls=(), evaluation=EvaluationSettings() if self.setting == "full" else QUICK
        )

    @property
    def cells(self) -> dict[str, StudySettings]:
        full, wide = self.setting == "full", self.setting != "quick"
        sizes = tuple(SCHEDULE) if wide else (25, 100, 250, 1000, 4000)
        few = sizes if full else (100, 250, 1000) if wide else (100,)
        found = {f"{size}-answers": of_size(self.study, size) for size in sizes}
        found[BASE] = replace(found[BASE], controls=("random_exchange", "no_shortcut"))
        random = QuerySettings(choice="random")
        found |= {f"{size}-answers-random": of_size(self.study, size, queries=random) for size in few}
        wrong: dict[int, tuple[float, ...]] = {250: (0.0, 0.2, 0.4), 1000: (0.4,)}
        if wide:
            wrong = dict.fromkeys(sizes if full else wrong, (0.0, 0.2, 0.3, 0.4))
        for size, rates in wrong.items():
            for rate in rates:
                found[f"{size}-answers-{rate:.0%}-wrong".replace("%", "")] = of_size(self.study, size, error_rate=rate)
        for size in (250, 1000) if wide else (250,):
            crowd = of_size(self.study, size, crowd=CROWD)
            found[f"{size}-answers-crowd"] = crowd
            found[f"{size}-answers-crowd-weighed"] = replace(crowd, reward=replace(crowd.reward, reliability="learned"))
        return found


def of_size(study: StudySettings, answers: int, **changes: Any) -> StudySettings:
    """The study with so many answers in all, and as many gradient steps as any other."""
    rounds, comparisons = SCHEDULE[answers]
    steps = replace(study.finetune, steps=STEPS // rounds)
    return replace(study, rounds=rounds, comparisons=comparisons, finetune=steps, **changes)


def main(wanted: LabelEfficiency) -> None:
    console = Console()
    cells = wanted.cells
    summary = run_grid(Grid(cells=cells, reference=BASE, against_arms=False), wanted.grid, console)
    rows = [Row("before", BASE, "before"), Row("nobody asked: random exchange", BASE, "random_exchange")]
    rows += [Row(name.replace("-", " "), name) for name in cells] + [Row("ceiling", BASE, "ceiling")]
    tables = f"{table(summary, rows)}\n{contrast_table(summary)}"
    write_page(summary, wanted.output, tables=tables, rows=rows)
    curves(summary, cells, wanted.output / "figure.svg")
    console.print(tables, markup=False)


def curves(summary: Mapping[str, Any], cells: Mapping[str, StudySettings], path: Path) -> None:
    """Accuracy over the number of answers, a line for each way of answering, moved aside so that none hides another."""
    drawing = Figure(figsize=(11, 4.2), layout="constrained")
    lines = lines_of(cells)
    for axis, (key, title) in zip(drawing.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
        for place, ((name, chosen), style) in enumerate(zip(lines.items(), STYLES, strict=False)):
            _line(axis, summary, name, chosen, key, style, aside=1.06 ** (place - len(lines) // 2))
        for arm, dashes in (("before", ":"), ("random_exchange", "-."), ("ceiling", "--")):
            known = summary["cells"].get(BASE, {"arms": {}})["arms"].get(arm)
            if known:
                axis.axhline(known[key]["mean"], color="#777777", linestyle=dashes, label=arm.replace("_", " "))
        axis.set_xscale("log")
        axis.set_xticks(list(SCHEDULE), [f"{size:,}" for size in SCHEDULE], fontsize=8)
        axis.minorticks_off()
        axis.set_xlabel("answers")
        axis.set_title(title, fontsize=10)
        axis.set_ylim(0, 1.02)
        axis.grid(alpha=0.3)
    handles, names = drawing.axes[0].get_legend_handles_labels()
    drawing.legend(handles, names, fontsize=8, loc="outside right center")
    write_whole(path, lambda partial: drawing.savefig(partial, format="svg"))


STYLES = [
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "v"),
    ("#E69F00", "D"),
    ("#56B4E9", "P"),
    ("#000000", "x"),
    ("#999999", "*"),
]


def lines_of(cells: Mapping[str, StudySettings]) -> dict[str, list[tuple[int, str]]]:
    """For each way of answering, (answers, cell) by number of answers."""
    found: dict[str, list[tuple[int, str]]] = {}
    for cell in cells:
        size, _, way = cell.partition("-answers")
        found.setdefault(way.strip("-").replace("-", " ") or "10 wrong, by disagreement", []).append((int(size), cell))
    return {way: sorted(points) for way, points in found.items()}


def _line(
    axis: Axes,
    summary: Mapping[str, Any],
    name: str,
    points: Sequence[tuple[int, str]],
    key: str,
    style: tuple[str, str],
    aside: float,
) -> None:
    """Means, and every seed as a small dot: seeds on which no round was followed lie far from the others."""
    known = [(size, summary["cells"][cell]["arms"]["after"][key]) for size, cell in points if cell in summary["cells"]]
    if not known:
        return
    sizes = [size * aside for size, _ in known]
    axis.plot(sizes, [value["mean"] for _, value in known], color=style[0], marker=style[1], markersize=5, label=name)
    for size, (_, value) in zip(sizes, known, strict=True):
        axis.plot([size] * len(value["values"]), value["values"], ".", color=style[0], markersize=3, alpha=0.7)
        if value["low"] is not None:
            axis.vlines(size, max(value["low"], 0), min(value["high"], 1), color=style[0], linewidth=0.8, alpha=0.7)


if __name__ == "__main__":
    main(tyro.cli(LabelEfficiency))
