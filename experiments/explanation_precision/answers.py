"""Does an annotator who never errs give the same answer, when the same images are explained under another seed?

    python -m experiments.explanation_precision.answers --study FOLDER

The pairs that a finished study asked about are explained twice, under two seeds that the study did not use: as studies
explain, with four times the masks, and as they did before. They are answered both times; the shares go to results.json.
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
from explainfb.core.types import Answer, ExplanationKey
from explainfb.explanations.explainer import Explainer
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.storage import Explanations
from explainfb.preferences.simulated import SimulatedAnnotator
from explainfb.store.study_store import Store
from explainfb.study.arm_folder import ArmFolder
from explainfb.study.folder import DATABASE
from explainfb.study.settings import StudySettings, task_of
from explainfb.study.settings_file import read_settings
from explainfb.tasks.task import Task

NOW = StudySettings().lime
WAYS = {"as studies explain": NOW, "with 2,880 masks": replace(NOW, n_samples=2880), "as they did": EXPLAINED}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is explained again."""

    study: Path
    """A finished study."""
    rounds: tuple[int, ...] = (1, 2, 3, 4)
    pairs: int = 100
    """Of each round, evenly over those that were asked."""
    seeds: tuple[int, int] = (100, 101)
    output: Path = field(default_factory=lambda: Path("studies/explanation_precision"))


def main(settings: Settings) -> None:
    torch.set_num_threads(1)
    results = Results(settings.output)
    task = task_of(read_settings(settings.study / "study.toml"))
    shares = results.found["answers"] = {}
    for number in settings.rounds:
        for way, lime in WAYS.items():
            shares[f"{way} | round {number}"] = shares_of(settings, number, task, lime)
            results.keep()
            print(way, number, shares[f"{way} | round {number}"], flush=True)
    write_page(page_of(results.path), settings.output)


def shares_of(settings: Settings, number: int, task: Task, lime: LimeSettings) -> dict[str, float]:
    """How many pairs get the same answer twice, the opposite one, and are called equal the first time."""
    with Store(settings.study / DATABASE, read_only=True) as store:
        every = [stored.comparison for stored in store.comparisons(number)]
    chosen = [every[place] for place in np.linspace(0, len(every) - 1, min(settings.pairs, len(every))).astype(int)]
    keys = list(dict.fromkeys(key for asked in chosen for key in asked.shown))
    first, second = (explained(ArmFolder(settings.study), keys, task, lime, seed) for seed in settings.seeds)
    annotator = SimulatedAnnotator(split=task.train, seed=0, error_rate=0)
    answers = [
        [annotator.answer(asked, made[asked.left], made[asked.right]) for made in (first, second)] for asked in chosen
    ]
    opposite = {(Answer.LEFT, Answer.RIGHT), (Answer.RIGHT, Answer.LEFT)}
    return {
        "pairs": len(chosen),
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
