"""Does an annotator who never errs give the same answer, when the same images are explained under another seed?

    python -m experiments.explanation_precision.answers --study FOLDER

The explanations of some rounds of a finished study are made twice, under two seeds that the study did not use, as
studies explain now and as they did before. Pairs of them are answered both times; the shares go to results.json.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import tyro

from experiments.explanation_precision.page import page_of
from experiments.explanation_precision.run import Results
from experiments.grids import EXPLAINED
from experiments.page import write_page
from explainfb.core.types import Answer, Comparison, ExplanationKey
from explainfb.explanations.explainer import Explainer
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.storage import Explanations, load_explanations
from explainfb.preferences.simulated import SimulatedAnnotator
from explainfb.study.arm_folder import ArmFolder
from explainfb.study.settings import StudySettings, task_of
from explainfb.study.settings_file import read_settings
from explainfb.tasks.task import Task

WAYS = {"as studies explain": StudySettings().lime, "as they did": EXPLAINED}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is explained again."""

    study: Path
    """A finished study."""
    rounds: tuple[int, ...] = (1, 2, 4)
    explanations: int = 60
    """Of each round."""
    pairs: int = 3000
    """Drawn among them, for each round."""
    seeds: tuple[int, int] = (100, 101)
    output: Path = field(default_factory=lambda: Path("studies/explanation_precision"))


def main(settings: Settings) -> None:
    torch.set_num_threads(1)
    results = Results(settings.output)
    task = task_of(read_settings(settings.study / "study.toml"))
    shares = results.found.setdefault("answers", {})
    for way, lime in WAYS.items():
        for number in settings.rounds:
            shares[f"{way} | round {number}"] = shares_of(settings, number, task, lime)
            results.keep()
            print(way, number, shares[f"{way} | round {number}"], flush=True)
    write_page(page_of(results.path), settings.output)


def shares_of(settings: Settings, number: int, task: Task, lime: LimeSettings) -> dict[str, float]:
    """How many pairs get the same answer twice, the opposite one, and are called equal the first time."""
    files, generator = ArmFolder(settings.study), np.random.default_rng(number)
    stored = list(load_explanations(files.explanations_path(number)))
    keys = [stored[place] for place in generator.permutation(len(stored))[: settings.explanations]]
    first, second = (explained(files, keys, task, lime, seed) for seed in settings.seeds)
    annotator = SimulatedAnnotator(split=task.train, seed=0, error_rate=0)
    answers = []
    for _ in range(settings.pairs):
        left, right = (keys[place] for place in generator.choice(len(keys), 2, replace=False))
        asked = Comparison(left, right, round=number)
        answers.append([annotator.answer(asked, made[left], made[right]) for made in (first, second)])
    opposite = {(Answer.LEFT, Answer.RIGHT), (Answer.RIGHT, Answer.LEFT)}
    return {
        "same": round(float(np.mean([one == other for one, other in answers])), 3),
        "opposite": round(float(np.mean([(one, other) in opposite for one, other in answers])), 3),
        "equal": round(float(np.mean([one == Answer.EQUAL for one, _ in answers])), 3),
    }


def explained(
    files: ArmFolder, keys: Sequence[ExplanationKey], task: Task, lime: LimeSettings, seed: int
) -> Explanations:
    found = Explanations()
    for name in sorted({key.classifier for key in keys}):
        classifier = files.classifier(int(name.removeprefix("round-")))
        explainer = Explainer(classifier, settings=lime, background=task.train.images, seed=seed)
        for key in keys:
            if key.classifier == name:
                [found[key]] = explainer(task.train.images[key.image][None])
    return {key: replace(found[key], image=None) for key in keys}


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
