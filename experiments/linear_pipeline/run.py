"""A linear classifier of MNIST from the first look at the data to where it ends, and bugs that say nothing.

    python -m experiments.linear_pipeline.run --data-dir DATA

1. The doctor examines the sound pipeline, and draws what the network is fed.
2. Which features help: the same classifier on pixels, on coarser ones, on sums, on edges.
3. One bug at a time is put into the pipeline (pipeline.py). None of them crashes or warns. The accuracy that comes out
   stands beside what the doctor says.

Every line is written to --out as it comes, so that a run that was stopped goes on.
"""

import base64
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
import tyro
from torch import Tensor, nn

from experiments.kept import Line, lines
from experiments.linear_pipeline.page import page_of
from experiments.linear_pipeline.pipeline import Pipeline, plants
from experiments.page import write_json, write_page
from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import predict_logits
from explainfb.core.environment import describe_environment
from explainfb.core.errors import InputError
from explainfb.doctor import examine
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split, Task

ORIENTATIONS = 8
"""Directions that an edge may have, each a channel of its own."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is run."""

    data_dir: Path | None = None
    """Where MNIST lies in torchvision's layout; without it, it is downloaded to data/."""
    out: Path = Path("studies/linear_pipeline")
    train_images: int = 55_000
    """For the features; what is left of the training images validates."""
    steps: int = 5000
    """Of gradient descent, for the features."""
    bug_images: int = 4000
    """Training images for the bugs …"""
    bug_steps: int = 1000
    """… and steps."""
    first_seed: int = 0
    seeds: int = 3

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise InputError(f"At least one seed is needed; found {self.seeds}.")

    def training(self, steps: int) -> TrainingSettings:
        return TrainingSettings(steps=steps, learning_rate=0.01)


def directions(images: Tensor) -> Tensor:
    """(N, 8, 7, 7): the strength of edges in each of eight directions, averaged over cells of a fourth of the side."""
    kernel = images.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8  # Sobel's
    across, down = F.conv2d(images, torch.stack([kernel, kernel.T])[:, None], padding=1).unbind(1)
    angle = torch.atan2(down, across) / (2 * torch.pi) % 1 * ORIENTATIONS
    bins = F.one_hot(angle.long().clamp_max(ORIENTATIONS - 1), ORIENTATIONS).movedim(-1, 1)
    strength = bins * torch.hypot(across, down)[:, None]
    return F.avg_pool2d(strength, 4).clamp(0, 1)


FEATURES = {
    "784 pixels": lambda images: images,
    "pixels averaged to 14×14": lambda images: F.avg_pool2d(images, 2),
    "pixels averaged to 7×7": lambda images: F.avg_pool2d(images, 4),
    "ink in each row and in each column": lambda images: torch.cat([images.mean(3), images.mean(2)], 2)[:, :, None],
    "ink in all": lambda images: images.mean((2, 3), keepdim=True),
    "edges of 8 directions in 7×7 cells": directions,
}
"""Each makes of (N, 1, 28, 28) what the linear classifier sees in place of pixels."""


def main(settings: Settings) -> None:
    torch.set_num_threads(1)
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    told = {
        name: value
        for name, value in asdict(settings).items()
        if name not in ("data_dir", "out", "seeds", "first_seed")
    }
    task = load_task("mnist", data_dir=settings.data_dir, train_images=settings.train_images)
    path = settings.out / "features.jsonl"
    features = list(
        lines(path, told, [f"{name} | {seed}" for seed in seeds for name in FEATURES], partial(feature, task, settings))
    )
    little = load_task("mnist", data_dir=settings.data_dir, train_images=settings.bug_images)
    names = list(plants(little, 0))
    path = settings.out / "bugs.jsonl"
    bugs = list(
        lines(path, told, [f"{name} | {seed}" for seed in seeds for name in names], partial(bug, little, settings))
    )
    results = {
        "format": 1,
        "environment": describe_environment(),
        "settings": told,
        "features": features,
        "bugs": bugs,
        "weights": weights_of(task, settings),
    }
    write_json(results, settings.out / "results.json")
    write_page(page_of(settings.out / "results.json"), settings.out)


def right(classifier: Classifier, split: Split) -> float:
    """The share of images that are classified rightly."""
    return round(float((predict_logits(classifier, split.images).argmax(1) == split.labels).float().mean()), 4)


def feature(task: Task, settings: Settings, key: str) -> Line:
    """Where the classifier ends on one kind of features."""
    name, seed = key.split(" | ")
    splits = {part: getattr(task, part) for part in ("train", "validation", "clean")}
    seen = {
        part: Split(torch.cat([FEATURES[name](some) for some in split.images.split(5000)]), split.labels)
        for part, split in splits.items()
    }
    # not validated as a task is: edges have more channels than a picture
    pipeline = Pipeline(task=Task("mnist", task.class_names, seen["train"], seen["validation"], seen["clean"]))
    trained = pipeline.trained(settings.training(settings.steps), int(seed))
    return {
        "numbers": seen["train"].images[0].numel(),
        "train": right(trained, seen["train"]),
        "test": right(trained, seen["clean"]),
    }


def bug(task: Task, settings: Settings, key: str) -> Line:
    """What a bug does to the accuracy, and which checks of the doctor fail."""
    name, number = key.split(" | ")
    seed, training = int(number), settings.training(settings.bug_steps)
    planted = plants(task, seed)[name]
    trained = planted.trained(training, seed)
    folder = settings.out / "doctor" if name == "none" else None
    findings = examine(
        planted.task,
        build=partial(planted.build, seed),
        loss=planted.loop.loss,
        train=planted.loop,
        settings=training,
        seed=seed,
        folder=folder,
    )
    failed = {finding.name: finding.seen for finding in findings if finding.passed is False}
    return {
        "train": right(trained, planted.task.train),
        "test": right(trained, planted.task.clean),
        "failed": failed,
    }


def weights_of(task: Task, settings: Settings) -> list[str]:
    """The weights of the classifier on pixels, one class a row: 784 of them from −127 to 127, as Base64."""
    trained = Pipeline(task=task).trained(settings.training(settings.steps), settings.first_seed)
    (linear,) = (layer for layer in trained.modules() if isinstance(layer, nn.Linear))
    weights = linear.weight.detach()
    whole = (weights / weights.abs().max() * 127).round().to(torch.int8).numpy()
    return [base64.b64encode(row.tobytes()).decode() for row in whole]


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
