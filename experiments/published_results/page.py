"""The table and the figure of published numbers beside those found here."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

import scipy.stats
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.page import Page, label, rows
from experiments.published_results.recipes import FULL, RECIPES, Arm, RecipeName
from experiments.published_results.trained import Trained, read_trained

HOW: dict[RecipeName, str] = {
    "mlp-in-passes": "the same in the paper's passes",
    "mlp-with-decay": "… and with its weight decay",
    "mlp-in-double": "… and in double precision",
    "cnn-in-passes": "the same in the paper's passes",
}
"""What cross-entropy is called in a recipe that comes nearer to a paper than the one before it."""
PANELS: dict[str, tuple[RecipeName, ...]] = {
    "MLP, MNIST (Ross et al. 2017)": ("mlp", "mlp-in-passes", "mlp-with-decay", "mlp-in-double"),
    "CNN, MNIST (Friedrich et al. 2023)": ("cnn", "cnn-in-passes"),
    "CNN, Fashion-MNIST (Friedrich et al. 2023)": ("cnn-fashion",),
}
WRITTEN = (110, 121)
"""Where on the axis the numbers stand beside what is drawn."""
COLOURS: dict[Arm, str] = {"cross_entropy": "#D55E00", "rrr": "#CC79A7", "no_shortcut": "#009E73"}
HEADING = ["recipe", "images", "epochs", "arm", "published", "here", "one more seed", "less their runs", "each seed"]


def page_of(path: Path) -> Page:
    """Of a results.json."""
    found = read_trained(path)
    return Page({"published": table(found)}, figure(found))


def table(found: Sequence[Trained]) -> str:
    """Means over seeds with 95 % t-intervals, beside what was published, in per cent."""
    return rows(HEADING, [line(group) for group in groups_of(found)])


def groups_of(found: Sequence[Trained]) -> list[list[Trained]]:
    """What differs in nothing but the seed."""
    groups: dict[tuple[object, ...], list[Trained]] = {}
    for each in sorted(found, key=lambda each: each.run.order):
        groups.setdefault((each.run.recipe, each.run.images, each.run.epochs, each.run.arm), []).append(each)
    return list(groups.values())


def line(group: Sequence[Trained]) -> list[str]:
    """One network, size and arm."""
    run, values = group[0].run, [each.reported for each in group]
    recipe = RECIPES[run.recipe]
    published = f"{100 * recipe.published[run.arm]:.2f}".removesuffix("0")
    each = " ".join(f"{value:.1f}" for value in values)
    logged = [100 * value for value in recipe.logged.get(run.arm, ())]
    ours = [interval(values), of_one_more(values), less(values, logged), each]
    return [run.recipe, f"{run.images:,}", str(run.epochs), label(run.arm), published, *ours]


def interval(values: Sequence[float]) -> str:
    return f"{mean(values):.1f} ± {half_of_mean(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def half_of_mean(values: Sequence[float]) -> float:
    """Of the 95 % t-interval of the mean, half the width; of two seeds at least."""
    return float(scipy.stats.sem(values) * scipy.stats.t.ppf(0.975, len(values) - 1))


def of_one_more(values: Sequence[float]) -> str:
    """The 95 % prediction interval of one more seed, beside which a number published of one seed can be put."""
    if len(values) < 2:
        return "–"
    half = half_of_one_more(values)
    return f"{mean(values) - half:.1f} to {mean(values) + half:.1f}"


def half_of_one_more(values: Sequence[float]) -> float:
    """Of that interval, half the width; of two seeds at least."""
    return float(stdev(values) * (1 + 1 / len(values)) ** 0.5 * scipy.stats.t.ppf(0.975, len(values) - 1))


def less(values: Sequence[float], logged: Sequence[float]) -> str:
    """The difference of the means, with its 95 % interval, by Welch's t-test."""
    if len(values) < 2 or len(logged) < 2:
        return "–"
    test = scipy.stats.ttest_ind(values, logged, equal_var=False)
    low, high = test.confidence_interval()
    return f"{mean(values) - mean(logged):+.1f} ({low:.1f} to {high:.1f}), p {test.pvalue:.2f}"


def figure(found: Sequence[Trained]) -> Figure | None:
    """At the full size: the published number beside our seeds, their mean, and where one more would lie; None without
    two seeds of anything."""
    arms = list(COLOURS)
    groups = [group for group in groups_of(found) if group[0].run.images == FULL and len(group) > 1]
    groups.sort(key=lambda group: arms.index(group[0].run.arm))
    panels = {
        title: lines
        for title, names in PANELS.items()
        if (lines := [group for group in groups if group[0].run.recipe in names])
    }
    if not panels:
        return None
    heights = [1.2 + len(lines) for lines in panels.values()]
    drawing = Figure(figsize=(9, 0.26 * sum(heights) + 0.7), layout="constrained")
    grid = drawing.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (title, lines) in zip(grid, panels.items(), strict=True):
        for place, group in enumerate(lines):
            draw(axis, place, group)
        axis.set_title(title, loc="left", fontsize=9, fontweight="bold")
        names = [HOW.get(group[0].run.recipe, label(group[0].run.arm)) for group in lines]
        axis.set_yticks(range(len(lines)), names, fontsize=8)
        axis.set_ylim(len(lines) - 0.4, -0.6)
        axis.set_xlim(46, WRITTEN[-1])
        axis.set_xticks(range(50, 101, 10))
        axis.spines["bottom"].set_bounds(46, 100.5)
        axis.tick_params(axis="x", labelsize=8)
        axis.grid(axis="x", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    for right, told in zip(WRITTEN, ("published", "here"), strict=True):
        grid[0].text(right, -0.75, told, ha="right", fontsize=8, fontweight="bold")
    grid[-1].set_xlabel("accuracy in per cent, on shifted images; without a shortcut on clean ones", fontsize=8)
    drawing.legend(handles=key(), loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return drawing


def draw(axis: Axes, place: int, group: Sequence[Trained]) -> None:
    """One network and arm."""
    run, values = group[0].run, [each.reported for each in group]
    recipe, colour = RECIPES[run.recipe], COLOURS[run.arm]
    for half, width, alpha in ((half_of_one_more(values), 1.0, 0.6), (half_of_mean(values), 3.5, 0.5)):
        axis.hlines(place, mean(values) - half, mean(values) + half, color=colour, linewidth=width, alpha=alpha)
    axis.plot(mean(values), place, "o", color=colour, markersize=6)
    axis.plot(values, [place] * len(values), "|", color=colour, markersize=9, alpha=0.7)
    others = [100 * value for value in recipe.logged.get(run.arm, ()) if value != recipe.published[run.arm]]
    axis.plot(others, [place] * len(others), "D", color="black", markerfacecolor="white", markersize=4)
    published = 100 * recipe.published[run.arm]
    axis.plot(published, place, "D", color="black", markersize=5)
    for right, told in zip(WRITTEN, (f"{published:.2f}".removesuffix("0"), interval(values)), strict=True):
        axis.text(right, place, told, ha="right", va="center", fontsize=8)


def key() -> list[Line2D]:
    """What the marks mean."""
    grey = "#555555"
    return [
        Line2D([], [], color="black", marker="D", markersize=5, linestyle="none", label="published"),
        Line2D(
            [],
            [],
            color="black",
            marker="D",
            markerfacecolor="white",
            markersize=4,
            linestyle="none",
            label="their other runs",
        ),
        Line2D([], [], color=grey, marker="o", linewidth=3.5, label="here: mean and its 95 % t-interval"),
        Line2D([], [], color=grey, marker="|", markersize=9, linestyle="none", label="a seed"),
        Line2D([], [], color=grey, linewidth=1, label="where one more would lie (95 %)"),
    ]
