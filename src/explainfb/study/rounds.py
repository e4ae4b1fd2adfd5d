"""The rounds of an arm: round 0 is training, every further one a number of gradient steps; each is kept in a file.

A round whose classifier is there is not done again, and every stage draws from a stream of its own, so that an arm that
was interrupted ends as one that was not.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch.nn.functional as F
from torch.utils.tensorboard import SummaryWriter

from explainfb.classifiers.classifier import Classifier, load_classifier, save_classifier
from explainfb.classifiers.compute import compute_of, counted
from explainfb.classifiers.loading.any_network import network
from explainfb.classifiers.loading.libraries import is_of_library
from explainfb.classifiers.loading.transferable import Network, as_network
from explainfb.classifiers.training import TrainingPoint, train, train_mode
from explainfb.classifiers.transfer import Pretrained, pretrained
from explainfb.classifiers.wrapping import check_logits
from explainfb.core.errors import InputError
from explainfb.core.seeding import derive, torch_globally
from explainfb.finetuning.optimisation import Finetuned, FinetunePoint, Method
from explainfb.finetuning.penalties import check_twice_differentiable
from explainfb.results.records import Compute, Stopped, StopReason
from explainfb.rewards.features import ClassifierFeatures
from explainfb.study.arm_folder import ArmFolder
from explainfb.study.context import StudyContext
from explainfb.study.settings import StudySettings
from explainfb.tasks.task import Task

OWN_START, START = "study", "start.safetensors"
"""What `weights` says of a study that was begun with a network from Python, and the file that keeps this network."""
TRAINING_COST = 0.1
"""What a step of training costs beside one of fine-tuning, about, for the progress bar."""


@dataclass(frozen=True)
class Outcome:
    """What an arm ended with."""

    classifier: Path
    compute: Compute | None
    """None where it was made without being counted."""
    stopped: tuple[Stopped, ...] = ()
    """The rounds that did not run to their end."""


@dataclass(frozen=True, kw_only=True)
class Rounds(ABC):
    """The rounds of one arm. Round 0's classifier must be there. What differs between arms is how a round steps."""

    context: StudyContext
    name: str
    """The arm's."""
    files: ArmFolder

    @abstractmethod
    def method(self, number: int) -> Method:
        """How round `number` takes its gradient steps, once everything that it needs has been done."""

    def reason_not_followed(self, number: int) -> Stopped | None:
        """Why round `number` leaves the classifier as it is; None where it takes its steps."""
        return None

    @property
    @abstractmethod
    def counted_files(self) -> list[Path]:
        """The files whose making went through a network, from round 1 on."""

    def run(self) -> Outcome:
        """Do what is left of every round."""
        for number in range(1, self.rounds + 1):
            if self.files.classifier_path(number).is_file():
                self.context.progress.skip(self.context.settings.finetune.steps)
            else:
                self._step(number, self.method(number))
        return Outcome(self.files.classifier_path(self.rounds), compute_of(self.counted_files), self.files.stopped())

    @property
    def rounds(self) -> int:
        return self.context.settings.rounds

    def title(self, number: int, what: str) -> str:
        """What the progress bar calls a stage."""
        return f"{self.name}, round {number} of {self.rounds}: {what}"

    def stage(self, what: str) -> str:
        """What provenance.json calls a stage of every round."""
        return f"{self.name}: {what}"

    def classifiers_made(self) -> list[Path]:
        """The classifiers of rounds 1 and later."""
        return [self.files.classifier_path(number) for number in range(1, self.rounds + 1)]

    def _stop(self, number: int, result: Finetuned) -> Stopped | None:
        if result.stopped_at is not None:
            return Stopped(self.name, number, StopReason.NOT_FINITE, step=result.stopped_at)
        return self.reason_not_followed(number)

    def _step(self, number: int, method: Method) -> None:
        context, path = self.context, self.files.classifier_path(number)
        settings = context.settings.finetune

        def on_step(point: FinetunePoint) -> None:
            writer.add_scalar(f"{self.name}/cross-entropy", point.cross_entropy, point.step)
            writer.add_scalar(f"{self.name}/reward", point.reward, point.step)
            advance(1)

        title = self.title(number, "fine-tuning")
        with (
            context.progress.stage(title, settings.steps, cost=settings.steps) as advance,
            SummaryWriter(str(self.files.curves_path(number))) as writer,
            context.timed(self.stage("fine-tuning")),
        ):
            # without the arm's name: all arms draw the same batches in the same round
            seed = derive(context.settings.seed, "finetune", number)
            with counted(path):
                result = method(
                    self.files.classifier(number - 1), context.task.train, settings=settings, seed=seed, on_step=on_step
                )
            # before the classifier, whose file says that this round is done
            self.files.save_stopped(number, self._stop(number, result))
            save_classifier(result.classifier, path)


@dataclass(frozen=True, kw_only=True)
class MethodRounds(Rounds):
    """Rounds that ask nobody: each takes all its steps by the same method."""

    steps_by: Method

    def method(self, number: int) -> Method:
        return self.steps_by

    @property
    def counted_files(self) -> list[Path]:
        return self.classifiers_made()


def check_training(settings: StudySettings, task: Task, start: Network | None = None) -> None:
    """Raise `InputError` where the classifier before any feedback could not be trained, before anything is begun.

    It is built, with its weights if any (those of `start` where it is given), and takes two images forward and
    backward, twice where a penalty needs it.
    """
    trial = replace(settings.training, steps=0)
    if settings.weights is None:
        classifier = train(task, settings=trial, seed=settings.seed)
    else:
        network_of = start or _start(settings, None)
        classifier = network_of.transfer(task, settings=trial, train=settings.training.train, seed=settings.seed)
    few = task.train.take(slice(min(2, settings.training.batch_size)))
    try:
        with torch_globally(settings.seed, "trial"):  # dropout draws
            train_mode(classifier)
            logits = classifier(few.images)
            check_logits(logits, settings.training.classifier, task, len(few))
            F.cross_entropy(logits, few.labels).backward()
        if settings.reward.features == "classifier":
            ClassifierFeatures(classifier)(few.images)
    except InputError:
        raise
    except Exception as error:  # of any kind: the network may be anyone's
        raise InputError(
            f"The classifier {settings.training.classifier} cannot be trained on batches of "
            f"{settings.training.batch_size} images of shape {task.image_shape}: {error}. Choose another one, or "
            "another --training.batch-size or --image-size."
        ) from error
    penalties = {"finetune.gradient_penalty": settings.finetune.gradient_penalty > 0}
    penalties |= {f"The arm {name}": name in settings.controls for name in ("rrr", "input_gradient")}
    for what in (what for what, used in penalties.items() if used):
        check_twice_differentiable(classifier.eval(), few.images, what)


def train_first(context: StudyContext, files: ArmFolder, task: Task, title: str) -> Outcome:
    """Round 0: train the classifier before any feedback on `task` and keep it, if that is not done."""
    path, steps = files.classifier_path(0), context.settings.training.steps
    if path.is_file():
        context.progress.skip(TRAINING_COST * steps)
    else:
        with (
            context.timed(title),
            context.progress.stage(title, steps, cost=TRAINING_COST * steps) as advance,
            counted(path),
        ):
            trained = _trained(context, task, files.path / "tensorboard" / "training", advance)
        save_classifier(trained, path)
    return Outcome(path, compute_of([path]))


def _start(settings: StudySettings, folder: Path | None) -> Pretrained | Network:
    """The network with its published weights, or those of a file; `folder` is the study's."""
    name, weights = settings.training.classifier, settings.weights
    assert weights is not None
    if weights == OWN_START:
        if folder is None or not (folder / START).is_file():
            raise InputError("--weights study is of a study that was begun from Python with a network; begin it there.")
        return as_network(load_classifier(folder / START))
    if is_of_library(name):
        return network(name, weights=None if weights == "default" else weights)
    return pretrained(name, None if weights == "default" else Path(weights))


def _trained(context: StudyContext, task: Task, curves: Path, advance: Callable[[float], None]) -> Classifier:
    """Trained anew, or transferred from published weights."""
    settings, seed, weights = context.settings.training, context.settings.seed, context.settings.weights

    def on_validation(point: TrainingPoint) -> None:
        writer.add_scalar("training/cross-entropy", point.train_loss, point.step)
        writer.add_scalar("validation/cross-entropy", point.validation_loss, point.step)
        writer.add_scalar("validation/accuracy", point.validation_accuracy, point.step)
        advance(settings.validate_every)

    with SummaryWriter(str(curves)) as writer:
        if weights is None:
            return train(task, settings=settings, seed=seed, device=context.device, on_validation=on_validation)
        return _start(context.settings, context.folder).transfer(
            task,
            settings=settings,
            train=settings.train,
            seed=seed,
            device=context.device,
            on_validation=on_validation,
        )
