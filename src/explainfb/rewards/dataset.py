"""Answers to comparisons, as numbers that a reward can be fitted to."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from explainfb.core.errors import InputError
from explainfb.core.types import Answer, BoolArray, ExplanationKey, Preference
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.storage import explanation_of, padded
from explainfb.rewards.compared import Compared
from explainfb.rewards.losses import AnswerLoss, PreferenceLoss
from explainfb.rewards.models import ExplainedImages
from explainfb.rewards.settings import RewardSettings
from explainfb.tasks.task import Split

FEWEST_ANSWERS = 4
"""How many answers a reward needs."""


class AnswerBatch(ABC):
    """Answers to one kind of question, as indices into what was asked about: explained images, or others compared."""

    annotator: Tensor
    """(P,) index of who answered."""
    names: tuple[str, ...]
    """Who the annotators are."""

    @abstractmethod
    def __len__(self) -> int:
        """How many answers."""

    @abstractmethod
    def take(self, indices: Tensor) -> Self:
        """Those with these indices (n,)."""

    @abstractmethod
    def to(self, device: torch.device) -> Self:
        """The same on the device."""

    @abstractmethod
    def loss(self, settings: RewardSettings) -> AnswerLoss:
        """What a member is fitted to them by."""

    @property
    @abstractmethod
    def judged(self) -> tuple[Tensor, Tensor]:
        """(Q,) and (Q,) indices of explanations: the first and the last of all that each of `correct` is about."""

    @abstractmethod
    def correct(self, rewards: Tensor, model: nn.Module, explained: Any) -> Tensor:
        """(Q,) bool: what `model`, whose rewards of all explanations are `rewards`, predicts rightly.

        Each of them is one that a model which knows nothing of the answers gets right with probability ½ at most,
        independently of the others: a binomial test is made of them. `explained` are what the indices are of.
        """


@dataclass(frozen=True, eq=False)
class PreferenceBatch(AnswerBatch):
    """Comparisons with their answers, as indices into what was compared.

    >>> import torch
    >>> from explainfb import PreferenceBatch
    >>> said = PreferenceBatch(torch.tensor([0, 1]), torch.tensor([2, 0]), share_left=torch.tensor([1.0, 0.5]))
    >>> len(said), said.decided.tolist()
    (2, [True, False])
    """

    left: Tensor
    """(P,) index of the one shown on the left."""
    right: Tensor
    """(P,)"""
    share_left: Tensor
    """(P,) float: 1 left is better, 0 right is better, ½ equal."""
    annotator: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.int64))
    """(P,) index of who answered; anything that expands to it, such as a single 0."""
    names: tuple[str, ...] = ("",)
    """Who the annotators are."""

    def __post_init__(self) -> None:
        # the only way to complete a frozen record; `expand` lets one number stand for every comparison
        object.__setattr__(self, "annotator", self.annotator.to(self.left.device).expand(len(self.left)))

    def __len__(self) -> int:
        return len(self.left)

    @property
    def decided(self) -> Tensor:
        """(P,) bool: one explanation was called better than the other."""
        return self.share_left != 0.5

    def take(self, indices: Tensor) -> Self:
        return type(self)(
            self.left[indices], self.right[indices], self.share_left[indices], self.annotator[indices], self.names
        )

    def to(self, device: torch.device) -> Self:
        return type(self)(
            self.left.to(device),
            self.right.to(device),
            self.share_left.to(device),
            self.annotator.to(device),
            self.names,
        )

    def loss(self, settings: RewardSettings) -> AnswerLoss:
        return PreferenceLoss(self, settings)

    @property
    def judged(self) -> tuple[Tensor, Tensor]:
        decided = self.take(self.decided.nonzero().squeeze(1))
        return decided.left, decided.right

    def correct(self, rewards: Tensor, model: nn.Module, explained: Compared) -> Tensor:
        left, right = self.judged
        return (rewards[left] > rewards[right]) == (self.share_left[self.decided] > 0.5)


Encode = Callable[[Sequence[Preference], Mapping[ExplanationKey, int]], AnswerBatch]
"""Answers of one kind, none of them `cant_tell`, as a batch, with the index of each explanation."""


def batch_preferences(preferences: Sequence[Preference], place: Mapping[ExplanationKey, int]) -> PreferenceBatch:
    """The preferences, none of them `cant_tell`; `place` is the index of each explanation."""
    names = tuple(sorted({preference.annotator for preference in preferences}))
    shares = [preference.answer.share_left for preference in preferences]
    return PreferenceBatch(
        torch.tensor([place[preference.comparison.left] for preference in preferences], dtype=torch.int64),
        torch.tensor([place[preference.comparison.right] for preference in preferences], dtype=torch.int64),
        torch.tensor(shares, dtype=torch.float32),
        torch.tensor([names.index(preference.annotator) for preference in preferences], dtype=torch.int64),
        names,
    )


def as_seen_by_reward(
    explanations: Mapping[ExplanationKey, Explanation], keys: Sequence[ExplanationKey], split: Split
) -> ExplainedImages:
    """The explanations called `keys` of images of `split`, in that order.

    >>> from explainfb import ExplanationKey, LimeSettings, TrainingSettings
    >>> from explainfb import as_seen_by_reward, explain, load_task, train
    >>> task = load_task("digits")
    >>> classifier = train(task, settings=TrainingSettings(steps=10))
    >>> keys = [ExplanationKey("round-0", image) for image in range(3)]
    >>> found = explain(classifier, task.train.images[:3], settings=LimeSettings(n_samples=64, fill="zero"))
    >>> seen = as_seen_by_reward(dict(zip(keys, found)), keys, task.train)
    >>> seen.images.shape, seen.weights.shape
    (torch.Size([3, 1, 28, 28]), torch.Size([3, 49]))
    """
    index = torch.tensor([key.image for key in keys])
    chosen = [explanation_of(explanations, key) for key in keys]
    return ExplainedImages(
        images=split.images[index],
        segments=torch.from_numpy(np.stack([item.segments for item in chosen])),
        weights=torch.from_numpy(padded([item.weights for item in chosen])).float(),
        image_index=index,
    )


@dataclass(frozen=True, eq=False)
class PreferenceDataset:
    """The answers so far, and the explanations they are about."""

    fitted: AnswerBatch
    """What the reward is fitted to."""
    held_out: AnswerBatch
    """What it is judged by: answers about images that it never sees."""
    explained: ExplainedImages
    keys: tuple[ExplanationKey, ...]
    """Of the explanations, in the order of `explained`."""

    @classmethod
    def of(
        cls,
        preferences: Sequence[Preference],
        explanations: Mapping[ExplanationKey, Explanation],
        split: Split,
        held_out: BoolArray,
        device: torch.device,
        encode: Encode = batch_preferences,
    ) -> "PreferenceDataset":
        """What `preferences` say, those about images of `held_out` (N,) apart; can't tell is left out.

        `encode` makes a batch of them, of the question's kind. Raises `InputError` where nobody says anything.
        """
        given = _decided(preferences)
        if not given:
            raise InputError(
                f"A reward needs at least {FEWEST_ANSWERS} decided answers; found 0 of {len(preferences)}, all the "
                "others being can't tell; ask for more comparisons, or ask others."
            )
        # sorted, so that the order in which people answered does not change what is fitted
        keys = tuple(sorted({key for item in given for key in item.comparison.shown}))
        answers = encode(given, {key: index for index, key in enumerate(keys)}).to(device)
        # by the left image alone, because comparisons never mix held-out images with others
        judging = torch.tensor([bool(held_out[item.comparison.left.image]) for item in given], dtype=torch.bool)
        return cls(
            answers.take((~judging).nonzero().squeeze(1).to(device)),
            answers.take(judging.nonzero().squeeze(1).to(device)),
            as_seen_by_reward(explanations, keys, split).to(device),
            keys,
        )


def check_decided(preferences: Sequence[Preference], held_out: BoolArray) -> None:
    """Raise `InputError` where people's answers decide too little for a reward.

    `held_out` as for `PreferenceDataset.of`.
    """
    decided = _decided(preferences)
    fitted = sum(not held_out[item.comparison.left.image] for item in decided)
    if fitted < FEWEST_ANSWERS:
        raise InputError(
            f"A reward needs at least {FEWEST_ANSWERS} decided answers (any but can't tell) to learn from, and of "
            f"{len(preferences)} there are {fitted}, besides {len(decided) - fitted} held out to judge it; the round "
            "stays open: let people change what they said under Earlier answers in the app, or leave someone out on "
            "the researchers' page so that others are asked, then run again."
        )


def _decided(preferences: Sequence[Preference]) -> list[Preference]:
    """All but those who can't tell."""
    return [preference for preference in preferences if preference.answer is not Answer.CANT_TELL]
