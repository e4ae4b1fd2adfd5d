"""Does this explanation rest on the right place? The question of CRAYON (Lee et al. 2024, arXiv 2410.22312).

Yes is said where the reward lies above a threshold τ, which is learned beside it (a logistic regression):

    P(yes) = (1 − n) · sigmoid(r(x, β) − τ) + n / 2

The reward is only known up to a shift, so τ is of no use afterwards. Whether a reward knows anything cannot be told
from how many answers it predicts: where four of five are no, so does always saying no. It is told from pairs of a yes
and a no, each answer in one pair at most, drawn without looking: a reward that knows nothing puts the yes above the no
in half of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainfb.core.types import Answer, Asked, Comparison, ExplanationKey, Preference
from explainfb.explanations.explanation import Explanation
from explainfb.questions.question import Judge, Question, Reply
from explainfb.rewards.dataset import AnswerBatch
from explainfb.rewards.losses import AnswerLoss, rewards_of
from explainfb.rewards.models import ExplainedImages
from explainfb.rewards.settings import RewardSettings

ACCEPTED = 0.5
"""A simulated annotator says yes where more than this share of the weight lies where the reason should be: most."""


@dataclass(frozen=True, eq=False)
class YesNoBatch(AnswerBatch):
    """Answers yes or no."""

    index: Tensor
    """(P,) of the explanation that was shown."""
    yes: Tensor
    """(P,) bool."""
    annotator: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.index)

    def take(self, indices: Tensor) -> "YesNoBatch":
        return YesNoBatch(self.index[indices], self.yes[indices], self.annotator[indices], self.names)

    def to(self, device: torch.device) -> "YesNoBatch":
        return YesNoBatch(self.index.to(device), self.yes.to(device), self.annotator.to(device), self.names)

    def loss(self, settings: RewardSettings) -> AnswerLoss:
        return YesNoLoss(self, settings)

    @property
    def judged(self) -> tuple[Tensor, Tensor]:
        """A yes and a no each. In the order of the answers, which is that of asking and was drawn by chance."""
        yes, no = self.index[self.yes], self.index[~self.yes]
        pairs = min(len(yes), len(no))
        return yes[:pairs], no[:pairs]

    def correct(self, rewards: Tensor, model: nn.Module, explained: ExplainedImages) -> Tensor:
        yes, no = self.judged
        return rewards[yes] > rewards[no]


class YesNoLoss(AnswerLoss):
    """The cross-entropy of the answers under the logistic threshold."""

    def __init__(self, answers: YesNoBatch, settings: RewardSettings) -> None:
        super().__init__(answers.names, settings)
        usual = answers.yes.float().mean().clamp(0.02, 0.98)
        # where a reward of 0, as at the start, is answered yes as often as was said
        self.threshold = nn.Parameter(-usual.logit().cpu())

    def forward(self, member: nn.Module, explained: ExplainedImages, answers: YesNoBatch) -> Tensor:
        rewards = rewards_of(member, explained, answers.index)
        noise = self.noise_of(answers.annotator)
        probability = (1 - noise) * torch.sigmoid(rewards - self.threshold) + noise / 2
        return F.binary_cross_entropy(probability, answers.yes.float())


class YesNo(Question):
    """One explanation, accepted or not."""

    name: Asked = "yes-no"
    shows = 1

    def batch(self, preferences: Sequence[Preference], place: Mapping[ExplanationKey, int]) -> YesNoBatch:
        names = tuple(sorted({each.annotator for each in preferences}))
        return YesNoBatch(
            torch.tensor([place[each.comparison.left] for each in preferences], dtype=torch.int64),
            torch.tensor([each.answer is Answer.YES for each in preferences], dtype=torch.bool),
            torch.tensor([names.index(each.annotator) for each in preferences], dtype=torch.int64),
            names,
        )

    def reply(self, judge: Judge, item: Comparison, shown: Sequence[Explanation]) -> Reply:
        utility = judge.utility(shown[0], item.left.image)
        (yes,) = judge.look(item).decide(np.array([utility]), ACCEPTED)
        return Reply(Answer.YES if yes else Answer.NO, ease=abs(utility - ACCEPTED))
