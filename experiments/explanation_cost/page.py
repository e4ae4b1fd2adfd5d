"""The tables and the figure of what an explanation costs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.page import Page, rows

NAMES = {
    "bare": "the classifier alone on the perturbed images",
    "bare, measured": "the classifier alone, as measured",
    "explain": "`explain`, the paper's masks and fill",
    "measured": "`explain`, as measured",
    "bfloat16": "`explain`, as measured, in 16 bits",
    "default": "`explain`, the masks and fill by default",
    "studies": "`explain` with the control variate, as studies do",
    "lime": "the package `lime`, the paper's masks and fill",
    "lime, our batch": "`lime` with as many images at a time as `explain`",
    "captum": "captum's KernelShap, masks of its own",
}
TITLES = {
    "one image": "LeNet, one image",
    "batch": "LeNet, 100 images",
    "gradient": "LeNet, forward and backward",
    "photographs": "EfficientNet-Lite0, 224×224",
}
MEMORY = {
    "nothing": "EfficientNet-Lite0 and a photograph of 224×224 alone",
    "forward": "explained",
    "gradient": "explained, with the gradient",
    "images": "1,000 photographs of 224×224 alone",
    "reward": "a reward fitted to their explanations",
}
COLOURS = {"bare, measured": "#555555", "lime": "#D55E00", "lime, our batch": "#D55E00", "captum": "#D55E00"}
"""Of what is not `explain`."""
OWN = ("explain", "measured", "bfloat16", "default", "studies")


def page_of(path: Path) -> Page:
    """Of a results.json."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    found = kept["groups"]
    lines = []
    for group, title in TITLES.items():
        times, ratios = found[group]["milliseconds"]["cpu"], found[group]["times_bare"]["cpu"]
        for name in (name for name in NAMES if name in times):
            took = times[name]
            spread = f"{took['median']:.1f} ({took['min']:.1f} to {took['max']:.1f})"
            ratio = "1"
            if name in ratios:
                ratio = "{median:.2f} ({min:.2f} to {max:.2f})".format(**ratios[name])
            lines.append([title, NAMES[name], spread, ratio])
            title = ""
    cost = rows(["", "", "milliseconds of CPU, median (least to most)", "times the classifier alone"], lines)
    taken = rows(["", "MB at most"], [[told, f"{found['memory'][kind]:,}"] for kind, told in MEMORY.items()])
    tables = {"cost": cost, "reward": reward_table(found["reward"], kept["settings"]["answers"]), "memory": taken}
    return Page(tables, figure(found))


def reward_table(found: Mapping[str, Any], answers: Sequence[int]) -> str:
    """What as many steps take with few answers and with many."""
    ratio = found["times_bare"]["cpu"]["many"]
    ratios = ["1", "{median:.2f} ({min:.2f} to {max:.2f})".format(**ratio)]
    took = found["milliseconds"]["cpu"]
    lines = [
        [f"{count:,}", "{median:.0f} ({min:.0f} to {max:.0f})".format(**took[name]), times]
        for name, count, times in zip(("bare", "many"), answers, ratios, strict=True)
    ]
    return rows(["answers", "milliseconds of CPU for 40 steps", "times that with fewer"], lines)


def figure(groups: Mapping[str, Any]) -> Figure:
    """Times the classifier alone, as a dot at the median and a line from the least to the most; a panel a group."""
    drawing = Figure(figsize=(7.4, 4.6), layout="constrained")
    shown = {group: groups[group]["times_bare"]["cpu"] for group in TITLES}
    axes = drawing.subplots(len(TITLES), 1, sharex=True, height_ratios=[len(ratios) + 0.6 for ratios in shown.values()])
    for axis, (group, ratios) in zip(axes, shown.items(), strict=True):
        names = [name for name in NAMES if name in ratios]
        for place, name in enumerate(names):
            ratio, colour = ratios[name], COLOURS.get(name, "#0072B2")
            axis.hlines(place, ratio["min"], ratio["max"], color=colour, linewidth=1.4)
            axis.plot(ratio["median"], place, "o", color=colour, markersize=4)
            axis.text(ratio["max"] * 1.03, place, f"{ratio['median']:.2f}", va="center", fontsize=7)
        axis.axvline(1, color="#555555", linewidth=0.8, linestyle=":", zorder=0)
        axis.set_yticks(range(len(names)), [NAMES[name].replace("`", "") for name in names], fontsize=7)
        axis.set_ylim(len(names) - 0.4, -0.6)
        axis.set_title(TITLES[group], fontsize=8, loc="left")
        axis.tick_params(axis="x", labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xscale("log")
    axes[-1].set_xticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
    axes[-1].set_xlim(0.4, 11)
    axes[-1].minorticks_off()
    axes[-1].set_xlabel("times the classifier alone: median; line: least to most of the repetitions", fontsize=8)
    return drawing
