"""Chooses what RRR and cutout do best with, by one rule: six settings each, seeds 0 and 1, the highest mean accuracy on
validation images whose patch points at a random class. One has to know the shortcut for that, so the rule is generous.

    python -m experiments.one_sentence.tune
"""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Literal

import torch
import tyro

from explainfb.classifiers.classifier import load_classifier
from explainfb.classifiers.training import validate
from explainfb.core.devices import use_one_thread
from explainfb.core.seeding import torch_generator
from explainfb.finetuning.settings import BaselineSettings
from explainfb.study.arms.registry import ARMS
from explainfb.study.rounds import train_first
from explainfb.study.settings import StudySettings
from explainfb.study.study import Study
from explainfb.tasks.shortcuts import Shortcut
from explainfb.tasks.task import Split, Task

STARTS: tuple[Literal["before", "fresh"], ...] = ("before", "fresh")
CANDIDATES = {
    "rrr": [
        BaselineSettings(rrr_strength=strength, rrr_start=start, rrr_steps=4)
        for start, strength in product(STARTS, (0.1538, 1.538, 15.38))
    ],
    "cutout": [
        BaselineSettings(cutout_size=size, cutout_steps=steps) for size, steps in product((0.25, 0.5, 0.75), (1, 4))
    ],
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """On which seeds it is tuned, and where."""

    seeds: int = 2
    folder: Path = Path("studies/one_sentence/tune")


def with_random_patches(task: Task, seed: int) -> Split:
    """The task's validation images, each with the patch of a random class."""
    split = task.validation_without_shortcut
    assert split is not None
    shortcut = Shortcut("position", len(task.class_names), *task.image_shape[1:])
    shown = torch.randint(len(task.class_names), (len(split),), generator=torch_generator(seed, "one sentence, tune"))
    return replace(split, images=shortcut.plant(split.images, shown, seed=seed)[0])


def accuracy_of(arm: str, baselines: BaselineSettings, wanted: Settings, seed: int) -> float:
    settings = StudySettings(seed=seed, controls=(arm,), baselines=baselines)
    place = "-".join(f"{value:g}" if isinstance(value, float) else str(value) for value in vars(baselines).values())
    study = Study.open(wanted.folder / arm / place / str(seed), settings)
    train_first(study.context, study.context.feedback_folder, study.task, "training")
    tuned = load_classifier(ARMS[arm].run(arm, study.context).classifier)
    return validate(tuned, with_random_patches(study.task, seed))[1]


def main(wanted: Settings) -> None:
    use_one_thread()
    for arm, candidates in CANDIDATES.items():
        for baselines in candidates:
            found = [accuracy_of(arm, baselines, wanted, seed) for seed in range(wanted.seeds)]
            changed = {
                name: value for name, value in vars(baselines).items() if value != getattr(BaselineSettings(), name)
            }
            print(arm, changed, f"{mean(found):.4f}", [round(value, 3) for value in found], flush=True)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
