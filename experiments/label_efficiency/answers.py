"""How many answers does it take, how right must they be, who should give them, and which should be asked for?

    python experiments/label_efficiency/answers.py

Writes results.json, tables.md and figure.svg to --output. Stopped and started again it goes on; every cell can be rerun
alone by the command that results.json gives for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from rich.console import Console

from explainfb.evaluation.settings import EvaluationSettings
from explainfb.preferences.settings import QuerySettings
from explainfb.robustness.settings import BRIEF
from explainfb.study.settings import StudySettings
from explainfb.sweeps.grid_runner import Grid, GridSettings, run_grid
from explainfb.sweeps.tables import Row, contrast_table, is_doubtful, read_summary, table, write_page

STEPS = 640
"""Gradient steps of every cell, however many answers and rounds it has."""
SCHEDULE = {25: (1, 25), 50: (2, 25), 100: (4, 25), 250: (4, 63), 500: (4, 125), 1000: (4, 250)} | {
    2000: (4, 500),
    4000: (4, 1000),
}
"""Answers in all → rounds, and comparisons a round."""
CROWD = (0.0, 0.1, 0.3, 0.5, 0.5)
"""How often each of five annotators is wrong: one knows, one tries, one is careless, two press anything."""
QUICK = EvaluationSettings(linf=(0.05, 0.1), l2=(), attack_images=200, attacks=BRIEF)
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
    page_of: Path | None = None
    """A results.json of cells that were run: tables and figure are made of it anew, and nothing is run."""

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
        random = QuerySettings(strategy="random")
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
    return replace(study, rounds=rounds, comparisons_per_round=comparisons, finetune=steps, **changes)


def main(wanted: LabelEfficiency) -> None:
    console = Console()
    grid = Grid(cells=wanted.cells, reference=BASE, against_arms=False)
    summary = read_summary(wanted.page_of) if wanted.page_of else run_grid(grid, wanted.grid, console)
    rows = [Row("before", BASE, "before"), Row("nobody asked: random exchange", BASE, "random_exchange")]
    rows += [Row(name.replace("-", " "), name) for name in summary["cells"]] + [Row("ceiling", BASE, "ceiling")]
    tables = f"{table(summary, rows)}\n{contrast_table(summary)}"
    write_page(summary, wanted.output, tables=tables, drawing=curves(summary))
    console.print(tables, markup=False)


def curves(summary: Mapping[str, Any]) -> Figure:
    """Accuracy over the number of answers: the usual way of answering as a line, the others beside it."""
    drawing = Figure(figsize=(10.2, 5), layout="constrained")
    lines = lines_of(summary["cells"])
    aside = places_of(lines)
    for axis, (key, title) in zip(drawing.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
        for name, chosen in lines.items():
            _line(axis, summary, name, [(aside[cell], cell) for _, cell in chosen], key)
        for arm, dashes in (("before", ":"), ("random_exchange", "-."), ("ceiling", "--")):
            known = summary["cells"].get(BASE, {"arms": {}})["arms"].get(arm)
            if known:
                axis.axhline(known[key]["mean"], color="#777777", linestyle=dashes, label=arm.replace("_", " "))
        axis.set_xscale("log")
        axis.set_xticks(list(SCHEDULE), [f"{size:,}" for size in SCHEDULE], fontsize=8)
        axis.minorticks_off()
        axis.set_xlabel("answers (side by side: the same number)")
        axis.set_title(title, fontsize=10)
        axis.set_ylim(-0.01, 1.02)
        axis.grid(alpha=0.3)
    handles, names = drawing.axes[0].get_legend_handles_labels()
    handles.append(Line2D([], [], color="#555555", marker="o", markerfacecolor="white", linestyle="none"))
    names.append("hollow: an honesty check failed on some seed")
    drawing.legend(handles, names, fontsize=8, loc="outside lower center", ncols=4, frameon=False)
    return drawing


MAIN = "10 % wrong, asked by disagreement"
WAYS: dict[str, tuple[str, str, str]] = {
    "": (MAIN, "#0072B2", "o"),
    "random": ("10 % wrong, asked at random", "#D55E00", "s"),
    "0-wrong": ("none wrong", "#009E73", "^"),
    "20-wrong": ("20 % wrong", "#CC79A7", "v"),
    "30-wrong": ("30 % wrong", "#999999", "*"),
    "40-wrong": ("40 % wrong", "#E69F00", "D"),
    "crowd": ("a crowd", "#56B4E9", "P"),
    "crowd-weighed": ("a crowd, weighed", "#000000", "X"),
}
"""How answers were given, by the end of a cell's name: what a reader calls it, colour and marker."""
STYLES = {name: (colour, marker) for name, colour, marker in WAYS.values()}
ASIDE = 1.11
"""Points at the same number of answers are drawn so much apart."""


def lines_of(cells: Iterable[str]) -> dict[str, list[tuple[int, str]]]:
    """For each way of answering, (answers, cell) by number of answers."""
    found: dict[str, list[tuple[int, str]]] = {}
    for cell in cells:
        size, _, way = cell.partition("-answers")
        found.setdefault(WAYS[way.removeprefix("-")][0], []).append((int(size), cell))
    return {way: sorted(points) for way, points in found.items()}


def places_of(lines: Mapping[str, Sequence[tuple[int, str]]]) -> dict[str, float]:
    """Where each cell is drawn: the main line where it belongs, the others on either side of it."""
    beside: dict[int, list[str]] = {}
    found: dict[str, float] = {}
    for name, points in lines.items():
        for size, cell in points:
            found[cell] = size
            if name != MAIN:
                beside.setdefault(size, []).append(cell)
    for size, cells in beside.items():
        steps = [step for step in range(-(len(cells) // 2), len(cells) + 1) if step != 0]
        found |= {cell: size * ASIDE**step for cell, step in zip(cells, steps, strict=False)}
    return found


def _line(axis: Axes, summary: Mapping[str, Any], name: str, points: Sequence[tuple[float, str]], key: str) -> None:
    """Means, and every seed as a small dot: seeds on which no round was followed lie far from the others. Hollow where
    an honesty check failed on some seed."""
    colour, marker = STYLES[name]
    values = [summary["cells"][cell]["arms"]["after"][key] for _, cell in points]
    axis.plot([place for place, _ in points], [value["mean"] for value in values], color=colour, linewidth=1.2)
    for (place, cell), value in zip(points, values, strict=True):
        axis.plot([place] * len(value["values"]), value["values"], ".", color=colour, markersize=3, alpha=0.7)
        if value["low"] is not None:
            axis.vlines(place, max(value["low"], 0), min(value["high"], 1), color=colour, linewidth=0.8, alpha=0.7)
        face = "white" if is_doubtful(summary, Row(name, cell), key) else colour
        axis.plot(place, value["mean"], color=colour, marker=marker, markerfacecolor=face, markersize=6)
    axis.plot([], [], color=colour, marker=marker, label=name, linewidth=1.2)


if __name__ == "__main__":
    main(tyro.cli(LabelEfficiency))
