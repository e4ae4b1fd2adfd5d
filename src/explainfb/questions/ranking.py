"""Which of these explanations is the best, and which the worst? Plackett (1975) and Luce (1959).

Whoever orders k explanations chooses the best of all, then the best of those that are left, and so on, each with a
probability in proportion to exp(r). The best b and the worst w are known and the order between is not, so that its
probability is summed over the orders of the others:

    P(b, w) = exp(r_b) / Σ_j exp(r_j) · Σ_orders Π_i exp(r_i) / Σ_{j not before i} exp(r_j)

of which there are (k − 2)!, at most 24. A share n of answers names any two: (1 − n) · P + n / (k (k − 1)).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import log

import numpy as np
import torch
from torch import Tensor, nn

from explainfb.core.errors import InputError
from explainfb.core.types import BAD, GOOD, Answer, Asked, Comparison, ExplanationKey, Preference
from explainfb.explanations.explanation import Explanation
from explainfb.questions.question import Judge, Question, Reply
from explainfb.rewards.dataset import AnswerBatch
from explainfb.rewards.losses import AnswerLoss, rewards_of
from explainfb.rewards.models import ExplainedImages
from explainfb.rewards.settings import RewardSettings

SHOWN = 5
"""As many as are usual in best-worst scaling; the more, the more an answer says and the longer it takes."""
ALIKE = 0.02
"""Where the best and the worst differ by less, a simulated annotator cannot tell."""


def encode(best: int, worst: int) -> str:
    """As the store keeps it: places from 0."""
    return f"best {best} worst {worst}"


def decode(said: str | None) -> tuple[int, int]:
    """The places of the best and the worst. Raises `InputError` for what is not `encode`'s."""
    try:
        first, best, second, worst = (said or "").split()
        found = int(best), int(worst)
    except ValueError:
        first = second = ""
        found = 0, 0
    if (first, second) != ("best", "worst") or found[0] == found[1] or min(found) < 0:
        raise InputError(f"The best and the worst are told as best 2 worst 0; found {said!r}.")
    return found


def log_likelihood(rewards: Tensor, best: Tensor, worst: Tensor) -> Tensor:
    """(P,) the logarithm of the probability that of rewards (P, k) those at `best` and `worst` (P,) are named."""
    count = rewards.shape[1]
    chosen = rewards.gather(1, torch.stack([best, worst], 1))  # (P, 2)
    places = torch.arange(count, device=rewards.device).expand_as(rewards)
    others = rewards[(places != best[:, None]) & (places != worst[:, None])].view(-1, count - 2)
    orders = torch.tensor(list(permutations(range(count - 2))), device=rewards.device)  # (F, k − 2)
    ordered = others[:, orders]  # (P, F, k − 2)
    last = chosen[:, 1, None, None].expand(-1, ordered.shape[1], 1)
    chain = torch.cat([ordered, last], 2)  # (P, F, k − 1) from the second to the worst
    left = chain.flip(2).logcumsumexp(2).flip(2)
    middle = (chain - left)[:, :, :-1].sum(2).logsumexp(1)
    return chosen[:, 0] - rewards.logsumexp(1) + middle


@dataclass(frozen=True, eq=False)
class RankingBatch(AnswerBatch):
    """The best and the worst of several."""

    shown: Tensor
    """(P, k) indices of the explanations that were shown."""
    best: Tensor
    """(P,) a place among them, from 0."""
    worst: Tensor
    """(P,)"""
    annotator: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.shown)

    def take(self, indices: Tensor) -> "RankingBatch":
        shown, best, worst, who = (row[indices] for row in self._rows)
        return RankingBatch(shown, best, worst, who, self.names)

    def to(self, device: torch.device) -> "RankingBatch":
        shown, best, worst, who = (row.to(device) for row in self._rows)
        return RankingBatch(shown, best, worst, who, self.names)

    def loss(self, settings: RewardSettings) -> AnswerLoss:
        return RankingLoss(self.names, settings)

    @property
    def _rows(self) -> tuple[Tensor, ...]:
        return self.shown, self.best, self.worst, self.annotator

    @property
    def judged(self) -> tuple[Tensor, Tensor]:
        """The best and the worst."""
        best, worst = (self.shown.gather(1, place[:, None]).squeeze(1) for place in (self.best, self.worst))
        return best, worst

    def correct(self, rewards: Tensor, model: nn.Module, explained: ExplainedImages) -> Tensor:
        best, worst = self.judged
        return rewards[best] > rewards[worst]


class RankingLoss(AnswerLoss):
    """Minus the logarithm of the probability of the best and the worst."""

    def forward(self, member: nn.Module, explained: ExplainedImages, answers: RankingBatch) -> Tensor:
        count = answers.shown.shape[1]
        rewards = rewards_of(member, explained, answers.shown.flatten()).view(-1, count)
        named = log_likelihood(rewards, answers.best, answers.worst)
        noise = torch.as_tensor(self.noise_of(answers.annotator)).to(rewards)
        by_chance = noise.clamp_min(1e-9).log() - log(count * (count - 1))
        # above 1, noise is of one who says the opposite more often than not, of which this likelihood has no form
        return -torch.logaddexp((1 - noise).clamp_min(1e-9).log() + named, by_chance).mean()


class Ranking(Question):
    """Several explanations, of which the best and the worst are named."""

    name: Asked = "rank"

    def __init__(self, shows: int = SHOWN) -> None:
        self.shows = shows

    def batch(self, preferences: Sequence[Preference], place: Mapping[ExplanationKey, int]) -> RankingBatch:
        names = tuple(sorted({each.annotator for each in preferences}))
        said = [decode(each.said) for each in preferences]
        for each, named in zip(preferences, said, strict=True):
            if max(named) >= len(each.comparison.shown):
                raise InputError(
                    f"Of {len(each.comparison.shown)} explanations, {each.said} names one that was not shown."
                )
        return RankingBatch(
            torch.tensor([[place[key] for key in each.comparison.shown] for each in preferences], dtype=torch.int64),
            torch.tensor([best for best, _ in said], dtype=torch.int64),
            torch.tensor([worst for _, worst in said], dtype=torch.int64),
            torch.tensor([names.index(each.annotator) for each in preferences], dtype=torch.int64),
            names,
        )

    def reply(self, judge: Judge, item: Comparison, shown: Sequence[Explanation]) -> Reply:
        true = np.array([judge.utility(each, key.image) for each, key in zip(shown, item.shown, strict=True)])
        felt = judge.look(item).order(true)
        best, worst = int(np.argmax(felt)), int(np.argmin(felt))
        if best == worst or felt[best] - felt[worst] < ALIKE:
            return Reply(Answer.CANT_TELL)
        return Reply(Answer.RANKED, encode(best, worst), ease=float(np.ptp(true)), presses=2)

    def known_item(self, images: Sequence[int], round_number: int, draw: np.random.Generator) -> Comparison:
        """A good one among bad ones, which is to be named as the best."""
        good = int(draw.integers(len(images)))
        keys = [ExplanationKey(GOOD if place == good else BAD, image) for place, image in enumerate(images)]
        return Comparison.about(keys, round_number, asked=self.name, gold=Answer.RANKED)
