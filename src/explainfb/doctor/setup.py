"""What is examined, and what a check says of it."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.settings import TrainingSettings
from explainfb.core.seeding import derive, torch_generator
from explainfb.doctor.linear import LinearModel, fit_linear
from explainfb.tasks.task import Split, Task

LINEAR_IMAGES = 2000
"""Training images at most that the linear model is fitted to."""
Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits (N, classes) and labels (N,) → the mean loss."""
Predict = Callable[[Classifier, Tensor], Tensor]
"""The evaluation's way from images (N, C, H, W) in [0, 1] to logits (N, classes) on the CPU."""


class Train(Protocol):
    """A training loop, such as `explainfb.classifiers.training.fit`."""

    def __call__(
        self, classifier: Classifier, train_split: Split, validation: Split, *, settings: TrainingSettings, seed: int
    ) -> Classifier: ...


@dataclass(frozen=True)
class Finding:
    """What one check expected and what it saw."""

    name: str
    passed: bool | None
    """None where the check says nothing: one that it rests on has failed, or these images are not for it to judge."""
    expected: str
    seen: str
    advice: str
    """What to do where the check has failed."""
    picture: Path | None = None
    """What the check has drawn, where a folder was given."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Setup:
    """Everything that takes part in training a classifier, each part replaceable."""

    task: Task
    build: Callable[[], Classifier]
    """A classifier with fresh weights, the same at every call."""
    loss: Loss
    train: Train
    predict: Predict
    settings: TrainingSettings
    trained: Classifier | None
    """A classifier that has been trained already; None trains one where a check needs it."""
    seed: int
    folder: Path | None
    """Where pictures are drawn; None draws none."""

    def fresh(self) -> Classifier:
        return copy.deepcopy(self.build())  # `build` may give the same network each time, and checks train it

    def subject(self) -> Classifier:
        """A copy of the classifier in question: the trained one that was given, or else a fresh one."""
        return self.fresh() if self.trained is None else copy.deepcopy(self.trained)

    def sample(self, size: int, *, split: Split | None = None) -> Split:
        """At most `size` different training images (or of `split`), on the CPU."""
        split = self.task.train if split is None else split
        return split.take(torch.randperm(len(split), generator=torch_generator(self.seed, "doctor", "sample"))[:size])

    def run(self, classifier: Classifier, train: Split, validation: Split, *, steps: int) -> Classifier:
        """Train `classifier` by the set-up's own loop for at most `steps` steps."""
        settings = replace(self.settings, steps=steps)
        return self.train(classifier, train, validation, settings=settings, seed=self.seed)

    def right(self, classifier: Classifier, split: Split) -> Tensor:
        """(N,) bool: which images of `split` are classified rightly."""
        return self.predict(classifier, split.images).argmax(1) == split.labels

    @cached_property
    def linear(self) -> LinearModel:
        """A linear model of the training images' pixels."""
        return fit_linear(self.sample(LINEAR_IMAGES), len(self.task.class_names))

    @cached_property
    def finished(self) -> Classifier:
        """The classifier whose accuracy counts."""
        if self.trained is not None:
            return self.subject()
        return self.run(self.fresh(), self.task.train, self.task.validation, steps=self.settings.steps)


@contextmanager
def drawing_from(*stream: object) -> Iterator[None]:
    """Have dropout and its like draw from one stream; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(0, "doctor", *stream))
        yield
