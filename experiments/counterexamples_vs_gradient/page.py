"""The tables and the figure of how the reward is followed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.counterexamples_vs_gradient.probes import Probe, read_probes
from experiments.grids import COLUMNS, LINF_05, LINF_1, all_tables, arms
from experiments.page import Page, rows
from explainfb.results.measures import SHIFTED, SHORTCUT_SHARE
from explainfb.sweeps.figures import arms_figure
from explainfb.sweeps.summary_file import read_summary
from explainfb.sweeps.tables import Row, number, table

MEASURED = (SHIFTED.key, LINF_05.key, LINF_1.key, "validation")
"""Of a probe, what a table has."""
MNIST, MNIST_GRADIENT, DIGITS_GRADIENT = "mnist-counterexamples", "mnist-gradient", "digits-gradient"
GROUPS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "480 steps a round": {
        "mnist-decoy": (
            "before",
            "no_shortcut",
            "longer-no-shortcut",
            "gradient",
            "only-lower",
            "oracle-gradient",
            "counterexamples",
            "both-.1",
            "counterexamples-evidence",
            "random-exchange",
            "coin",
            "coin-evidence",
            "counterexamples-252-answers",
            "252-answers-no-evidence",
        ),
        "fashion-mnist-decoy": ("before", "no_shortcut", "counterexamples-evidence"),
    },
    "160 steps a round": {
        "mnist-decoy": (
            "counterexamples-160",
            "default",
            "random_patches",
            *(f"rrr-{times}" for times in ("0.1", "1", "10", "100", "1000", "10000")),
            *(f"rrr-{strength}-adversarial" for strength in (".01538", ".1538", "1.538", "15.38")),
            *(f"gradient-penalty-{g}" for g in ("0.001538", "0.01538", "0.04863", "0.1538", "1.538", "15.38", "153.8")),
        ),
        "digits-decoy": (
            "before",
            "no_shortcut",
            "gradient",
            "both-.7",
            "both-.2",
            "counterexamples",
            "default",
            "shared_worth",
            "two_classes",
            "exchanged_explained",
            "augmented",
            "augmented_no_shortcut",
            "averaged",
            "random_patches",
            *(f"rrr-{times}" for times in ("0.1", "1", "10", "100", "1000", "10000")),
            *(f"rrr-{strength}-adversarial" for strength in (".01538", ".1538", "1.538", "15.38")),
            *(f"gradient-penalty-{g}" for g in ("0.001538", "0.01538", "0.04863", "0.1538", "1.538", "15.38", "153.8")),
            "papers-masks",
            "free-reward",
            *(f"lambda-beside-exchange-{strength}" for strength in ("0", ".1", ".2", ".7")),
        ),
    },
}
"""The probes of a table, by task: in the order in which they are told."""


def page_of(path: Path) -> Page:
    """Of a results.json: this folder's, or one that was just run, which has no probes."""
    summary, probes = read_summary(path), read_probes(path)
    columns = (*COLUMNS, SHORTCUT_SHARE)
    mnist = [
        *arms(MNIST, "before"),
        Row("feedback, by the gradient (seeds 2 to 4)", MNIST_GRADIENT),
        Row("feedback, by counterexamples", MNIST),
        *arms(MNIST, "rrr", "no_shortcut", "cross_entropy", "wrong_masks"),
    ]
    digits = [
        *arms(DIGITS_GRADIENT, "before", "cross_entropy", "random_answers"),
        Row("feedback, by the gradient", DIGITS_GRADIENT),
        *arms(DIGITS_GRADIENT, "no_shortcut"),
    ]
    tables = {"MNIST": table(summary, mnist, columns), "digits": table(summary, digits, columns)}
    tables |= {f"probes, {name}": probe_table(probes, group) for name, group in GROUPS.items()} if probes else {}
    return Page(tables, arms_figure(summary), all_tables(summary))


def probe_table(probes: Sequence[Probe], group: Mapping[str, Sequence[str]]) -> str:
    """One line a probe and, for each task, what each seed ended at."""
    known = {(probe.task, probe.name): probe for probe in probes if not probe.full}
    lines = []
    for task, names in group.items():
        for name in names:
            probe = known[task, name]
            measured = (_seeds(probe, measure) for measure in MEASURED)
            lines.append([task.removesuffix("-decoy"), name, *measured, _distance(probe)])
    return rows(["", "probe", "shifted", "L∞ .05", "L∞ .1", "validation", "margin / slope"], lines)


def _seeds(probe: Probe, measure: str) -> str:
    return ", ".join(number(value) for value in probe.measured.get(measure, ())) or "–"


def _distance(probe: Probe) -> str:
    """Of each seed, to first order, the L∞ distance to the decision where the middle of the image is changed."""
    pairs = zip(probe.measured["margin"], probe.measured["slope_middle"], strict=True)
    return ", ".join(number(margin / slope) if slope else "–" for margin, slope in pairs)
