"""What members of an ensemble are fitted by: minus the logarithm of the likelihood of the answers.

Annotators err. A share n_k of annotator k's answers is uniformly random, so that an answer that has probability p where
nobody errs, one of m that could be given, has (1 − n_k) · p + n_k / m.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainfb.rewards.compared import Compared
from explainfb.rewards.models import preference_loss
from explainfb.rewards.settings import RewardSettings

if TYPE_CHECKING:
    from explainfb.rewards.dataset import PreferenceBatch

PRIOR_ANSWERS = 10
"""How many answers the noise at the start counts for, when each annotator's own is learned."""


class AnswerLoss(nn.Module, ABC):
    """The cross-entropy of answers of one kind, with each annotator's share of noise; `names` are the annotators."""

    def __init__(self, names: tuple[str, ...], settings: RewardSettings) -> None:
        super().__init__()
        self.start = settings.noise
        self.logit: nn.Parameter | None = None
        if settings.reliability == "learned":
            wrong = torch.full((len(names),), min(max(settings.noise / 2, 1e-3), 0.5))
            self.logit = nn.Parameter(wrong.logit())

    @abstractmethod
    def forward(self, member: nn.Module, explained: Any, answers: Any) -> Tensor:
        """The mean loss of the answers, a batch of this kind, where `member` gives the rewards."""

    @property
    def noise(self) -> Tensor:
        """(K,) in (0, 2), or a single number for all annotators."""
        return torch.tensor(self.start) if self.logit is None else 2 * torch.sigmoid(self.logit)

    def noise_of(self, annotator: Tensor) -> float | Tensor:
        """That of each of the annotators (P,), or one number for all."""
        return self.start if self.logit is None else self.noise[annotator]

    def prior(self) -> Tensor:
        """Minus the logarithm of a Beta prior on each annotator's share of wrong answers, with its mode at the start.

        Without one, a few answers that the reward has learned by heart say that nobody ever errs.
        """
        if self.logit is None:
            return torch.zeros(())
        start = max(self.start / 2, 1e-3)
        wrong, right = F.logsigmoid(self.logit), F.logsigmoid(-self.logit)
        return -PRIOR_ANSWERS * (start * wrong + (1 - start) * right).sum()


class PreferenceLoss(AnswerLoss):
    """Of comparisons of two."""

    def __init__(self, answers: "PreferenceBatch", settings: RewardSettings) -> None:
        super().__init__(answers.names, settings)

    def forward(self, member: nn.Module, explained: Compared, answers: "PreferenceBatch") -> Tensor:
        left, right = _rewards_of_sides(member, explained, answers)
        noise = self.noise_of(answers.annotator)
        if isinstance(noise, Tensor):
            # equal says nothing of who is right, and its loss would teach that everybody errs
            noise = torch.where(answers.decided, noise, noise.detach())
        return preference_loss(left, right, answers.share_left, noise)


class UtilityLoss(nn.Module):
    """The squared error to the utilities of explanations, standardised over those that were compared."""

    noise = torch.zeros(())

    def __init__(self, answers: "PreferenceBatch", utilities: Tensor) -> None:
        super().__init__()
        compared = utilities[torch.cat([answers.left, answers.right]).unique()]
        self.register_buffer("targets", (utilities - compared.mean()) / compared.std().clamp_min(1e-6))
        self.targets: Tensor

    def forward(self, member: nn.Module, explained: Compared, answers: "PreferenceBatch") -> Tensor:
        left, right = _rewards_of_sides(member, explained, answers)
        return (F.mse_loss(left, self.targets[answers.left]) + F.mse_loss(right, self.targets[answers.right])) / 2

    def prior(self) -> Tensor:
        return torch.zeros(())


Loss = AnswerLoss | UtilityLoss


def rewards_of(member: nn.Module, explained: Compared, indices: Tensor) -> Tensor:
    """(n,) the rewards of those with these indices (n,)."""
    # a step's gradient needs its batch whole; validation has far more images
    parts = [indices] if torch.is_grad_enabled() else indices.split(explained.part)
    return torch.cat([member(explained.take(part)) for part in parts])


def _rewards_of_sides(member: nn.Module, explained: Compared, answers: "PreferenceBatch") -> tuple[Tensor, ...]:
    """The rewards of the left ones and of the right ones."""
    return rewards_of(member, explained, torch.cat([answers.left, answers.right])).chunk(2)
