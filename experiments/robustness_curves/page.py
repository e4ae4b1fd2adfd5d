"""The tables and the figure of the curves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.page import Page, label, rows
from experiments.robustness_curves.curves import FIXED, Curves, Images, Key, Mean, Tested, read_curves, tests_of
from explainfb.core.types import Norm
from explainfb.results.measures import NORM_SIGNS
from explainfb.statistics.contrasts import LEVEL
from explainfb.sweeps.tables import number

BEFORE, RANDOM, FEEDBACK, NO_SHORTCUT = "before", "random_exchange", "feedback", "no_shortcut"
NO_RIVALS = (BEFORE, RANDOM, FEEDBACK, NO_SHORTCUT, "oracle_reward")
"""Those with a column of their own, and the one that is feedback with the annotator's utility for a reward."""
SHORT = {BEFORE: "before", RANDOM: "random exchange", NO_SHORTCUT: "no shortcut"}
STROKES: Mapping[str, tuple[str, str, Literal["-", "--", ":", "-."], float]] = {
    "before": ("#777777", "p", "-", 1.8),
    "cross_entropy": ("#e69f00", "^", "--", 1.0),
    "random_exchange": ("#cc79a7", "v", "--", 1.0),
    "random_answers": ("#882255", "<", ":", 1.2),
    "wrong_masks": ("#8c564b", "X", "-.", 1.0),
    "oracle_reward": ("#56b4e9", "*", "--", 1.0),
    "rrr": ("#009e73", "P", "--", 1.2),
    "input_gradient": ("#332288", ">", ":", 1.2),
    "adversarial_training": ("#d55e00", "D", "-.", 1.2),
    "feedback": ("#0072b2", "o", "-", 2.2),
    "no_shortcut": ("#000000", "s", ":", 1.4),
}
"""Colour, marker, dashes and width; no two arms share a colour or a marker."""
HEADING = [f"{images}: {name}" for images in get_args(Images) for name in ("L∞ .1", "L∞ distance", "L2 distance")]
DRAWN = ("before", "random_exchange", "rrr", "adversarial_training", "feedback", "no_shortcut")
ACROSS = 3
"""Panels side by side."""


@dataclass(frozen=True)
class Start:
    """A kind of classifier that feedback was given to: what its curves are called, and on which images they matter."""

    name: str
    curves: str
    start: str
    images: Images = "shifted"


STARTS = (
    Start("MNIST, position, LeNet", "mnist", "shortcut"),
    Start("the same, tuned on adversarial images", "mnist", "adversarial-images"),
    Start("MNIST, grey, MLP", "mnist-grey", "grey"),
    Start("digits, position, LeNet", "digits", "shortcut"),
    Start("the same, tuned on adversarial images", "digits", "adversarial-images"),
    Start("Fashion-MNIST, position, LeNet", "fashion-mnist", "position"),
    Start("Fashion-MNIST, grey, MLP", "fashion-mnist", "grey"),
    Start("MNIST, no shortcut, LeNet", "mnist", "without-shortcut", "clean"),
    Start("digits, no shortcut, LeNet", "digits", "without-shortcut", "clean"),
)
"""Of the results in this folder."""


def page_of(path: Path) -> Page:
    """Of a results.json: this folder's, or one that was just run, of which every arm and test is told."""
    curves = read_curves(path)
    tested = {name: tests_of(group) for name, group in curves.items()}
    more = {f"{name}, {start}": one_table(curves[name], start) for name, start in _named(curves)}
    more |= {f"{name}: tests": tests_table(found) for name, found in tested.items()}
    starts = [start for start in STARTS if start.curves in curves]
    if not starts:
        return Page({}, more=more)
    tables = {"distances": distances_table(starts, curves, tested), "arms": arms_table(starts, curves)}
    return Page(tables, figure(starts, curves), more)


def _named(curves: Mapping[str, Sequence[Curves]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((name, each.key.start) for name, group in curves.items() for each in group))


def distances_table(
    starts: Sequence[Start], curves: Mapping[str, Sequence[Curves]], tested: Mapping[str, Sequence[Tested]]
) -> str:
    """One line a start: how far an attack in L∞ has to go on average, in five arms, and what is shown of feedback."""
    heading = ["", "before", "random exchange", "best other arm", "**feedback**", "no shortcut", "shown of feedback"]
    return rows(heading, [list(_distances(each, curves[each.curves], tested[each.curves])) for each in starts])


def _distances(start: Start, curves: Sequence[Curves], tested: Sequence[Tested]) -> Iterator[str]:
    arms = of_start(start, curves)
    rival = max((arm for arm in arms if arm not in NO_RIVALS), key=lambda arm: arms[arm].mean_distance.mean)
    yield start.name
    for arm in (BEFORE, RANDOM, rival, FEEDBACK, NO_SHORTCUT):
        text = written(arms[arm].mean_distance, arms[arm].is_flagged()) if arm in arms else "–"
        yield f"**{text}**" if arm == FEEDBACK else f"{text} {label(arm)}" if arm == rival else text
    yield shown(start, tested, SHORT | {rival: "best other"})


def of_start(start: Start, curves: Sequence[Curves]) -> dict[str, Curves]:
    """By arm, in L∞."""
    keys = {each.key: each for each in curves}
    return {
        key.arm: each
        for key, each in keys.items()
        if (key.start, key.images, key.norm) == (start.start, start.images, "linf")
    }


def shown(start: Start, tested: Sequence[Tested], names: Mapping[str, str]) -> str:
    """What the corrected tests say of feedback against the arms of the line, and against that of the first start."""
    told: dict[str, list[str]] = {"better": [], "worse": []}
    for test in tested:
        here = (test.key.start, test.key.images) == (start.start, start.images)
        if here and test.contrast.is_significant and test.contrast.measure == f"mean {NORM_SIGNS['linf']} distance":
            other = test.contrast.arm
            name = "feedback without" if ":" in other and start.start == "adversarial-images" else names.get(other)
            if name is not None:
                told["better" if test.contrast.difference > 0 else "worse"].append(name)
    return "; ".join(f"{word} than {', '.join(who)}" for word, who in told.items() if who) or "nothing"


def arms_table(starts: Sequence[Start], curves: Mapping[str, Sequence[Curves]]) -> str:
    """The arms that the figure shows, by start: accuracy at L∞ .1 and mean distances on shifted and clean images."""
    lines = [
        [start.name if arm == BEFORE else "", *line]
        for start in starts
        for arm, line in lines_of(curves[start.curves], start.start).items()
        if arm in DRAWN
    ]
    return rows(["", "arm", *HEADING], lines)


def one_table(curves: Sequence[Curves], start: str) -> str:
    """Every arm of a start."""
    return rows(["arm", *HEADING], list(lines_of(curves, start).values()))


def lines_of(curves: Sequence[Curves], start: str) -> dict[str, list[str]]:
    """By arm its name and its cells."""
    by_key = {each.key: each for each in curves if each.key.start == start}
    found = {}
    for arm in dict.fromkeys(key.arm for key in by_key):
        task = next(key.task for key in by_key)
        cells = []
        for images in get_args(Images):
            linf, l2 = (by_key.get(Key(start, task, arm, images, norm)) for norm in get_args(Norm))
            cells += _cells(linf, l2) if linf and l2 else ["–"] * 3
        strong = "**" if arm == FEEDBACK else ""
        found[arm] = [f"{strong}{label(arm)}{strong}", *cells]
    return found


def _cells(linf: Curves, l2: Curves) -> list[str]:
    return [
        written(linf.accuracy_at(FIXED), linf.is_flagged(FIXED)),
        written(linf.mean_distance, linf.is_flagged()),
        written(l2.mean_distance, l2.is_flagged()),
    ]


def written(value: Mean, flagged: bool) -> str:
    """With a star where a sanity check failed on some seed."""
    half = "" if value.half is None else f" ± {number(value.half)}"
    return number(value.mean) + half + "\\*" * flagged


def tests_table(tested: Sequence[Tested]) -> str:
    """Every test."""
    lines = []
    for test in tested:
        one = test.contrast
        interval = "–" if one.low is None or one.high is None else f"{one.low:+.3f} to {one.high:+.3f}"
        verdict = f"a difference (p < {LEVEL})" if one.is_significant else "not shown"
        p = "–" if one.p is None else f"{one.p:.2g}"
        what = f"{test.key.start}: feedback less {one.arm}"
        verdict = verdict if one.reliable else "not to be relied on"
        lines.append([test.key.images, one.measure, what, f"{one.difference:+.3f}", interval, p, verdict])
    return rows(["images", "measure", "difference", "", "95 % interval", "p (Holm)", ""], lines)


def figure(starts: Sequence[Start], curves: Mapping[str, Sequence[Curves]]) -> Figure:
    """A panel a start: mean accuracy over the size of an attack in L∞, with 95 % intervals; open where a sanity check
    failed on some seed."""
    down = -(-len(starts) // ACROSS)
    drawing = Figure(figsize=(9.6, 2.3 * down + 0.6), layout="constrained")
    panels = drawing.subplots(down, ACROSS, sharex=True, sharey=True, squeeze=False)
    title = ""
    for axes, start in zip(panels.flat, starts, strict=False):
        title = start.name.replace("the same", title.partition(", tuned")[0].partition(",")[0])
        for arm, each in of_start(start, curves[start.curves]).items():
            if arm in DRAWN:
                draw(axes, each)
        axes.set_title(f"{title} ({start.images} images)", loc="left", fontsize=7.5)
        axes.set(xlim=(0, None), ylim=(0, 1.02))
        axes.tick_params(labelsize=7.5)
    for axes in panels[-1]:
        axes.set_xlabel("size of the attack, L∞ ε", fontsize=8)
    for axes in panels[:, 0]:
        axes.set_ylabel("accuracy", fontsize=8)
    handles = [line_of(arm, (), ()) for arm in DRAWN]
    hollow = Line2D([], [], color="#555555", marker="o", markerfacecolor="white", linestyle="none")
    names = [*(label(arm) for arm in DRAWN), "open: a sanity check failed"]
    drawing.legend([*handles, hollow], names, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return drawing


def line_of(arm: str, x: Sequence[float], y: Sequence[float]) -> Line2D:
    colour, marker, dashes, width = STROKES[arm]
    return Line2D(x, y, color=colour, linewidth=width, linestyle=dashes, marker=marker, markersize=4.5)


def draw(axes: Axes, curves: Curves) -> None:
    """One arm's curve."""
    colour, marker = STROKES[curves.key.arm][:2]
    means = [curves.accuracy_at(epsilon) for epsilon in curves.epsilons]
    low, high = ([min(1.0, max(0.0, each.mean + sign * (each.half or 0.0))) for each in means] for sign in (-1, 1))
    axes.fill_between(curves.epsilons, low, high, color=colour, alpha=0.09, linewidth=0)
    axes.add_line(line_of(curves.key.arm, curves.epsilons, [each.mean for each in means]))
    opened = [(size, each.mean) for size, each in zip(curves.epsilons, means, strict=True) if curves.is_flagged(size)]
    axes.plot(
        [size for size, _ in opened],
        [mean for _, mean in opened],
        marker,
        color=colour,
        markerfacecolor="white",
        zorder=4,
    )
    axes.spines[["top", "right"]].set_visible(False)
