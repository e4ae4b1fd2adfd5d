"""The tables and the figure of how precise explanations are."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.page import Page, rows
from explainfb.statistics.contrasts import half_width
from explainfb.sweeps.tables import number

OURS = "control variate"
ALONE = "control variate, masks alone"
NAMES = {
    OURS: "**control variate**",
    ALONE: "control variate, what is paid once not counted",
    "leverage": "without it",
    "kernelshap": "kernelshap masks",
    "lime": "lime masks",
    "LeverageSHAP": "LeverageSHAP",
    "captum": "captum KernelShap",
    "shap": "shap, background drawn",
    "shap, fixed": "shap, fixed backgrounds",
}
STYLES = {
    OURS: ("control variate", "#0072B2", "-"),
    "leverage": ("without control variate", "#0072B2", "--"),
    "kernelshap": ("kernelshap masks", "#56B4E9", "--"),
    "lime": ("lime masks (their own truth)", "#777777", ":"),
    "LeverageSHAP": ("LeverageSHAP", "#D55E00", "-"),
    "captum": ("captum KernelShap", "#009E73", "-"),
    "shap": ("shap, background drawn", "#CC79A7", "-"),
    "shap, fixed": ("shap, fixed backgrounds", "#E69F00", "-"),
}
"""What a line of the figure is called, its colour and how it is drawn."""
SHOWN = ("256", "1024")
"""Passes in the table of all methods."""
OTHERS = ("leverage", "kernelshap", "LeverageSHAP", "captum", "shap", "shap, fixed")
"""Methods with the same estimand as the control variate."""
TITLES = {
    "digits, before": "digits, before feedback",
    "digits, after": "digits, after feedback",
    "digits, after, 1,440 masks": "the same, half as many images",
    "mnist, before": "MNIST, before feedback",
    "photographs": "photographs, EfficientNet-Lite0",
}
LEAST_GAP = 1.24
"""By which factor labels at the ends of lines stand apart at least."""
ANSWERS = ("same", "opposite", "equal", "apart", "chance", "shown again")
Cases = Mapping[str, Any]


def page_of(path: Path) -> Page:
    """Of a results.json."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    found = kept["cases"]
    cases = {name: found[name] for name in TITLES if name in found and found[name]["rows"]}
    tables = {
        "error": error_table(cases),
        "ratio": ratio_table(cases),
        "reliance": reliance_table(cases),
        "variance": variance_table(cases),
        "answers": answers_table(kept.get("answers", {})),
        "agreement": agreement_table(kept.get("agreement", {})),
    }
    return Page(tables, figure(cases), {"every ratio": every_ratio(cases), "everything": everything(cases)})


def row_of(case: Any, method: str, passes: str) -> Any:
    """None where it was not measured."""
    return case["rows"].get(f"{method} | {passes}")


def passes_of(case: Any) -> list[str]:
    """Those that every method was given."""
    known = {key.split(" | ")[1] for key in case["rows"] if key.startswith(f"{OURS} | ")}
    return sorted(known, key=int)


def error_table(cases: Cases) -> str:
    """Mean relative errors of every method."""
    heading = [
        f"{TITLES[name].split(',')[0]}{', after' if 'after' in name else ''}: {at}" for name in cases for at in SHOWN
    ]
    lines = []
    for method, told in NAMES.items():
        found = [row_of(case, method, at) for case in cases.values() for at in SHOWN]
        lines.append([told, *("–" if row is None else number(float(np.mean(row["error"]))) for row in found)])
    return rows(["error at so many passes", *heading], lines)


def ratios(case: Any, method: str) -> dict[str, tuple[float, float, float]]:
    """The control variate's error over another's at equal passes: geometric mean over images, and its interval."""
    found = {}
    for passes in passes_of(case):
        here, there = row_of(case, OURS, passes), row_of(case, method, passes)
        if here is not None and there is not None:
            logs = np.log(np.maximum(here["error"], 1e-3)) - np.log(np.maximum(there["error"], 1e-3))
            half = half_width(logs) or 0.0
            low, middle, high = (float(np.exp(logs.mean() + side * half)) for side in (-1, 0, 1))
            found[passes] = (middle, low, high)
    return found


def ratio_table(cases: Cases) -> str:
    """From the least to the most over the numbers of passes."""
    lines = []
    for method in OTHERS:
        line = [NAMES[method]]
        for case in cases.values():
            found = [middle for middle, _, _ in ratios(case, method).values()]
            several = f"{number(min(found))} to {number(max(found))}" if found else "–"
            line.append(number(found[0]) if len(found) == 1 else several)
        lines.append(line)
    return rows(["the control variate's error, times that of", *(TITLES[name] for name in cases)], lines)


def every_ratio(cases: Cases) -> str:
    lines = [
        [TITLES[name], NAMES[method], passes, number(middle), f"{number(low)} to {number(high)}"]
        for name, case in cases.items()
        for method in OTHERS
        for passes, (middle, low, high) in ratios(case, method).items()
    ]
    return rows(["", "the control variate's error, times that of", "passes", "", "95 % over images"], lines)


def reliance_table(cases: Cases) -> str:
    """How far the control variate's explanations agree, and whether they know it."""
    lines = []
    for name, case in cases.items():
        asked = [(OURS, passes) for passes in passes_of(case)]
        if row_of(case, ALONE, "721") is not None:
            asked.insert(3, (ALONE, "721"))
        for method, passes in asked:
            told = passes if method == OURS else "720 masks"
            lines.append([f"{TITLES[name]}: {told}", *reliance(row_of(case, method, passes))])
    return rows(["control variate, passes", *RELIANCE.values()], lines)


RELIANCE = {
    "correlation": "correlation of two seeds",
    "reliability": "as predicted",
    "same_strongest": "same strongest",
    "true_strongest": "the true one",
    "overlap": "overlap of what stands out",
    "coverage": "coverage of 95 %",
}


def reliance(row: Any) -> list[str]:
    return [number(row[key]) if key in row else "–" for key in RELIANCE]


def everything(cases: Cases) -> str:
    lines = []
    for name, case in cases.items():
        for key, row in case["rows"].items():
            error = number(float(np.mean(row["error"])))
            lines.append([TITLES[name], *key.split(" | "), error, number(row["free_error"]), *reliance(row)])
    return rows(["", "", "passes", "error", "mean not taken out", *RELIANCE.values()], lines)


def answers_table(shares: Mapping[str, Mapping[str, float]]) -> str:
    """What an annotator who never errs answers under another seed."""
    lines = [
        [key.replace(" | ", ", "), *(number(row[name]) if name in row else "–" for name in ANSWERS)]
        for key, row in shares.items()
    ]
    return rows(["explained", *ANSWERS], lines)


def agreement_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """How far two seeds agree at the default of studies, with half of the 95 % interval over images."""
    heading = ["two seeds", "masks, fill", "images", "seeds", *AGREEMENT.values()]
    lines = []
    for name, row in found.items():
        told = [f"{number(row[key][0])} ± {number(row[key][1])}" for key in AGREEMENT if key in row]
        masks = f"{row['masks']} {row['sampling']}, {row['fill']}"
        lines.append([TITLES.get(name, name), masks, str(row["images"]), str(row["seeds"]), *told])
    return rows(heading, lines)


AGREEMENT = {
    "correlation": "correlation",
    "reliability": "as predicted",
    "same_strongest": "same strongest",
    "shared": "shared of what stands out",
    "overlap": "intersection over union",
    "stand_out": "how many stand out",
}


def variance_table(cases: Cases) -> str:
    """What an output's variance is made of."""
    columns = {"linear": "linear", "nonlinear": "nonlinear", "background": "background"}
    left = {"f(b)": "f(b)", "f(b), share hidden": "f(b), times share hidden", "distilled": "the distilled model"}
    lines = []
    for name, case in cases.items():
        parts = case["variance"]
        lines.append([TITLES[name], *(number(parts[key]) for key in (*columns, *left))])
    return rows(["", *columns.values(), *(f"left after {told}" for told in left.values())], lines)


def figure(cases: Cases) -> Figure:
    """Relative error against passes, a panel a classifier."""
    drawing = Figure(figsize=(9.2, 3.5 * -(-len(cases) // 2)), layout="constrained")
    panels = drawing.subplots(-(-len(cases) // 2), 2, sharex=True, sharey=True, squeeze=False).flat
    for (name, case), axes in zip(cases.items(), panels, strict=False):  # in this order no panel is lost
        panel(axes, case)
        axes.set_title(TITLES[name], fontsize=9)
    for axes in list(panels):
        axes.set_visible(False)
    return drawing


def panel(axes: Axes, case: Any) -> None:
    """One line a method, told at its end."""
    ends = {}
    for method, (_, colour, dashes) in STYLES.items():
        found = {passes: row_of(case, method, passes) for passes in passes_of(case)}
        points = {int(passes): float(np.mean(row["error"])) for passes, row in found.items() if row is not None}
        if points:
            width = 2.4 if method == OURS else 1.3
            axes.plot([*points], [*points.values()], color=colour, linestyle=dashes, linewidth=width, marker="o", ms=3)
            ends[method] = (max(points), points[max(points)])
    axes.axhline(1, color="#999999", linewidth=0.8, zorder=0)
    axes.text(11700, 1.3, "1: as wrong as all zeros", fontsize=7, color="#777777", va="bottom", ha="right")
    for method, (place, height) in apart(ends).items():
        told, colour, _ = STYLES[method]
        strong = "bold" if method == OURS else "normal"
        axes.text(place * 1.07, height, told, color=colour, fontsize=8, va="center", fontweight=strong)
    axes.set(xscale="log", yscale="log", xlim=(115, 12000), ylim=(0.045, 14))
    ticks = [128, 256, 512, 1024, 2048]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], fontsize=8)
    axes.set_yticks([0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10], [".05", ".1", ".2", ".5", "1", "2", "5", "10"], fontsize=8)
    axes.minorticks_off()
    axes.set_xlabel("forward passes an explanation", fontsize=8)
    axes.set_ylabel("relative error", fontsize=8)
    axes.tick_params(labelbottom=True, labelleft=True)
    axes.spines[["top", "right"]].set_visible(False)


def apart(ends: Mapping[str, tuple[int, float]]) -> dict[str, tuple[int, float]]:
    """The ends of lines, moved up and down until their labels do not touch."""
    order = sorted(ends, key=lambda method: ends[method][1])
    places = np.log([ends[method][1] for method in order])
    least = np.log(LEAST_GAP)
    for _ in range(200):
        for low in range(len(places) - 1):
            lacking = least - (places[low + 1] - places[low])
            if lacking > 0:
                places[low] -= lacking / 2
                places[low + 1] += lacking / 2
    return {method: (ends[method][0], float(np.exp(place))) for method, place in zip(order, places, strict=True)}
