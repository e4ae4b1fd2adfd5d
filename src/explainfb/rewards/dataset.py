"""Answers to comparisons, as numbers that a reward can be fitted to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.types import BoolArray, ExplanationKey, Preference
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.storage import explanation_of, padded
from explainfb.rewards.models import ExplainedImages
from explainfb.tasks.task import Split

FEWEST_ANSWERS = 4
"""How many answers a reward needs."""


@dataclass(frozen=True, eq=False)
class PreferenceBatch:
    """Comparisons with their answers, as indices into explained images.

    >>> import torch
    >>> from explainfb import PreferenceBatch
    >>> said = PreferenceBatch(torch.tensor([0, 1]), torch.tensor([2, 0]), share_left=torch.tensor([1.0, 0.5]))
    >>> len(said), said.decided.tolist()
    (2, [True, False])
    """

    left: Tensor
    """(P,) index of the explanation shown on the left."""
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

    def take(self, indices: Tensor) -> "PreferenceBatch":
        return PreferenceBatch(
            self.left[indices], self.right[indices], self.share_left[indices], self.annotator[indices], self.names
        )

    def to(self, device: torch.device) -> "PreferenceBatch":
        return PreferenceBatch(
            self.left.to(device),
            self.right.to(device),
            self.share_left.to(device),
            self.annotator.to(device),
            self.names,
        )


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

    fitted: PreferenceBatch
    """What the reward is fitted to."""
    held_out: PreferenceBatch
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
    ) -> "PreferenceDataset":
        """What `preferences` say, those about images of `held_out` (N,) apart; can't tell is left out.

        Raises `InputError` where nobody says anything.
        """
        given = _decided(preferences)
        if not given:
            raise InputError(
                f"A reward needs at least {FEWEST_ANSWERS} decided answers; found 0 of {len(preferences)}, all the "
                "others being can't tell; ask for more comparisons, or ask others."
            )
        # sorted, so that the order in which people answered does not change what is fitted
        keys = tuple(sorted({key for item in given for key in (item.comparison.left, item.comparison.right)}))
        answers = batch_preferences(given, {key: index for index, key in enumerate(keys)}).to(device)
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
    return [preference for preference in preferences if preference.answer.share_left is not None]
