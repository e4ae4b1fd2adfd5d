"""The tables and the figure of Ribeiro et al. 2016, each number beside the paper's."""

import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.page import Page, rows
from experiments.ribeiro_2016.published import CHANCE, F1, RECALL

NAMES = {"random": "random", "Parzen": "Parzen", "greedy": "greedy", "LIME": "**LIME**"}
COLOURS = {"SP-LIME": "#b35c00", "RP-LIME": "#e0a060", "SP-greedy": "#5b3f8c", "RP-greedy": "#a995cf"}


def page_of(path: Path) -> Page:
    """Of a results.json; parts that were not run have no table."""
    results = json.loads(path.read_text(encoding="utf-8"))
    made = {
        "faithful": faithful,
        "trust_prediction": trust_prediction,
        "trust_model": trust_model,
        "cleaning": cleaning,
        "husky_wolf": husky_wolf,
    }
    return Page({name: table(results[name]) for name, table in made.items() if name in results}, figure(results))


def number(value: dict[str, Any], digits: int = 1) -> str:
    """A mean with its half interval over seeds."""
    half = "" if value["half"] is None else f" ± {value['half']:.{digits}f}"
    return f"{value['mean']:.{digits}f}{half}"


def beside(paper: dict[str, float], method: str, value: dict[str, Any]) -> list[str]:
    told = f"{paper[method]:.1f}" if method in paper else "–"
    return [told, number(value)]


def faithful(found: dict[str, Any]) -> str:
    """Recall in per cent."""
    models = list(found["recall"])
    heading = ["recall, %", *(f"{model}: {what}" for model in models for what in ("paper", "here"))]
    paper = RECALL.get(found["domain"], {})
    lines = [
        [NAMES.get(method, method)]
        + [cell for model in models for cell in beside(paper.get(model, {}), method, found["recall"][model][method])]
        for method in found["recall"][models[0]]
        if method != "used"
    ]
    return rows(heading, lines)


def trust_prediction(found: dict[str, Any]) -> str:
    """F1 in per cent."""
    models = list(found["f1"])
    heading = ["F1, %", *(f"{model}: {what}" for model in models for what in ("paper", "here"))]
    paper = F1.get(found["domain"], {})
    lines = [
        [NAMES.get(method, method)]
        + [cell for model in models for cell in beside(paper.get(model, {}), method, found["f1"][model][method])]
        for method in found["f1"][models[0]]
    ]
    return rows(heading, lines)


def trust_model(found: dict[str, Any]) -> str:
    """Shares of right choices in per cent."""
    lines = [
        [name, *(f"{100 * v['mean']:.0f} ({100 * v['low']:.0f} to {100 * v['high']:.0f})" for v in values)]
        for name, values in found["right"].items()
    ]
    return rows(["right choices, %", *(f"{seen} seen" for seen in found["seen"])], lines)


def cleaning(found: dict[str, Any]) -> str:
    """Accuracy outside in per cent."""
    lines = []
    for way, qualities in found["accuracy"].items():
        for quality, told in qualities.items():
            rounds = [number({key: _percent(each[key]) for key in ("mean", "half")}) for each in told["rounds"]]
            lines.append([way, quality, *rounds, number(told["removed"]), number(told["planted"])])
    best = found["all planted words out"]
    ceiling = number({key: _percent(best[key]) for key in ("mean", "half")})
    lines.append(["all planted words out", "", "", "", "", ceiling, "20", "20"])
    after = [f"after round {done}" for done in (1, 2, 3)]
    heading = ["accuracy outside, %", "quality", "no cleaning", *after, "words out", "of them planted"]
    return rows(heading, lines)


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def husky_wolf(found: dict[str, Any]) -> str:
    """Accuracies of two classifiers on plain and on recoloured pictures, in per cent."""
    lines = [
        [name, *(number({key: _percent(value[key]) for key in ("mean", "half")}, 0) for value in found[which].values())]
        for name, which in (
            (f"features after block {found['settings']['blocks']}", "accuracy"),
            ("features after the last block", "accuracy by the last features"),
        )
    ]
    return rows(["accuracy, %", *found["accuracy"]], lines)


def figure(results: dict[str, Any]) -> Figure:
    """5.4, the paper's figure 9, and 6.3, its figure 10, as far as they were run."""
    panels = {name: draw for name, draw in (("trust_model", _choices), ("cleaning", _rounds)) if name in results}
    drawn = Figure(figsize=(4.3 * max(1, len(panels)), 3.4), layout="constrained")
    for axis, (name, draw) in zip(
        drawn.subplots(1, max(1, len(panels)), squeeze=False)[0], panels.items(), strict=False
    ):
        draw(axis, results[name])
    return drawn


def _choices(axis: Axes, found: dict[str, Any]) -> None:
    for name, values in found["right"].items():
        means = [100 * value["mean"] for value in values]
        axis.plot(found["seen"], means, marker="o", markersize=3, color=COLOURS[name], label=name)
    axis.axhline(CHANCE, color="grey", linewidth=0.8, linestyle=":")
    axis.set_xlabel("explanations seen")
    axis.set_ylabel("right choices, %")
    axis.set_title("5.4: which forest generalises", fontsize=10)
    axis.legend(fontsize=7)


def _rounds(axis: Axes, found: dict[str, Any]) -> None:
    styles = dict(zip(next(iter(found["accuracy"].values())), ("-", "--", ":", "-."), strict=False))
    for way, qualities in found["accuracy"].items():
        for quality, told in qualities.items():
            means = [100 * value["mean"] for value in told["rounds"]]
            label = f"{way}, quality {quality}"
            axis.plot(range(len(means)), means, styles[quality], color=COLOURS[way], label=label)
    axis.axhline(100 * found["all planted words out"]["mean"], color="grey", linewidth=0.8, linestyle=":")
    axis.set_xticks(range(4))
    axis.set_xlabel("rounds of cleaning")
    axis.set_ylabel("accuracy outside, %")
    axis.set_title("6.3: improved by removing words", fontsize=10)
    axis.legend(fontsize=7)
