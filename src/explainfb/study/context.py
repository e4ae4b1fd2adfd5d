"""What the arms of a study share: its classifier before any feedback, and the loop that follows its answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from explainfb.classifiers.classifier import Classifier, save_classifier
from explainfb.classifiers.training import TrainingPoint, train
from explainfb.classifiers.transfer import pretrained
from explainfb.core.progress import Progress
from explainfb.finetuning.optimisation import Method
from explainfb.preferences.simulated import Annotator, simulated_annotator
from explainfb.results.records import FEEDBACK, Compute, Stopped
from explainfb.store import Store
from explainfb.study.compute import compute_of, counted
from explainfb.study.rounds import Loop
from explainfb.study.settings import StudySettings
from explainfb.tasks.task import Task

TRAINING_COST = 0.1
"""What a step of training costs beside one of fine-tuning, about, for the progress bar."""


@dataclass(frozen=True)
class Outcome:
    """What an arm ended with."""

    classifier: Path
    compute: Compute | None
    """None where it was made without being counted."""
    stopped: tuple[Stopped, ...] = ()
    """Its rounds that did not run to their end."""

    @classmethod
    def of(cls, loop: Loop) -> "Outcome":
        return cls(loop.classifier_path(loop.settings.rounds), loop.compute, tuple(loop.stopped))


@dataclass(frozen=True, kw_only=True)
class StudyContext:
    """What the arms of a study share."""

    folder: Path
    """Of the study."""
    settings: StudySettings
    task: Task
    device: torch.device
    progress: Progress = field(default_factory=Progress)
    seconds: dict[str, float] = field(default_factory=dict)
    """Filled with the wall-clock time of each stage."""

    def feedback(self, store: Store | None = None) -> Loop:
        """The loop that follows the answers."""
        settings, annotator = self.settings, None
        if settings.annotator == "simulated":
            annotator = simulated_annotator(
                self.task.train, seed=settings.seed, error_rate=settings.error_rate, crowd=settings.crowd
            )
        return self.loop(FEEDBACK, self.folder, store=store, annotator=annotator)

    def loop(
        self,
        name: str,
        folder: Path,
        *,
        store: Store | None = None,
        annotator: Annotator | None = None,
        method: Method | None = None,
    ) -> Loop:
        return Loop(
            folder=folder,
            task=self.task,
            settings=self.settings,
            device=self.device,
            progress=self.progress,
            name=name,
            store=store,
            annotator=annotator,
            overlap=self.settings.overlap if annotator is None else 1,
            method=method,
            seconds=self.seconds,
        )

    def train(self, folder: Path, task: Task, title: str) -> Outcome:
        """Train the classifier before any feedback and keep it in `folder`, if that is not done."""
        path = first_classifier(folder)
        steps = self.settings.training.steps
        if path.is_file():
            self.progress.skip(TRAINING_COST * steps)
        else:
            start = time.monotonic()
            with self.progress.stage(title, steps, cost=TRAINING_COST * steps) as step, counted(path):
                trained = self._start(task, folder / "tensorboard" / "training", step)
            save_classifier(trained, path)
            self.seconds[title] = time.monotonic() - start
        return Outcome(path, compute_of([path]))

    def _start(self, task: Task, curves: Path, step: Callable[[float], None]) -> Classifier:
        """The classifier before any feedback: trained anew, or transferred from published weights."""
        settings, seed, weights = self.settings.training, self.settings.seed, self.settings.weights

        def on_validation(point: TrainingPoint) -> None:
            writer.add_scalar("training/cross-entropy", point.train_loss, point.step)
            writer.add_scalar("validation/cross-entropy", point.validation_loss, point.step)
            writer.add_scalar("validation/accuracy", point.validation_accuracy, point.step)
            step(settings.validate_every)

        with SummaryWriter(str(curves)) as writer:
            if weights is None:
                return train(task, settings=settings, seed=seed, device=self.device, on_validation=on_validation)
            start = pretrained(settings.classifier, None if weights == "default" else Path(weights))
            return start.transfer(
                task, settings=settings, layers="all", seed=seed, device=self.device, on_validation=on_validation
            )


def first_classifier(folder: Path) -> Path:
    """The file of an arm's classifier before any round."""
    return folder / "classifiers" / "round-0.safetensors"
