"""Is the confidence of finished studies' arms to be believed, before and after a temperature?

    python -m experiments.calibration.run --studies studies/shortcut_repair/digits-position-lenet

Nothing is trained or attacked: the studies' own logits are rescaled. That takes seconds, so there is nothing to resume.
results.json, tables.md and figure.png are written to --output.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import torch
import torch.nn.functional as F
import tyro
from rich.progress import track
from torch import Tensor

from experiments.calibration.calibrated import MEASURES, Bins, Calibrated, Images, Scaling, as_plain
from experiments.calibration.page import page_of
from experiments.page import write_json, write_page
from explainfb.classifiers.classifier import load_classifier
from explainfb.classifiers.training import predict_logits
from explainfb.core.environment import describe_environment
from explainfb.core.seeding import torch_generator
from explainfb.statistics.calibration import calibration_error, reliability
from explainfb.statistics.temperature import Temperature, fit_temperature
from explainfb.study.finished import FinishedStudy, finished_studies
from explainfb.study.settings import task_of


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which studies, and where to."""

    studies: tuple[Path, ...]
    """Sweeps' folders, one a task."""
    data_dir: Path | None = None
    output: Path = Path("studies/calibration")
    jobs: int = os.cpu_count() or 1


@dataclass(frozen=True)
class OfSeed:
    """One arm of one seed, on one set of images with one way to scale."""

    seed: int
    arm: str
    images: Images
    scaling: Scaling
    temperatures: tuple[Temperature, ...]
    measured: dict[str, float]
    bins: Bins


def main(settings: Settings) -> None:
    found: dict[str, list[Calibrated]] = {}
    for folder in settings.studies:
        studies = finished_studies(folder)
        jobs = joblib.Parallel(n_jobs=settings.jobs, return_as="generator")(
            joblib.delayed(measure)(study, settings.data_dir) for study in studies
        )
        rows = [row for seed in track(jobs, folder.name, total=len(studies)) for row in seed]
        found[studies[0].settings.task] = over_seeds(rows)
    arms = {task: [as_plain(each) for each in rows] for task, rows in found.items()}
    settings.output.mkdir(parents=True, exist_ok=True)
    write_json({"environment": describe_environment(), "arms": arms}, settings.output / "results.json")
    write_page(page_of(settings.output / "results.json"), settings.output)


def measure(study: FinishedStudy, data_dir: Path | None) -> list[OfSeed]:
    """One for each arm, set of images and way to scale."""
    torch.set_num_threads(1)
    task, seed = task_of(study.settings, data_dir), study.settings.seed
    found = []
    for arm, path in study.arms.items():
        own = (task.validation_without_shortcut if arm == "no_shortcut" else None) or task.validation
        fitted = fit_temperature(predict_logits(load_classifier(path), own.images), own.labels)
        measured = study.evaluation(arm)
        sets: dict[Images, Tensor | None] = {"shifted": measured.shifted_logits, "clean": measured.clean_logits}
        for images, logits in sets.items():
            if logits is not None:
                for scaling, scaled, temperatures in scalings(logits, measured.labels, fitted, seed):
                    scores, bins = score(scaled, measured.labels)
                    found.append(OfSeed(seed, arm, images, scaling, temperatures, scores, bins))
    return found


def scalings(
    logits: Tensor, labels: Tensor, fitted: Temperature, seed: int
) -> Iterator[tuple[Scaling, Tensor, tuple[Temperature, ...]]]:
    """The logits as they are, under the fitted temperature, and each half under one fitted to the other half."""
    yield "as it is", logits.double(), ()
    yield "temperature", fitted(logits), (fitted,)
    order = torch.randperm(len(labels), generator=torch_generator(seed, "calibration", "halves"))
    first, second = order.chunk(2)
    told = torch.empty_like(logits, dtype=torch.float64)
    temperatures = []
    for here, there in ((first, second), (second, first)):
        other = fit_temperature(logits[there], labels[there])
        told[here] = other(logits[here])
        temperatures.append(other)
    yield "temperature told", told, tuple(temperatures)


def score(logits: Tensor, labels: Tensor) -> tuple[dict[str, float], Bins]:
    """What is reported of one set of images, and the bins of its reliability diagram."""
    probabilities = logits.softmax(1)
    truth = F.one_hot(labels, logits.shape[1])
    bins = reliability(probabilities, labels)
    values = (
        (probabilities.argmax(1) == labels).double().mean().item(),
        probabilities.amax(1).mean().item(),
        calibration_error(probabilities, labels, seed=0, resamples=1).estimate,
        F.cross_entropy(logits, labels).item(),
        (probabilities - truth).square().sum(1).mean().item(),
    )
    count = bins.count.astype(np.float64)
    sums = (np.nan_to_num(bins.confidence) * count, np.nan_to_num(bins.accuracy) * count)
    return dict(zip(MEASURES, values, strict=True)), Bins(count, *sums)


def over_seeds(rows: Sequence[OfSeed]) -> list[Calibrated]:
    """One for each arm, set of images and way to scale."""
    groups: dict[tuple[str, Images, Scaling], list[OfSeed]] = {}
    for row in rows:
        groups.setdefault((row.arm, row.images, row.scaling), []).append(row)
    found = []
    for key, group in groups.items():
        temperatures = [each for row in group for each in row.temperatures]
        found.append(
            Calibrated(
                *key,
                seeds=tuple(row.seed for row in group),
                measured={name: tuple(row.measured[name] for row in group) for name in MEASURES},
                temperatures=tuple(each.value for each in temperatures),
                at_limit=sum(each.at_limit for each in temperatures),
                bins=tuple(row.bins for row in group),
            )
        )
    return found


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
