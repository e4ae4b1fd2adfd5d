"""Sound set-ups, and networks in which a bug can be planted."""

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture, lenet
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import architecture_for, fit
from explainfb.doctor import Finding
from explainfb.doctor.examination import CHECKS
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split, Task

SHORT = TrainingSettings(steps=250)


def halved(split: Split) -> Split:
    return Split(F.avg_pool2d(split.images, 2), split.labels)


def half_digits() -> Task:
    """The digits at half their size, which is four times as fast."""
    task = load_task("digits")
    halves = {name: halved(getattr(task, name)) for name in ("train", "validation", "clean")}
    return replace(task, **halves)


def failed(findings: list[Finding]) -> set[str]:
    assert len(findings) == len(CHECKS)
    return {finding.name for finding in findings if finding.passed is False}


def named(findings: list[Finding], name: str) -> Finding:
    return next(finding for finding in findings if finding.name == name)


def wrong(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if not finding.passed]


class Planted(Classifier):
    """LeNet with something done to its input and to its output."""

    def __init__(
        self,
        task: Task,
        before: Callable[[Classifier, Tensor], Tensor] = lambda classifier, images: images,
        after: Callable[[Classifier, Tensor], Tensor] = lambda classifier, logits: logits,
    ) -> None:
        architecture = architecture_for(task, "lenet")
        super().__init__(architecture, build_classifier(architecture, 0).network)
        self.before, self.after = before, after

    def forward(self, images: Tensor) -> Tensor:
        return self.after(self, super().forward(self.before(self, images)))


def with_network(task: Task, network: Callable[[Architecture], nn.Module]) -> Callable[[], Classifier]:
    def build() -> Classifier:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            architecture = architecture_for(task, "lenet")
            return Classifier(architecture, network(architecture))

    return build


def regularised(architecture: Architecture) -> nn.Module:
    layers = list(lenet(architecture))
    return nn.Sequential(layers[0], nn.BatchNorm2d(16), *layers[1:7], nn.Dropout(0.2), layers[7])


def left_in_training(classifier: Classifier, train_split: Split, validation: Split, **options: object) -> Classifier:
    return fit(classifier, train_split, validation, **options).train()  # type: ignore[arg-type]
