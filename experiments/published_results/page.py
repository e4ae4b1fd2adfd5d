"""The table of published numbers beside those found here."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

import scipy.stats

from experiments.page import Page, label, rows
from experiments.published_results.recipes import RECIPES
from experiments.published_results.trained import Trained, read_trained

HEADING = ["recipe", "images", "epochs", "arm", "published", "here", "one more seed", "less their runs", "each seed"]


def page_of(path: Path) -> Page:
    """Of a results.json."""
    return Page({"published": table(read_trained(path))})


def table(found: Sequence[Trained]) -> str:
    """Means over seeds with 95 % t-intervals, beside what was published, in per cent."""
    groups: dict[tuple[object, ...], list[Trained]] = {}
    for each in sorted(found, key=lambda each: each.run.order):
        groups.setdefault((each.run.recipe, each.run.images, each.run.epochs, each.run.arm), []).append(each)
    return rows(HEADING, [line(group) for group in groups.values()])


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
    if len(values) < 2:
        return f"{values[0]:.1f}"
    half = float(scipy.stats.sem(values) * scipy.stats.t.ppf(0.975, len(values) - 1))
    return f"{mean(values):.1f} ± {half:.1f}"


def of_one_more(values: Sequence[float]) -> str:
    """The 95 % prediction interval of one more seed, beside which a number published of one seed can be put."""
    if len(values) < 2:
        return "–"
    half = stdev(values) * (1 + 1 / len(values)) ** 0.5 * float(scipy.stats.t.ppf(0.975, len(values) - 1))
    return f"{mean(values) - half:.1f} to {mean(values) + half:.1f}"


def less(values: Sequence[float], logged: Sequence[float]) -> str:
    """The difference of the means, with its 95 % interval, by Welch's t-test."""
    if len(values) < 2 or len(logged) < 2:
        return "–"
    test = scipy.stats.ttest_ind(values, logged, equal_var=False)
    low, high = test.confidence_interval()
    return f"{mean(values) - mean(logged):+.1f} ({low:.1f} to {high:.1f}), p {test.pvalue:.2f}"
