"""Is the confidence of finished studies' arms to be believed, before and after a temperature?

    python experiments/calibration/calibrate.py --studies studies/decoy

Nothing is trained or attacked: the studies' own logits are rescaled. That takes seconds, so there is nothing to resume.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import matplotlib as mpl
import numpy as np
import torch
import torch.nn.functional as F
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from rich.progress import track
from torch import Tensor

from explainfb.classifiers.classifier import load_classifier
from explainfb.classifiers.training import predict_logits
from explainfb.core.environment import describe_environment
from explainfb.core.seeding import torch_generator
from explainfb.statistics.calibration import calibration_error, reliability
from explainfb.statistics.contrasts import LEVEL, contrast, corrected, half_width
from explainfb.statistics.temperature import Temperature, fit_temperature
from explainfb.study.finished import FinishedStudy, finished_studies
from explainfb.study.settings import task_of

HERE = Path(__file__).parent
Record = dict[str, Any]
AS_IT_IS, SCALED, TOLD = "as it is", "temperature", "temperature told"
SCORES = {"ece": "ECE", "nll": "NLL", "brier": "Brier"}
PAIRS = (
    (("feedback", AS_IT_IS), ("before", AS_IT_IS)),
    (("feedback", AS_IT_IS), ("before", SCALED)),
    (("feedback", AS_IT_IS), ("before", TOLD)),
    (("feedback", SCALED), ("before", SCALED)),
    (("feedback", SCALED), ("feedback", AS_IT_IS)),
    (("feedback", AS_IT_IS), ("ceiling", AS_IT_IS)),
)
"""What is tested: the first less the second, in every score on every set of images that both have."""
PANELS = (
    ("before", AS_IT_IS),
    ("before", SCALED),
    ("random_exchange", TOLD),
    ("feedback", AS_IT_IS),
    ("feedback", SCALED),
    ("ceiling", AS_IT_IS),
)
COLOURS = {"before": "#d55e00", "random_exchange": "#cc79a7", "feedback": "#0072b2", "ceiling": "#666666"}
SHARES = (0.01, 0.1, 0.5, 1.0)
"""Of the images in a bin: what the figure shows the marker of."""
LEAST_IMAGES = 5
"""A bin of a seed with fewer images has no part in the bin's interval."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which studies, and where to."""

    studies: Path
    """A sweep's folder."""
    data_dir: Path | None = None
    output: Path | None = None
    """Where results.json, table.md and figure.svg go; a folder beside this script named after the task if not given."""
    jobs: int = os.cpu_count() or 1


def main(settings: Settings) -> None:
    studies = finished_studies(settings.studies)
    output = settings.output or HERE / studies[0].settings.task
    output.mkdir(parents=True, exist_ok=True)
    jobs = joblib.Parallel(n_jobs=settings.jobs, return_as="generator")(
        joblib.delayed(measure)(study, settings.data_dir) for study in studies
    )
    rows = [row for found in track(jobs, "seeds", total=len(studies)) for row in found]
    results = {
        "task": studies[0].settings.task,
        "seeds": [study.settings.seed for study in studies],
        "environment": describe_environment(),
        "arms": rows,
        "tests": tests(rows),
    }
    (output / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (output / "table.md").write_text(table(rows, results["tests"]), encoding="utf-8")
    draw(rows, output / "figure.svg")
    print((output / "table.md").read_text(encoding="utf-8"))


def measure(study: FinishedStudy, data_dir: Path | None) -> list[Record]:
    """One row for each arm, set of images and way to scale."""
    torch.set_num_threads(1)
    task, seed = task_of(study.settings, data_dir), study.settings.seed
    rows = []
    for arm, path in study.arms.items():
        own = task.sound_validation if arm == "ceiling" and task.sound_validation is not None else task.validation
        fitted = fit_temperature(predict_logits(load_classifier(path), own.images), own.labels)
        measured = study.evaluation(arm)
        sets = {"shifted": measured.shifted_logits, "clean": measured.clean_logits}
        for images, logits in sets.items():
            if logits is not None:
                for way, scaled, temperatures in scalings(logits, measured.labels, fitted, seed):
                    key = {"seed": seed, "arm": arm, "images": images, "scaling": way}
                    rows.append(key | {"temperatures": temperatures} | score(scaled, measured.labels))
    return rows


def scalings(
    logits: Tensor, labels: Tensor, fitted: Temperature, seed: int
) -> Iterator[tuple[str, Tensor, list[Record]]]:
    """The logits as they are, under the fitted temperature, and each half under one fitted to the other half."""
    yield AS_IT_IS, logits.double(), []
    yield SCALED, fitted(logits), [asdict(fitted)]
    order = torch.randperm(len(labels), generator=torch_generator(seed, "calibration", "halves"))
    first, second = order.chunk(2)
    told, temperatures = torch.empty_like(logits, dtype=torch.float64), []
    for here, there in ((first, second), (second, first)):
        other = fit_temperature(logits[there], labels[there])
        told[here] = other(logits[here])
        temperatures.append(asdict(other))
    yield TOLD, told, temperatures


def score(logits: Tensor, labels: Tensor) -> Record:
    """What is reported of one set of images, and the bins of its reliability diagram."""
    probabilities = logits.softmax(1)
    truth = F.one_hot(labels, logits.shape[1])
    bins = reliability(probabilities, labels)
    return {
        "n": len(labels),
        "accuracy": (probabilities.argmax(1) == labels).double().mean().item(),
        "confidence": probabilities.amax(1).mean().item(),
        "ece": calibration_error(probabilities, labels, seed=0, resamples=1).estimate,
        "nll": F.cross_entropy(logits, labels).item(),
        "brier": (probabilities - truth).square().sum(1).mean().item(),
        "bins": {
            "count": bins.count.tolist(),
            "confident": (np.nan_to_num(bins.confidence) * bins.count).tolist(),
            "right": (np.nan_to_num(bins.accuracy) * bins.count).tolist(),
        },
    }


def of(rows: list[Record], arm: str, images: str, way: str) -> list[Record]:
    """One row for each seed."""
    wanted = {"arm": arm, "images": images, "scaling": way}
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def tests(rows: list[Record]) -> list[Record]:
    """The pairs in every score, with p-values corrected for all of them together."""
    named, found = [], []
    for images in ("shifted", "clean"):
        for (arm, way), (other_arm, other_way) in PAIRS:
            here, there = of(rows, arm, images, way), of(rows, other_arm, images, other_way)
            for name in SCORES if here and there else ():
                pairs = [(np.array([a[name]]), np.array([b[name]])) for a, b in zip(here, there, strict=True)]
                found.append(contrast(f"{other_arm}, {other_way}", name, pairs))
                named.append({"images": images, "reference": f"{arm}, {way}"})
    return [name | asdict(each) | {"is_one": each.is_one} for name, each in zip(named, corrected(found), strict=True)]


def table(rows: list[Record], tested: list[Record]) -> str:
    """Markdown: every arm on each set of images, then what was tested."""
    lines = []
    for images in dict.fromkeys(row["images"] for row in rows):
        lines += [f"**{images.capitalize()} test images**", ""]
        lines += [
            "| arm | scaling | T | accuracy | confidence | ECE | NLL | Brier |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for arm in dict.fromkeys(row["arm"] for row in rows):
            for way in (AS_IT_IS, SCALED, TOLD):
                group = of(rows, arm, images, way)
                values = [over_seeds([row[name] for row in group]) for name in ("accuracy", "confidence", *SCORES)]
                lines.append("| " + " | ".join([arm, way, temperatures(group), *values]) + " |")
        lines.append("")
    lines += ["| images | score | difference | | 95 % interval | p (Holm) | |", "|---|---|---|---|---|---|---|"]
    for test in tested:
        interval = "–" if test["low"] is None else f"{test['low']:+.3f} to {test['high']:+.3f}"
        p = "–" if test["p"] is None else f"{test['p']:.2g}"
        verdict = f"a difference (p < {LEVEL})" if test["is_one"] else "not shown"
        what = f"{test['reference']} less {test['arm']}"
        cells = [test["images"], SCORES[test["measure"]], what, f"{test['difference']:+.3f}", interval, p, verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def over_seeds(values: list[float]) -> str:
    half = half_width(np.array(values))
    return f"{np.mean(values):.3f}" + ("" if half is None else f" ± {half:.3f}")


def temperatures(group: list[Record]) -> str:
    """Median and range over the seeds, and how many ran into a limit."""
    found = [each for row in group for each in row["temperatures"]]
    if not found:
        return ""
    values, limits = [each["value"] for each in found], sum(each["at_limit"] for each in found)
    limited = f", {limits} of {len(found)} at a limit" if limits else ""
    return f"{np.median(values):.2f} ({min(values):.2f} to {max(values):.2f}{limited})"


def draw(rows: list[Record], path: Path) -> None:
    """Reliability diagrams, one column a panel, one row a set of images; a point grows with its bin's share of them."""
    sets = list(dict.fromkeys(row["images"] for row in rows))
    panels = [(arm, way) for arm, way in PANELS if of(rows, arm, sets[0], way)]
    with mpl.rc_context(
        {"font.size": 8, "svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans"], "svg.hashsalt": "calibration"}
    ):
        figure = Figure(figsize=(1.75 * len(panels), 2.25 * len(sets) + 0.5), layout="constrained")
        grid = figure.subplots(len(sets), len(panels), sharex=True, sharey=True, squeeze=False)
        for line, images in zip(grid, sets, strict=True):
            for axes, (arm, way) in zip(line, panels, strict=True):
                panel(axes, of(rows, arm, images, way), COLOURS[arm], "o" if way == AS_IT_IS else "D")
                ece = over_seeds([row["ece"] for row in of(rows, arm, images, way)])
                title = [arm.replace("_", " "), "" if way == AS_IT_IS else f"+ {way}", f"ECE {ece}"]
                axes.set_title("\n".join(title), fontsize=8)
            line[0].set_ylabel(f"{images} images\naccuracy")
        for axes in grid[-1]:
            axes.set_xlabel("confidence")
        figure.legend(handles=key(), loc="outside lower center", ncols=len(SHARES) + 2, frameon=False)
        figure.savefig(path, metadata={"Date": None})


def area(share: Any) -> Any:
    """Of a marker, in square points, by the share of the images that its bin holds."""
    return 8 + 160 * share


def key() -> list[Line2D]:
    """What the size and the shape of a marker mean."""
    grey = {"color": "#555555", "linestyle": "none", "markeredgewidth": 0}
    shown = [Line2D([], [], marker="o", markersize=area(share) ** 0.5, **grey) for share in SHARES]
    for line, share in zip(shown, SHARES, strict=True):
        line.set_label(f"{share * 100:.0f} %")
    shown[-1].set_label("100 % of the images in the bin")
    shown.append(Line2D([], [], marker="D", markersize=5, label="with a temperature", **grey))
    return [*shown, Line2D([], [], color="#555555", linewidth=1.1, label="95 % t-interval")]


def panel(axes: Axes, group: list[Record], colour: str, marker: str) -> None:
    """The images of all seeds in bins; bars are t-intervals over the seeds with images enough in the bin."""
    bins = {name: np.array([row["bins"][name] for row in group]) for name in ("count", "confident", "right")}
    count = bins["count"].sum(0)
    some = count > 0
    x, y = (bins[name].sum(0)[some] / count[some] for name in ("confident", "right"))
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=":")
    for place, low, high in intervals(bins):
        axes.vlines(place, low, high, color=colour, linewidth=1.1, alpha=0.7)
    axes.scatter(
        x, y, s=area(count[some] / count.sum()), color=colour, marker=marker, alpha=0.85, linewidth=0, clip_on=False
    )
    axes.set(xlim=(0, 1.03), ylim=(-0.03, 1.03), aspect="equal", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axes.spines[["top", "right"]].set_visible(False)


def intervals(bins: Mapping[str, np.ndarray]) -> Iterator[tuple[float, float, float]]:
    """Where, and from where to where, for each bin in which at least three seeds have images enough."""
    for count, confident, right in zip(*(bins[name].T for name in ("count", "confident", "right")), strict=True):
        some = count >= LEAST_IMAGES
        if some.sum() >= 3:
            by_seed = right[some] / count[some]
            half = half_width(by_seed) or 0.0
            yield confident.sum() / count.sum(), max(0.0, by_seed.mean() - half), min(1.0, by_seed.mean() + half)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
