"""An arm beside feedback: a study tuned by another annotator or another method, or trained without the shortcut."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from explainfb.classifiers.classifier import load_classifier, save_classifier
from explainfb.core.errors import InputError
from explainfb.finetuning.groups import groups_of
from explainfb.finetuning.optimisation import Method
from explainfb.finetuning.settings import Masks
from explainfb.preferences.simulated import Annotator
from explainfb.results.records import ArmDescription
from explainfb.store import Store
from explainfb.study.context import StudyContext
from explainfb.study.reward_rounds import SimulatedRounds
from explainfb.study.rounds import TRAINING_COST, MethodRounds, Outcome, train_first
from explainfb.study.settings import StudySettings
from explainfb.tasks.task import Task


class Arm(Protocol):
    """Something to compare feedback with."""

    def describe(self, name: str) -> ArmDescription:
        """What it is, in words, where it goes by `name`."""

    def check(self, name: str, settings: StudySettings, task: Task) -> None:
        """Raise `InputError` where this cannot be done on `task`."""

    def cost(self, settings: StudySettings) -> float:
        """In units of a step of fine-tuning, about."""

    def run(self, name: str, context: StudyContext) -> Outcome:
        """Do what is left of it in its folder, `controls/NAME`. Feedback has been run before."""


@dataclass(frozen=True, kw_only=True)
class FinetunedArm:
    """As many rounds as feedback, with another annotator, whose reward is followed as feedback's is, or with a method
    that asks nobody.

    >>> from explainfb import FinetunedArm
    >>> from explainfb.finetuning import baselines
    >>> plain = FinetunedArm(label="my arm", meaning="no reward", method=lambda context: baselines.cross_entropy)
    >>> plain.describe("my_arm").role
    'control'
    """

    label: str = ""
    """In a few words, for tables; its name without one."""
    meaning: str = ""
    """What is done to the classifier, in one line."""
    reference: bool = False
    """Whether it knows more or does something else, so that losing to it says nothing about the answers; feedback must
    beat every arm that is none."""
    annotator: Callable[[StudyContext], Annotator] | None = None
    method: Callable[[StudyContext], Method] | None = None
    masks: Callable[[StudySettings], Masks] | None = None
    """Which masks of the training images it cannot do without."""
    groups: bool = False
    """Whether it tells groups of training images apart by what their shortcut says, and so needs some without it."""
    fresh: Callable[[StudySettings], bool] = lambda settings: False
    """Whether it starts from fresh weights, and not from the classifier before any feedback."""

    def __post_init__(self) -> None:
        if (self.annotator is None) == (self.method is None):
            raise InputError(
                "An arm is tuned by an annotator, whose answers it follows, or by a method; give one of them."
            )

    def describe(self, name: str) -> ArmDescription:
        label = self.label or name.replace("_", " ")
        return ArmDescription(name, label, self.meaning, "reference" if self.reference else "control")

    def check(self, name: str, settings: StudySettings, task: Task) -> None:
        needed = self.masks and self.masks(settings)
        if needed is not None and getattr(task.train, needed) is None:
            raise InputError(
                f"The arm {name} needs {needed} masks of the training images, and this task has none; leave it out of "
                "--controls, or put masks beside the images."
            )

        if self.groups:
            groups_of(task.train)

    def cost(self, settings: StudySettings) -> float:
        return settings.finetune.steps * settings.rounds

    def run(self, name: str, context: StudyContext) -> Outcome:
        files, first = context.control_folder(name), context.feedback_folder.classifier_path(0)
        if self.fresh(context.settings):
            train_first(_untrained(context), files, context.task, f"{name}: fresh weights")
        # a copy, so that round 1 finds round 0 in the arm's own folder
        elif not files.classifier_path(0).is_file():
            save_classifier(load_classifier(first), files.classifier_path(0))
        if self.method is not None:
            return MethodRounds(context=context, name=name, files=files, steps_by=self.method(context)).run()
        assert self.annotator is not None
        # a database of its own: the study's would mix these answers with those that feedback learns from
        database = files.path / "answers.db"
        if not database.is_file():
            files.forget_answers()
        with Store(database) as store:
            annotator = self.annotator(context)
            return SimulatedRounds(context=context, name=name, files=files, store=store, annotator=annotator).run()


def _untrained(context: StudyContext) -> StudyContext:
    settings = context.settings
    return replace(context, settings=replace(settings, training=replace(settings.training, steps=0)))


@dataclass(frozen=True, kw_only=True)
class NoShortcut:
    """Trained as the classifier before any feedback was, on images without the shortcut."""

    label: str
    meaning: str
    role: Literal["reference", "ceiling"]
    then: Callable[[StudyContext], Method] | None = None
    """How it is tuned on these images after it was trained, for as many rounds as feedback; not without one."""

    def describe(self, name: str) -> ArmDescription:
        return ArmDescription(name, self.label, self.meaning, self.role)

    def check(self, name: str, settings: StudySettings, task: Task) -> None:
        """A task without a shortcut goes without this arm; a classifier that is not trained has no such twin."""
        if settings.training.steps == 0 and task.train_without_shortcut is not None:
            raise InputError(
                f"The arm {name} is trained as the classifier was, and training.steps is 0; leave it out of --controls."
            )

    def cost(self, settings: StudySettings) -> float:
        tuned = 0 if self.then is None else settings.finetune.steps * settings.rounds
        return TRAINING_COST * settings.training.steps + tuned

    def run(self, name: str, context: StudyContext) -> Outcome:
        images, validation = context.task.train_without_shortcut, context.task.validation_without_shortcut
        assert images is not None
        assert validation is not None
        context = replace(context, task=replace(context.task, train=images, validation=validation))
        files = context.control_folder(name)
        title = "training without the shortcut"
        trained = train_first(context, files, context.task, title if self.then is None else f"{name}: {title}")
        if self.then is None:
            return trained
        return MethodRounds(context=context, name=name, files=files, steps_by=self.then(context)).run()
