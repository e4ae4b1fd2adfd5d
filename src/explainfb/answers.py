"""Answers to comparisons, as numbers that a reward can be fitted to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from explainfb.types import ExplanationKey, Preference


@dataclass(frozen=True, eq=False)
class Answers:
    """Comparisons with their answers, as indices into explained images."""

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
        object.__setattr__(self, "annotator", self.annotator.to(self.left.device).expand(len(self.left)))

    def __len__(self) -> int:
        return len(self.left)

    @property
    def decided(self) -> Tensor:
        """(P,) bool: neither explanation was called equal to the other."""
        return self.share_left != 0.5

    def take(self, indices: Tensor) -> "Answers":
        return Answers(
            self.left[indices], self.right[indices], self.share_left[indices], self.annotator[indices], self.names
        )

    def to(self, device: torch.device) -> "Answers":
        return Answers(
            self.left.to(device),
            self.right.to(device),
            self.share_left.to(device),
            self.annotator.to(device),
            self.names,
        )


def as_answers(preferences: Sequence[Preference], place: Mapping[ExplanationKey, int]) -> Answers:
    """The preferences, none of them `cant_tell`; `place` is the index of each explanation."""
    names = tuple(sorted({preference.annotator for preference in preferences}))
    shares = [preference.answer.share_left for preference in preferences]
    return Answers(
        torch.tensor([place[preference.comparison.left] for preference in preferences], dtype=torch.int64),
        torch.tensor([place[preference.comparison.right] for preference in preferences], dtype=torch.int64),
        torch.tensor(shares, dtype=torch.float32),
        torch.tensor([names.index(preference.annotator) for preference in preferences], dtype=torch.int64),
        names,
    )
