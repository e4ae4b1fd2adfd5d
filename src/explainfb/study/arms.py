"""The arms beside feedback: what is done in its place.

`ARMS` has them by name, and takes further ones: `ARMS["mine"] = arm`. All but `no_shortcut`, which is trained anew,
start from the classifier before any feedback and have as many rounds. Those that ask nobody take every step of these
rounds; those that ask learn a reward, and follow it in those rounds in which it foretells answers: a coin's is hardly
ever followed, so that `random_answers` normally ends where it began.
"""

import re
from collections.abc import Callable
from contextlib import nullcontext
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
from explainfb.preferences.simulated import Annotator, CoinAnnotator, simulated_annotator
from explainfb.rewards.dataset import as_seen_by_reward
from explainfb.store import Store
from explainfb.study.context import FEEDBACK, TRAINING_COST, Outcome, StudyContext, first_classifier
from explainfb.study.settings import KnownControl, StudySettings
from explainfb.tasks.task import Task


class Arm(Protocol):
    """Something to compare feedback with."""

    def check(self, name: str, settings: StudySettings, task: Task) -> None:
        """Raise `InputError` where this cannot be done on `task`."""

    def cost(self, settings: StudySettings) -> float:
        """In units of a step of fine-tuning, about."""

    def run(self, name: str, context: StudyContext) -> Outcome:
        """Do what is left of it in its folder, `controls/NAME`. Feedback has been run before."""


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """As many rounds as feedback, with another annotator, whose reward is followed as feedback's is, or with a method
    that asks nobody."""

    annotator: Callable[[StudyContext], Annotator] | None = None
    method: Callable[[StudyContext], Method] | None = None
    masks: Callable[[StudySettings], Masks] | None = None
    """Which masks of the training images it cannot do without."""

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
        folder = context.folder / "controls" / name
        first = first_classifier(folder)
        if not first.is_file():
            save_classifier(load_classifier(first_classifier(context.folder)), first)
        with Store(folder / "answers.db") if self.annotator else nullcontext() as store:
            annotator, method = self.annotator and self.annotator(context), self.method and self.method(context)
            loop = context.loop(name, folder, store=store, annotator=annotator, method=method)
            loop.run()
            return Outcome.of(loop)


class NoShortcut:
    """Trained as the classifier before any feedback was, on images without the shortcut."""

    def check(self, name: str, settings: StudySettings, task: Task) -> None:
        """A task without a shortcut goes without this arm; a classifier that is not trained has no such twin."""
        if settings.training.steps == 0 and task.sound_train is not None:
            raise InputError(
                f"The arm {name} is trained as the classifier was, and training.steps is 0; leave it out of --controls."
            )

    def cost(self, settings: StudySettings) -> float:
        return TRAINING_COST * settings.training.steps

    def run(self, name: str, context: StudyContext) -> Outcome:
        sound, validation = context.task.sound_train, context.task.sound_validation
        assert sound is not None
        assert validation is not None
        task = replace(context.task, train=sound, validation=validation)
        return context.train(context.folder / "controls" / name, task, "training without the shortcut")


def coin(context: StudyContext) -> Annotator:
    return CoinAnnotator(seed=context.settings.seed)


def wrong_masks(context: StudyContext) -> Annotator:
    settings = context.settings
    wrong = baselines.wrong_reasons(context.task.train, region=settings.baselines.wrong_masks, seed=settings.seed)
    return simulated_annotator(
        wrong, seed=settings.seed, error_rate=settings.error_rate, crowd=settings.crowd, name="wrong_masks"
    )


def cross_entropy(context: StudyContext) -> Method:
    return baselines.cross_entropy


def oracle_reward(context: StudyContext) -> Method:
    """The true utility, normalised over the explanations of the first round of feedback."""
    train = context.task.train
    assert train.relevance is not None
    explanations = load_explanations(context.feedback().explanations_path(1))
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
    """Arms by name. An arm's name is that of a folder and of results, and there must be only one of a name."""

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
            f"There is no arm {name!r}; did you mean {nearest!r}? One of your own is put into explainfb.arms.ARMS "
            "first, in each process that runs it."
        )


NAME = re.compile(r"[a-z][a-z0-9_]*")
TAKEN = {*get_args(KnownControl), FEEDBACK, "before", "after", "ceiling"}
ARMS = Arms(
    {
        "cross_entropy": Tuned(method=cross_entropy),
        "random_exchange": Tuned(method=random_exchange),
        "random_answers": Tuned(annotator=coin),
        "wrong_masks": Tuned(annotator=wrong_masks, masks=lambda _: "relevance"),
        "oracle_reward": Tuned(method=oracle_reward, masks=lambda _: "relevance"),
        "rrr": Tuned(method=rrr, masks=lambda settings: settings.baselines.rrr_masks),
        "input_gradient": Tuned(method=input_gradient),
        "adversarial_training": Tuned(method=adversarial_training),
        "no_shortcut": NoShortcut(),
    }
)
