"""Do two seeds tell the same of an image, at the setting that studies explain with?

    python -m experiments.explanation_precision.agreement --data-dir DATA --tasks mnist-decoy folder:PATH

Every image is explained under each seed, as a study explains it. No truth is needed, so that photographs can be asked
about as well (`--tasks folder:PATH`). What was found goes to results.json, by classifier.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
import tyro

from experiments.explanation_precision.asked import Case
from experiments.explanation_precision.cases import PHOTOGRAPHS as FOLDER
from experiments.explanation_precision.cases import CaseSettings, cases_of
from experiments.explanation_precision.measures import correlation
from experiments.explanation_precision.page import page_of
from experiments.explanation_precision.run import Results
from experiments.page import write_page
from explainfb import PHOTOGRAPHS
from explainfb.core.types import BoolArray, FloatArray
from explainfb.explanations.explainer import Explainer
from explainfb.explanations.settings import LimeSettings
from explainfb.statistics.contrasts import half_width
from explainfb.study.settings import StudySettings

LIME = StudySettings().lime
OF_PHOTOGRAPHS = {
    "photographs": PHOTOGRAPHS.lime,
    "photographs, 720 masks": replace(PHOTOGRAPHS.lime, n_samples=720),
    "photographs, leverage": replace(PHOTOGRAPHS.lime, sampling="leverage"),
}
"""As a study that begins with photographs explains them, and other ways."""
AFTER = {"digits, after": LIME, "digits, after, 1,440 masks": replace(LIME, n_samples=1440)}
"""What half as many images (`--queries.images .5`) can be explained with, at as many passes."""


@dataclass(frozen=True, kw_only=True)
class Settings(CaseSettings):
    """What is explained, and how often."""

    tasks: tuple[str, ...] = ("digits-decoy", "mnist-decoy")
    images: int = 20
    seeds: int = 3
    output: Path = Path("studies/explanation_precision")


def main(settings: Settings) -> None:
    torch.set_num_threads(1)
    results = Results(settings.output)
    for case in cases_of(settings):
        of_case = {FOLDER: OF_PHOTOGRAPHS, "digits, after": AFTER}.get(case.name, {case.name: LIME})
        for name, lime in of_case.items():
            made = [explained(case, lime, seed, settings.output / name) for seed in range(settings.seeds)]
            weights, errors = (np.stack(each, axis=1) for each in zip(*made, strict=True))
            about = {"masks": lime.n_samples, "sampling": lime.sampling, "fill": lime.fill, "seeds": settings.seeds}
            results.found.setdefault("agreement", {})[name] = about | agreement(weights, errors)
            results.keep()
            print(name, results.found["agreement"][name], flush=True)
    write_page(page_of(results.path), settings.output)


def explained(case: Case, lime: LimeSettings, seed: int, start: Path) -> tuple[FloatArray, FloatArray]:
    """(B, d) weights and their standard errors, by what a study would learn of the classifier under this seed.

    Computed once: they are kept in a file whose name begins with `start`.
    """
    path = start.with_name(f"agreement-{start.name}-{seed}.npz")
    if not path.is_file():
        explainer = Explainer(case.classifier, settings=lime, background=case.background, seed=seed)
        found = [explainer(image[None])[0] for image in case.images]
        np.savez(path, weights=[each.weights for each in found], errors=[each.standard_errors for each in found])
        print(start.name, seed, found[-1], flush=True)
    with np.load(path) as kept:
        return kept["weights"], kept["errors"]


def agreement(weights: FloatArray, errors: FloatArray) -> dict[str, object]:
    """Of (B, S, d) by image and seed: for each measure its mean over images, and half of its 95 % interval."""
    found = [of_image(*image) for image in zip(weights, errors, strict=True)]
    told: dict[str, object] = {"images": len(found)}
    for name in found[0]:
        values = np.array([each[name] for each in found])
        told[name] = [round(float(values.mean()), 4), round(half_width(values) or 0.0, 4)]
    return told


def of_image(weights: FloatArray, errors: FloatArray) -> dict[str, float]:
    """The means over pairs of seeds of one image, (S, d)."""
    stand_out = np.abs(weights) >= 2 * errors
    strongest = np.abs(weights).argmax(1)
    pairs = list(combinations(range(len(weights)), 2))
    with np.errstate(divide="ignore"):
        noise = np.clip(1 - (errors**2).mean(1) / weights.var(1), 0, 1)
    found = {
        "reliability": noise,
        "correlation": [correlation(weights[a], weights[b]) for a, b in pairs],
        "same_strongest": [strongest[a] == strongest[b] for a, b in pairs],
        "stand_out": stand_out.sum(1),
        "shared": [shared(stand_out[a], stand_out[b]) for a, b in pairs],
        "overlap": [
            (stand_out[a] & stand_out[b]).sum() / max(1, (stand_out[a] | stand_out[b]).sum()) for a, b in pairs
        ],
    }
    return {name: float(np.mean(np.asarray(values, dtype=float))) for name, values in found.items()}


def shared(one: BoolArray, other: BoolArray) -> float:
    """Of what one seed shows as counting, the share that the other shows too: the mean of both ways."""
    common = float((one & other).sum())
    return (common / max(1.0, float(one.sum())) + common / max(1.0, float(other.sum()))) / 2


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
