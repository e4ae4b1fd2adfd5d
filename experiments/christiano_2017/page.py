"""The table and the figure of Christiano et al. 2017 on its own ground."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.kept import Line, interval
from experiments.page import Page, rows

ARMS = {
    "true": ("the true reward", "#666666"),
    "disagreement-700": ("**700 comparisons, by disagreement**", "#b35c00"),
    "random-700": ("700 comparisons, at random", "#5b3f8c"),
    "disagreement-1400": ("1,400 comparisons, by disagreement", "#e0a060"),
}
TITLES = {"cartpole": "CartPole", "pendulum": "Pendulum", "reacher": "Reacher (MuJoCo)"}


def page_of(path: Path) -> Page:
    """Of a results.json."""
    agents: dict[str, list[Line]] = json.loads(path.read_text(encoding="utf-8"))["agents"]
    return Page({"agents": table(agents)}, figure(agents))


def of(agents: Sequence[Line], arm: str) -> list[Line]:
    return [line for line in agents if line["arm"] == arm]


def shares(agents: Sequence[Line], arm: str) -> list[float]:
    """Of each seed: how much of what the true reward's agent gained over an untrained one this one gained."""
    true = {line["seed"]: line for line in of(agents, "true")}
    return [
        (line["return"] - true[line["seed"]]["chance"]) / (true[line["seed"]]["return"] - true[line["seed"]]["chance"])
        for line in of(agents, arm)
        if line["seed"] in true
    ]


def told(values: Sequence[float], digits: int) -> str:
    """A mean with its half 95 % t-interval over seeds."""
    if not values:
        return "–"
    found = interval(values)
    half = "" if found["half"] is None else f" ± {found['half']:.{digits}f}"
    return f"{found['mean']:.{digits}f}{half}"


def table(agents: dict[str, list[Line]]) -> str:
    heading = [
        "",
        "the agent's reward",
        "seeds",
        "return",
        "of the true reward's gain, %",
        "true return of a training episode, last round",
        "held-out answers foretold",
        "called equal",
    ]
    lines = []
    for task, every in agents.items():
        start = [line["chance"] for line in of(every, "true")]
        lines.append(
            [
                TITLES[task],
                "none: untrained",
                str(len(start)),
                told(start, 1),
                "0",
                told([line["curve"][0][1] for line in of(every, "true")], 1),
                "–",
                "–",
            ]
        )
        for arm, (name, _) in ARMS.items():
            some = of(every, arm)
            if some:
                gain = "100" if arm == "true" else told([100 * each for each in shares(every, arm)], 1)
                earned, last = ([line["return"] for line in some], [line["curve"][-1][1] for line in some])
                lines.append([TITLES[task], name, str(len(some)), told(earned, 1), gain, told(last, 1), *answers(some)])
    return rows(heading, lines)


def answers(some: Sequence[Line]) -> list[str]:
    """Of all seeds: right ones among those that are not equal, and equal ones."""
    if "right" not in some[0]:
        return ["–", "–"]
    right, asked = (sum(line[name] for line in some) for name in ("right", "held_out"))
    return [f"{right} of {asked}", f"{sum(line['equal'] for line in some)}"]


def figure(agents: dict[str, list[Line]]) -> Figure:
    """True return of training episodes, mean over seeds and each seed, against steps."""
    drawing = Figure(figsize=(2.4 * len(agents), 2.2), layout="constrained")
    for axes, (task, every) in zip(drawing.subplots(1, len(agents), squeeze=False)[0], agents.items(), strict=True):
        for arm, (name, colour) in ARMS.items():
            curves = [np.array(line["curve"]) for line in of(every, arm)]
            for curve in curves:
                axes.plot(curve[:, 0] / 1000, curve[:, 1], color=colour, linewidth=0.5, alpha=0.6)
            if curves:
                mean = np.mean(curves, axis=0)
                axes.plot(mean[:, 0] / 1000, mean[:, 1], color=colour, linewidth=2, label=name.strip("*"))
        axes.set_title(TITLES[task], fontsize=8)
        axes.set_xlabel("thousand steps", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    drawing.axes[0].set_ylabel("true return, training", fontsize=8)
    fullest = max(drawing.axes, key=lambda axes: len(axes.get_legend_handles_labels()[1]))
    drawing.legend(*fullest.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return drawing
