"""Which pieces of this explanation should not count? Those pointed at are a weak mask of the image.

The reward is additive: a piece s with weight β_s adds β_s · A_s − |β_s| · B_s = |β_s| · v_s to it, where

    v_s = sign(β_s) · A_s − B_s

is what a unit of weight of that sign is worth there. Pointing at s says that v_s is little, and leaving it that it is
not, whatever |β_s|, of which pointing says nothing. So each piece that could be pointed at is a coin of its own:

    P(pointed at s) = (1 − n) · sigmoid(τ − v_s) + n / 2

with a threshold τ that is learned beside the maps. What both signs share lands in B, and what differs between pieces
that speak for the class and pieces against it, in A. Only pieces with a colour can be pointed at; of the others the
answer says nothing.

Whether a reward knows anything is told answer by answer: a piece pointed at and one that was left, drawn without
looking, of which one that knows nothing puts either first equally often.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainfb.core.errors import InputError
from explainfb.core.types import Answer, Asked, Comparison, ExplanationKey, Preference
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.superpixels import pool
from explainfb.questions.question import Judge, Question, Reply
from explainfb.rewards.dataset import AnswerBatch
from explainfb.rewards.losses import AnswerLoss
from explainfb.rewards.models import ExplainedImages
from explainfb.rewards.settings import RewardSettings

MOST_PIECES = 9
"""So many pieces can be pointed at, the strongest: each has a digit of the keyboard for its key."""
MOST_NUMBERED = 100_000
"""No picture has as many superpixels; a larger number would be room in the memory."""
RIGHT = 0.5
"""A simulated annotator leaves a piece that lies by more than this share where the reason should be."""


def pieces(explanation: Explanation) -> tuple[int, ...]:
    """The superpixels that can be pointed at, in the order of their labels, which is from the top left."""
    return tuple(sorted(int(piece) for piece in explanation.top(MOST_PIECES)))


def encode(pointed: Sequence[int], offered: Sequence[int]) -> str:
    """As the store keeps it, such as `3,17 of 3,5,17`."""
    return f"{_listed(sorted(pointed))} of {_listed(offered)}"


def decode(said: str | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The pieces pointed at, and those that could be. Raises `InputError` for what is not `encode`'s."""
    try:
        pointed, _, offered = (said or "").partition("of")
        found = tuple(tuple(int(piece) for piece in part.split(",") if piece.strip()) for part in (pointed, offered))
    except ValueError as error:
        raise InputError(f"Pieces pointed at are told as 3,17 of 3,5,17; found {said!r}.") from error
    if not set(found[0]) <= set(found[1]) or not all(0 <= piece < MOST_NUMBERED for piece in found[1]):
        raise InputError(f"Only pieces that were offered can be pointed at; found {said!r}.")
    return found[0], found[1]


def _listed(pieces: Sequence[int]) -> str:
    return ",".join(map(str, pieces))


def worth(model: nn.Module, explained: ExplainedImages) -> Tensor:
    """(B, d) what a unit of weight of the sign that it has is worth at each superpixel: v_s above."""
    weights = explained.weights
    maps: Tensor = model.maps(explained.images)  # type: ignore[operator]  # an additive member, or an ensemble of them
    wanted, irrelevant = pool(maps, explained.segments, weights.shape[1]).unbind(1)
    return weights.sign() * wanted - irrelevant


@dataclass(frozen=True, eq=False)
class PointingBatch(AnswerBatch):
    """Answers by pointing."""

    index: Tensor
    """(P,) of the explanation that was shown."""
    offered: Tensor
    """(P, D) bool: which superpixels could be pointed at; D is one more than the largest of them."""
    pointed: Tensor
    """(P, D) bool: which were."""
    annotator: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.index)

    def take(self, indices: Tensor) -> "PointingBatch":
        index, offered, pointed, who = (row[indices] for row in self._rows)
        return PointingBatch(index, offered, pointed, who, self.names)

    def to(self, device: torch.device) -> "PointingBatch":
        index, offered, pointed, who = (row.to(device) for row in self._rows)
        return PointingBatch(index, offered, pointed, who, self.names)

    def loss(self, settings: RewardSettings) -> AnswerLoss:
        return PointingLoss(self, settings)

    def worth(self, model: nn.Module, explained: ExplainedImages) -> Tensor:
        """(P, D) of the superpixels of the explanations that were shown."""
        parts = [self.index] if torch.is_grad_enabled() else self.index.split(explained.part)
        found = (
            torch.cat([worth(model, explained.take(part)) for part in parts]) if len(self) else explained.weights[:0]
        )
        if self.offered.shape[1] > found.shape[1]:
            raise InputError(
                f"Answers offer piece {self.offered.shape[1] - 1} and the explanations have pieces up to "
                f"{found.shape[1] - 1}; the answers are those of another study."
            )
        return found[:, : self.offered.shape[1]]

    @property
    def _rows(self) -> tuple[Tensor, ...]:
        return self.index, self.offered, self.pointed, self.annotator

    @property
    def _both(self) -> Tensor:
        """(Q,) the answers that point at some pieces and leave some."""
        return (self.pointed.any(1) & (self.offered & ~self.pointed).any(1)).nonzero().squeeze(1)

    @property
    def judged(self) -> tuple[Tensor, Tensor]:
        shown = self.index[self._both]
        return shown, shown

    def correct(self, rewards: Tensor, model: nn.Module, explained: ExplainedImages) -> Tensor:
        """Whether the pieces pointed at are worth less than those left, in the mean over their pairs."""
        some = self.take(self._both)
        values, left = some.worth(model, explained), some.offered & ~some.pointed
        # (Q, D, D): of each pair of a piece pointed at and one left, how often the one left is worth more
        pairs = some.pointed[:, :, None] & left[:, None, :]
        more = (values[:, None, :] > values[:, :, None]) & pairs
        return more.sum((1, 2)) * 2 > pairs.sum((1, 2))


class PointingLoss(AnswerLoss):
    """The cross-entropy of every piece that could be pointed at."""

    def __init__(self, answers: PointingBatch, settings: RewardSettings) -> None:
        super().__init__(answers.names, settings)
        usual = (answers.pointed.sum() / answers.offered.sum().clamp_min(1)).clamp(0.02, 0.98)
        self.threshold = nn.Parameter(usual.logit().cpu())

    def forward(self, member: nn.Module, explained: ExplainedImages, answers: PointingBatch) -> Tensor:
        values = answers.worth(member, explained)
        noise = self.noise_of(answers.annotator)
        noise = noise[:, None] if isinstance(noise, Tensor) else noise
        probability = (1 - noise) * torch.sigmoid(self.threshold - values) + noise / 2
        offered = answers.offered
        each = F.binary_cross_entropy(probability, answers.pointed.float(), reduction="none")
        return (each * offered).sum() / offered.sum().clamp_min(1)


class Pointing(Question):
    """One explanation, on which pieces are pointed at."""

    name: Asked = "point"
    shows = 1
    needs_maps = True

    def batch(self, preferences: Sequence[Preference], place: Mapping[ExplanationKey, int]) -> PointingBatch:
        names = tuple(sorted({each.annotator for each in preferences}))
        said = [decode(each.said) for each in preferences]
        most = 1 + max((piece for _, offered in said for piece in offered), default=0)
        rows = torch.zeros(2, len(said), most, dtype=torch.bool)
        for row, both in enumerate(said):
            for kind, chosen in enumerate(both):
                rows[kind, row, list(chosen)] = True
        return PointingBatch(
            torch.tensor([place[each.comparison.left] for each in preferences], dtype=torch.int64),
            rows[1],
            rows[0],
            torch.tensor([names.index(each.annotator) for each in preferences], dtype=torch.int64),
            names,
        )

    def reply(self, judge: Judge, item: Comparison, shown: Sequence[Explanation]) -> Reply:
        offered = pieces(shown[0])
        values = judge.rightness(shown[0], item.left.image)[list(offered)]
        left = judge.look(item).decide(values, RIGHT)
        pointed = [piece for piece, stays in zip(offered, left, strict=True) if not stays]
        answer = Answer.NO if pointed else Answer.YES
        ease = float(abs(values - RIGHT).mean()) if len(values) else 1.0
        return Reply(answer, encode(pointed, offered), ease, presses=1 + len(pointed))
