"""The table and the figure of AdvGAN."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.kept import interval
from experiments.page import Page, rows

PAPER = {"AdvGAN, semi-white-box": "97.9, 97.1, 98.3", "AdvGAN, black box": "93.4, 90.1, 94.0"}
"""Per cent on MNIST for the three networks of Xiao et al. 2018, table 2, none of which is this one."""


def page_of(path: Path) -> Page:
    """Of a results.json."""
    found = json.loads(path.read_text(encoding="utf-8"))["attacked"]
    return Page({"success": table(found)}, figure(found))


def percent(found: Mapping[str, Any], attack: str) -> tuple[float, float]:
    """The mean over seeds and half of its 95 % t-interval, 0 of one seed; in per cent."""
    over = interval([100 * line["success"][attack] for line in found["lines"]])
    return over["mean"], over["half"] or 0.0


def attacks_of(found: Mapping[str, Any]) -> list[str]:
    return list(found["lines"][0]["success"])


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Shares of images that were classified rightly and are not once they are attacked."""
    heading = ["turned, %"]
    for name, one in found.items():
        heading.append(f"{name}, ε = {one['lines'][0]['epsilon']:.3g}, seeds: {len(one['lines'])}")
    lines = []
    for attack in attacks_of(next(iter(found.values()))):
        told = [percent(one, attack) for one in found.values()]
        cells = [f"{mean:.1f} ± {half:.1f}" if half else f"{mean:.1f}" for mean, half in told]
        lines.append([attack, *cells, PAPER.get(attack, "–")])
    return rows([*heading, "the paper, MNIST"], lines)


def figure(found: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A bar an attack, a panel for what is attacked."""
    drawing = Figure(figsize=(6.5, 0.9 + 1.1 * len(found)), layout="constrained")
    for axes, (name, one) in zip(drawing.subplots(len(found), 1, squeeze=False)[:, 0], found.items(), strict=True):
        attacks = attacks_of(one)[::-1]
        told = [percent(one, attack) for attack in attacks]
        colours = ["#0072B2" if attack.startswith("AdvGAN") else "#999999" for attack in attacks]
        axes.barh(attacks, [mean for mean, _ in told], xerr=[half for _, half in told], color=colours, height=0.6)
        axes.set(xlim=(0, 105), title=name)
        axes.tick_params(labelsize=8)
        axes.title.set_fontsize(9)
    axes.set_xlabel("% of the images that were classified rightly and no longer are", fontsize=8)
    return drawing
