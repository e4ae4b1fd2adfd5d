"""The table and the figure of what the stronger attacks leave."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.page import Page, label, rows
from experiments.stronger_attacks.attacked import Attacked, HeldUnder, by_arm, read_attacked
from explainfb.core.types import ThreatModel
from explainfb.results.measures import NORM_SIGNS

STUDIES = {
    "position-lenet": "",
    "gradient-penalty": ", gradient penalty",
    "adversarial-images": ", adversarial images",
    "tuned-rrr": ", tuned λ",
}
"""What was different in a study, after the name of the arm."""
COLOURS = {"feedback": "#0072B2", "no_shortcut": "#009E73", "rrr": "#CC79A7"}


def page_of(path: Path) -> Page:
    """Of a results.json."""
    found = read_attacked(path)
    return Page({"held": table(found)}, figure(found))


def table(found: Sequence[Attacked]) -> str:
    """One line an arm: of all images of all seeds, how many hold in the study, under THOROUGH, under AutoAttack."""
    groups = by_arm(found)
    threats = [each.threat_model for each in found[0].threats]
    heading = [written(each) for each in threats]
    lines = []
    for (task, study, arm), group in groups.items():
        cells = [_cell([one.threats[place] for one in group]) for place in range(len(threats))]
        images = sum(len(one.threats[0].held["study"]) for one in group)
        fell = sum(threat.fell_only_now for one in group for threat in one.threats)
        lines.append([f"{task}, {study}", label(arm), f"{images}", *cells, str(fell)])
    return rows(["studies", "arm", "images", *heading, "fell only now"], lines)


def _cell(seeds: Sequence[HeldUnder]) -> str:
    """With a star where a sanity check failed on some seed."""
    counts = [str(sum(int(each.held[name].sum()) for each in seeds)) for name in seeds[0].held]
    return ", ".join(counts) + "\\*" * any(each.flags for each in seeds)


def written(threat_model: ThreatModel) -> str:
    return f"{NORM_SIGNS[threat_model.norm]} {threat_model.epsilon:g}".replace("0.", ".")


def figure(found: Sequence[Attacked]) -> Figure:
    """What held in the study as a ring, what still holds as a point in it, and how many images lie between them."""
    groups = by_arm(found)
    tasks = list(dict.fromkeys(task for task, _, _ in groups))
    threats = [each.threat_model for each in found[0].threats]
    drawing = Figure(figsize=(10.2, 0.3 * len(groups) + 1.5), layout="constrained")
    grid = drawing.subplots(len(tasks), len(threats), sharex=True, sharey="row", squeeze=False)
    for line, task in zip(grid, tasks, strict=True):
        # the most robust first
        arms = sorted(
            (key for key in groups if key[0] == task), key=lambda key: -left(groups[key], len(threats) // 2).mean()
        )
        for column, axis in enumerate(line):
            for place, key in enumerate(arms):
                draw(axis, place, groups[key], column)
        names = [label(arm) + STUDIES[study] for _, study, arm in arms]
        line[0].set_yticks(range(len(arms)), names, fontsize=8)
        line[0].set_ylim(len(arms) - 0.4, -0.6)
        line[0].set_title(task, loc="left", fontsize=9, fontweight="bold")
    for axis, threat in zip(grid[-1], threats, strict=True):
        axis.set_xlabel(f"share of images that hold at {written(threat)}", fontsize=8)
    drawing.legend(handles=key_of_marks(), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return drawing


def left(group: Sequence[Attacked], place: int, *, all_attacks: bool = True) -> np.ndarray:
    """By seed, the share of images that hold at a size of attack: whatever was tried, or in the study."""
    threats = [one.threats[place] for one in group]
    if all_attacks:
        return np.array([np.all(list(each.held.values()), axis=0).mean() for each in threats])
    return np.array([each.held["study"].mean() for each in threats])


def draw(axis: Axes, place: int, group: Sequence[Attacked], column: int) -> None:
    """One arm at one size of attack."""
    colour, now, then = COLOURS[group[0].arm], left(group, column), left(group, column, all_attacks=False)
    fell = sum(one.threats[column].fell_only_now for one in group)
    axis.plot(now, [place] * len(now), "|", color=colour, alpha=0.6, markersize=8)
    axis.plot(then.mean(), place, "o", color=colour, markerfacecolor="none", markersize=9)
    axis.plot(now.mean(), place, "o", color=colour, markersize=4)
    images = sum(len(one.threats[column].held["study"]) for one in group)
    told = f"−{fell} of {images}" if fell else "0"
    axis.annotate(
        told,
        (max(now), place),
        (9, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        fontweight="bold" if fell else "normal",
    )
    axis.set_xlim(0, 1.19)
    axis.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0", ".25", ".5", ".75", "1"))
    axis.tick_params(labelsize=8)
    axis.grid(axis="x", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)


def key_of_marks() -> list[Line2D]:
    """What the marks mean."""
    grey = "#555555"
    shown = [
        Line2D([], [], color=grey, marker="o", markerfacecolor="none", markersize=9, label="held in the study"),
        Line2D([], [], color=grey, marker="o", markersize=4, label="still holds under the stronger attacks"),
        Line2D([], [], color=grey, marker="|", markersize=8, label="a seed (50 images)"),
        Line2D([], [], label="−1 of 150: images that fell only now"),
    ]
    for each in shown:
        each.set_linestyle("none")
    return shown
