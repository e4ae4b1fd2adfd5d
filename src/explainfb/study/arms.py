"""The arms beside feedback: what is done in its place.

`ARMS` has them by name, each with all that is said of it, and takes further ones: `ARMS["mine"] = arm`. All but
`no_shortcut`, which is trained anew, start from the classifier before any feedback and have as many rounds. Those that
ask nobody take every step of these rounds. Those that ask learn a reward, and follow it in the rounds in which it
predicts answers. A coin's is hardly ever followed, so `random_answers` normally ends where it began.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, get_args

from explainfb.classifiers.classifier import load_classifier, save_classifier
from explainfb.classifiers.networks import nearest_name
from explainfb.core.errors import InputError
from explainfb.explanations.storage import load_explanations
from explainfb.finetuning import baselines
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.optimisation import Method
from explainfb.finetuning.settings import Masks
from explainfb.preferences.simulated import Annotator, coin_annotator
from explainfb.results.records import BEFORE, FEEDBACK, NO_SHORTCUT, ArmDescription
from explainfb.rewards.dataset import as_seen_by_reward
from explainfb.store import Store
from explainfb.study.context import StudyContext
from explainfb.study.reward_rounds import SimulatedRounds, annotator_of
from explainfb.study.rounds import TRAINING_COST, MethodRounds, Outcome, train_first
from explainfb.study.settings import KnownControl, StudySettings
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

    def cost(self, settings: StudySettings) -> float:
        return settings.finetune.steps * settings.rounds

    def run(self, name: str, context: StudyContext) -> Outcome:
        files, first = context.control_folder(name), context.feedback_folder.classifier_path(0)
        # a copy, so that round 1 finds round 0 in the arm's own folder
        if not files.classifier_path(0).is_file():
            save_classifier(load_classifier(first), files.classifier_path(0))
        if self.method is not None:
            return MethodRounds(context=context, name=name, files=files, steps_by=self.method(context)).run()
        assert self.annotator is not None
        # a database of its own: the study's would mix these answers with those that feedback learns from
        with Store(files.path / "answers.db") as store:
            annotator = self.annotator(context)
            return SimulatedRounds(context=context, name=name, files=files, store=store, annotator=annotator).run()


class NoShortcut:
    """Trained as the classifier before any feedback was, on images without the shortcut."""

    def describe(self, name: str) -> ArmDescription:
        meaning = "trained on the same images without the shortcut: the most that feedback could give back"
        return ArmDescription(name, "no shortcut (ceiling)", meaning, "ceiling")

    def check(self, name: str, settings: StudySettings, task: Task) -> None:
        """A task without a shortcut goes without this arm; a classifier that is not trained has no such twin."""
        if settings.training.steps == 0 and task.train_without_shortcut is not None:
            raise InputError(
                f"The arm {name} is trained as the classifier was, and training.steps is 0; leave it out of --controls."
            )

    def cost(self, settings: StudySettings) -> float:
        return TRAINING_COST * settings.training.steps

    def run(self, name: str, context: StudyContext) -> Outcome:
        images, validation = context.task.train_without_shortcut, context.task.validation_without_shortcut
        assert images is not None
        assert validation is not None
        task = replace(context.task, train=images, validation=validation)
        return train_first(context, context.control_folder(name), task, "training without the shortcut")


def coin(context: StudyContext) -> Annotator:
    settings = context.settings
    return coin_annotator(seed=settings.seed, overlap=settings.overlap if settings.crowd else 1)


def wrong_masks(context: StudyContext) -> Annotator:
    settings = context.settings
    wrong = baselines.wrong_reasons(context.task.train, region=settings.baselines.wrong_masks, seed=settings.seed)
    return annotator_of(settings, wrong, "wrong_masks")


def cross_entropy(context: StudyContext) -> Method:
    return baselines.cross_entropy


def oracle_reward(context: StudyContext) -> Method:
    """The true utility, normalised over the explanations of the first round of feedback, as a learned reward is."""
    train = context.task.train
    assert train.relevance is not None
    explanations = load_explanations(context.feedback_folder.explanations_path(1))
    explained = as_seen_by_reward(explanations, list(explanations), train)
    reward = baselines.OracleReward(train.relevance).normalised(explained)
    return partial(finetune, reward=reward, lime=context.settings.lime, relevance_map=reward.relevance_map)


def random_exchange(context: StudyContext) -> Method:
    return partial(baselines.random_exchange, lime=context.settings.lime)


def rrr(context: StudyContext) -> Method:
    train, settings = context.task.train, context.settings.baselines
    irrelevant = train.shortcut if settings.rrr_masks == "shortcut" or train.relevance is None else ~train.relevance
    assert irrelevant is not None
    return partial(baselines.rrr, irrelevant=irrelevant, strength=settings.rrr_strength)


def input_gradient(context: StudyContext) -> Method:
    return partial(baselines.input_gradient, strength=context.settings.baselines.input_gradient_strength)


def adversarial_training(context: StudyContext) -> Method:
    return partial(baselines.adversarial_training, epsilon=context.settings.baselines.adversarial_epsilon)


class Arms(dict[str, Arm]):
    """Arms by name. The name is also that of a folder and of an entry in results, so it must be one of a kind."""

    def __setitem__(self, name: str, arm: Arm) -> None:
        """Add an arm of one's own, or put another in its place. Raises `InputError` for a name that is taken."""
        if not NAME.fullmatch(name):
            raise InputError(f"An arm's name has small letters, digits and underscores, as my_arm; found {name!r}.")
        if name in TAKEN:
            raise InputError(f"There is a {name} already; give your arm another name.")
        super().__setitem__(name, arm)

    def __missing__(self, name: str) -> Arm:
        nearest = nearest_name(name, list(self))
        raise InputError(
            f"There is no arm {name!r}; did you mean {nearest!r}? One of your own is put into "
            "explainfb.ARMS first, in each process that runs it."
        )


def describe(name: str) -> ArmDescription:
    """What the arm of this name is, in words: `before`, `feedback` or one of `ARMS`."""
    return SHARED[name] if name in SHARED else ARMS[name].describe(name)


NAME = re.compile(r"[a-z][a-z0-9_]*")
TAKEN = {*get_args(KnownControl), FEEDBACK, BEFORE, "after", "ceiling"}
"""The last two are what feedback and no_shortcut were called in files that still are read."""
SHARED = {
    BEFORE: ArmDescription(BEFORE, "before", "the classifier as it was trained, before any feedback", "before"),
    FEEDBACK: ArmDescription(
        FEEDBACK,
        "feedback",
        "the same classifier, fine-tuned to follow the reward learned from the answers",
        "feedback",
    ),
}
"""The two that every study has."""
ARMS = Arms(
    {
        "cross_entropy": FinetunedArm(
            label="cross-entropy only",
            meaning="the same steps on the same images, without a reward",
            method=cross_entropy,
        ),
        "random_exchange": FinetunedArm(
            label="random exchange",
            meaning="the same exchange, and penalty if any, of random superpixels: nobody is asked",
            method=random_exchange,
        ),
        "random_answers": FinetunedArm(
            label="random answers",
            meaning="the same loop with a coin giving the answers, whose reward is followed if it predicts any",
            annotator=coin,
        ),
        "wrong_masks": FinetunedArm(
            label="wrong masks",
            meaning="the same loop with an annotator who prefers the wrong region",
            annotator=wrong_masks,
            masks=lambda _: "relevance",
        ),
        "oracle_reward": FinetunedArm(
            label="oracle reward",
            meaning="the annotator's own utility in place of a learned reward",
            reference=True,
            method=oracle_reward,
            masks=lambda _: "relevance",
        ),
        "rrr": FinetunedArm(
            label="pixel masks (RRR)",
            meaning="right for the right reasons: told the irrelevant pixels of every training image "
            "(Ross et al. 2017)",
            reference=True,
            method=rrr,
            masks=lambda settings: settings.baselines.rrr_masks,
        ),
        "input_gradient": FinetunedArm(
            label="input gradient penalty",
            meaning="a penalty on the input gradient (Ross & Doshi-Velez 2018)",
            reference=True,
            method=input_gradient,
        ),
        "adversarial_training": FinetunedArm(
            label="adversarial training",
            meaning="trained on its own adversarial examples (Madry et al. 2018)",
            reference=True,
            method=adversarial_training,
        ),
        NO_SHORTCUT: NoShortcut(),
    }
)
"""All that is known of an arm stands in its entry here.

>>> from explainfb import ARMS
>>> ARMS["rrr"].describe("rrr").label
'pixel masks (RRR)'
"""
