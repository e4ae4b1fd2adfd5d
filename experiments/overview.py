"""Every start on one page, overview.md and overview.png, made from the results of the experiments.

`python -m experiments.make_pages` writes them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from statsmodels.stats.multitest import multipletests

from experiments.calibration import calibrated
from experiments.grids import LINF_1
from experiments.page import Page, label, rows
from experiments.robustness_curves import curves
from explainfb.results.measures import ECE, SHIFTED, Measure
from explainfb.results.records import BEFORE, FEEDBACK, NO_SHORTCUT, Role
from explainfb.statistics.contrasts import LEVEL, Contrast
from explainfb.sweeps.figures import KINDS, LOGARITHMIC
from explainfb.sweeps.summary import CellSummary, GridSummary, OverSeeds
from explainfb.sweeps.summary_file import read_summary
from explainfb.sweeps.tables import number

HERE = Path(__file__).parent
GRIDS = (
    "shortcut_repair",
    "feedback_vs_pixel_masks",
    "without_shortcut",
    "adversarial_training",
    "ablations",
    "label_efficiency",
    "published_results",
    "counterexamples_vs_gradient",
)
"""Folders whose results are a grid's; calibration and robustness_curves have tests as well."""
RANDOM, RIVAL, UNTOUCHED = "random exchange", "best other arm", "no shortcut"
COLUMNS: Mapping[str, Role] = {
    "before": "before",
    RANDOM: "control",
    RIVAL: "reference",
    "feedback": "feedback",
    UNTOUCHED: "ceiling",
}
"""And as what each is drawn."""
NO_RIVALS = (BEFORE, "random_exchange", FEEDBACK, NO_SHORTCUT, "oracle_reward")
"""Those with a column of their own, and the one that is feedback with the annotator's utility for a reward."""
MEASURES = (SHIFTED, LINF_1, ECE)
HOLLOW = "hollow: a sanity check failed on some seed"
LEAST = 1e-3
"""An interval of the figure that reaches further down, on an axis that may be logarithmic, is cut off there."""


@dataclass(frozen=True)
class Start:
    """A kind of classifier that feedback was given to, and the cells that have its arms."""

    name: str
    folder: str
    cells: tuple[str, ...]


REPAIR, MASKS, WITHOUT, ADVERSARIAL = GRIDS[:4]
TUNED = "the same, pixel masks with a tuned λ"
STARTS = (
    Start("MNIST, position, LeNet", REPAIR, ("mnist-position-lenet",)),
    Start(TUNED, REPAIR, ("mnist-position-lenet-tuned-rrr",)),
    Start("MNIST, position, MLP", REPAIR, ("mnist-position-mlp",)),
    Start("MNIST, grey, MLP", REPAIR, ("mnist-grey-mlp",)),
    Start("MNIST, grey, LeNet", REPAIR, ("mnist-grey-lenet",)),
    Start("digits, position, LeNet", REPAIR, ("digits-position-lenet",)),
    Start(TUNED, REPAIR, ("digits-position-lenet-tuned-rrr",)),
    Start("digits, position, MLP", REPAIR, ("digits-position-mlp",)),
    Start("digits, grey, MLP", REPAIR, ("digits-grey-mlp",)),
    Start("digits, grey, LeNet", REPAIR, ("digits-grey-lenet",)),
    Start("Fashion-MNIST, position, LeNet", REPAIR, ("fashion-mnist-position-lenet",)),
    Start("the same, 480 steps a round", REPAIR, ("fashion-mnist-position-lenet-480-steps",)),
    Start("Fashion-MNIST, position, MLP", REPAIR, ("fashion-mnist-position-mlp",)),
    Start("Fashion-MNIST, grey, MLP", REPAIR, ("fashion-mnist-grey-mlp",)),
    Start("Fashion-MNIST, grey, LeNet", REPAIR, ("fashion-mnist-grey-lenet",)),
    Start("MNIST, position, LeNet, adversarial images", ADVERSARIAL, ("mnist", "mnist-pixel-masks")),
    Start("digits, position, LeNet, adversarial images", ADVERSARIAL, ("digits", "digits-pixel-masks")),
    Start("MNIST, no shortcut, LeNet", WITHOUT, ("mnist-seeds-11-to-15",)),
    Start("digits, no shortcut, LeNet", WITHOUT, ("digits-seeds-11-to-15",)),
    Start("MNIST, position, LeNet, other seeds, λ tuned", MASKS, ("mnist-as-it-is",)),
    Start("the same, with the gradient penalty", MASKS, ("mnist-gradient-penalty",)),
    Start("the same, on adversarial images", MASKS, ("mnist-adversarial-images",)),
    Start("digits, position, LeNet, other seeds, λ tuned", MASKS, ("digits-as-it-is",)),
    Start("the same, with the gradient penalty", MASKS, ("digits-gradient-penalty",)),
    Start("the same, on adversarial images", MASKS, ("digits-adversarial-images",)),
    Start("digits, no shortcut, LeNet, other seeds", WITHOUT, ("digits-as-it-is",)),
    Start("the same, with the gradient penalty", WITHOUT, ("digits-gradient-penalty",)),
)


@dataclass(frozen=True)
class Value:
    """One arm by one measure, and whether a sanity check failed on some seed."""

    arm: str
    over_seeds: OverSeeds
    doubtful: bool

    def __str__(self) -> str:
        half = self.over_seeds.half
        interval = "" if half is None else f" ± {number(half)}"
        return number(self.over_seeds.mean) + interval + "\\*" * self.doubtful


@cache
def summaries() -> Mapping[str, GridSummary]:
    """By folder."""
    return {folder: read_summary(HERE / folder / "results.json") for folder in GRIDS}


def all_tests() -> list[Contrast]:
    """Of every folder."""
    found = [each for summary in summaries().values() for cell in summary.cells.values() for each in cell.contrasts]
    for arms in calibrated.read_calibrated(HERE / "calibration" / "results.json").values():
        found += [test.contrast for test in calibrated.tests_of(arms)]
    for group in curves.read_curves(HERE / "robustness_curves" / "results.json").values():
        found += [test.contrast for test in curves.tests_of(group)]
    return found


def remaining(tests: Sequence[Contrast]) -> list[bool]:
    """Of each test, whether it is a difference that remains after one correction of all of these."""
    raw = [max(p for p in (each.p_seeds, each.p_images) if p is not None) for each in tests]
    corrected = multipletests(raw, method="holm")[1]
    return [bool(each.is_significant and p < LEVEL) for each, p in zip(tests, corrected, strict=True)]


@cache
def those_that_remain() -> tuple[list[Contrast], str]:
    """Which differences remain after one correction of the tests of all folders, and how many do, in words."""
    tests = all_tests()
    remain = [test for test, remains in zip(tests, remaining(tests), strict=True) if remains]
    differences = sum(test.is_significant for test in tests)
    return remain, f"{len(remain)} of {differences} differences remain of {len(tests):,} tests"


def page() -> Page:
    """Of overview.md."""
    return Page(
        {"remaining": those_that_remain()[1] + "\n"} | {title(each): table(each) for each in MEASURES}, figure()
    )


def title(measure: Measure) -> str:
    return measure.short[0].upper() + measure.short[1:]


def table(measure: Measure) -> str:
    """One line a start: means with 95 % t-intervals over the seeds, and what is shown of feedback."""
    heading = [f"**{name}**" if name == "feedback" else name for name in COLUMNS]
    lines = [list(line(start, measure)) for start in STARTS if measure.key in first_cell(start).feedback.measured]
    return rows(["", *heading, "shown of feedback", "folder"], lines)


def line(start: Start, measure: Measure) -> Iterator[str]:
    """A start's cells of the table."""
    values = values_of(start, measure)
    yield start.name
    for name in COLUMNS:
        value = values.get(name)
        text = "–" if value is None else str(value) + (f" {label(value.arm)}" if name == RIVAL else "")
        yield f"**{text}**" if name == "feedback" else text
    yield shown(start, values[RIVAL].arm if RIVAL in values else None, measure)
    yield f"[{start.folder}]({start.folder}/README.md)"


def cells_of(start: Start) -> list[CellSummary]:
    return [summaries()[start.folder].cells[name] for name in start.cells]


def first_cell(start: Start) -> CellSummary:
    return cells_of(start)[0]


def values_of(start: Start, measure: Measure) -> dict[str, Value]:
    """By column, those that a start has."""
    found: dict[str, Value] = {}
    for cell in cells_of(start):
        for name, arm in cell.arms.items():
            value = arm.of(measure)
            if value is not None and name not in found:
                found[name] = Value(name, value, not arm.is_reliable(measure))
    sign = 1 if measure.higher_is_better else -1
    rivals = [name for name in found if name not in NO_RIVALS]
    best = max(rivals, key=lambda name: sign * found[name].over_seeds.mean, default=None)
    columns = (BEFORE, "random_exchange", best, FEEDBACK, NO_SHORTCUT)
    return {column: found[arm] for column, arm in zip(COLUMNS, columns, strict=True) if arm in found}


def shown(start: Start, rival: str | None, measure: Measure) -> str:
    """What the corrected tests say of feedback against the arms of the line."""
    names = {BEFORE: "before", "random_exchange": "random exchange", rival: "best other", NO_SHORTCUT: "no shortcut"}
    told: dict[str, list[str]] = {"better": [], "worse": []}
    contrasts = [each for cell in cells_of(start) for each in cell.contrasts if each.measure == measure.key]
    for arm, name in names.items():
        contrast = next((each for each in contrasts if each.arm == arm), None)
        if contrast is not None and contrast.is_significant:
            better = (contrast.difference > 0) == measure.higher_is_better
            told["better" if better else "worse"].append(name + "†" * (contrast in those_that_remain()[0]))
    return "; ".join(f"{word} than {', '.join(who)}" for word, who in told.items() if who) or "nothing"


def figure() -> Figure:
    """A panel a measure, a line a start: the columns' means with their intervals, hollow where a check failed."""
    drawing = Figure(figsize=(10.2, 0.9 + 0.33 * len(STARTS)), layout="constrained")
    panels = drawing.subplots(1, len(MEASURES), sharey=True)
    for axis, measure in zip(panels, MEASURES, strict=True):
        axis.set_title(title(measure) + ", logarithmic" * (measure in LOGARITHMIC), loc="left", fontsize=9)
        axis.set_xscale("log" if measure in LOGARITHMIC else "linear")
        for place, start in enumerate(STARTS):
            draw(axis, place, values_of(start, measure))
        axis.grid(axis="x", alpha=0.3)
        axis.tick_params(labelsize=8)
        for place in range(1, len(STARTS), 2):
            axis.axhspan(place - 0.5, place + 0.5, color="#eeeeee", linewidth=0, zorder=0)
    panels[0].set_yticks(range(len(STARTS)), [start.name for start in STARTS])
    panels[0].set_ylim(len(STARTS) - 0.5, -0.5)
    marks = {line.get_label(): line for line in panels[0].get_lines()}
    marks[HOLLOW] = Line2D([], [], color="#555555", marker="o", markerfacecolor="white", linestyle="none", markersize=4)
    drawing.legend(marks.values(), marks, loc="outside lower center", ncols=len(marks), frameon=False, fontsize=8)
    return drawing


def draw(axis: Axes, place: int, values: Mapping[str, Value]) -> None:
    """Each column a little below the last, so that none hides another."""
    for column, value in values.items():
        colour, marker = KINDS[COLUMNS[column]]
        here = place + 0.15 * (list(COLUMNS).index(column) - 2)
        found = value.over_seeds
        if found.low is not None and found.high is not None:
            axis.hlines(here, max(found.low, LEAST), found.high, color=colour, linewidth=1.2)
        face = "white" if value.doubtful else colour
        axis.plot(found.mean, here, marker, color=colour, markerfacecolor=face, markersize=4, zorder=3, label=column)
