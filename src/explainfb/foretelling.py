"""How well a reward foretells answers that it was not fitted to, and whether a coin's might be foretold as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from scipy.stats import binomtest
from torch import Tensor

from explainfb.answers import Answers, as_answers
from explainfb.ensemble import RewardEnsemble, RewardSettings
from explainfb.explanations import as_seen_by_reward
from explainfb.fitting import out_of_bag
from explainfb.reward import ExplainedImages
from explainfb.statistics import pair_accuracy_interval
from explainfb.tasks import Split
from explainfb.types import BoolArray, Explanation, ExplanationKey, Preference


@dataclass(frozen=True, eq=False)
class Known:
    """The answers so far, and the explanations they are about."""

    fitted: Answers
    """What the reward is fitted to."""
    held_out: Answers
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
    ) -> "Known":
        """What `preferences` say, those about images of `held_out` (N,) apart; who can't tell says nothing."""
        given = [preference for preference in preferences if preference.answer.share_left is not None]
        keys = tuple(sorted({key for item in given for key in (item.comparison.left, item.comparison.right)}))
        answers = as_answers(given, {key: index for index, key in enumerate(keys)}).to(device)
        judging = torch.tensor([bool(held_out[item.comparison.left.image]) for item in given], dtype=torch.bool)
        return cls(
            answers.take((~judging).nonzero().squeeze(1).to(device)),
            answers.take(judging.nonzero().squeeze(1).to(device)),
            as_seen_by_reward(explanations, keys, split).to(device),
            keys,
        )


@dataclass(frozen=True)
class Foretold:
    """How many answers were foretold, and how easily a coin's would have been."""

    right: int
    asked: int
    p_value: float
    """At most the probability with which a coin's answers are foretold as well."""


def correct_answers(ensemble: RewardEnsemble, explained: ExplainedImages, answers: Answers) -> Tensor:
    """(Q,) bool: whether the ensemble foretells each answer that is left or right; equal ones are left out."""
    everyone = torch.ones(len(ensemble.members), len(answers), dtype=torch.bool, device=answers.left.device)
    return _correct(ensemble, explained, answers, everyone)


def foretell_unseen(ensemble: RewardEnsemble, known: Known, *, settings: RewardSettings, seed: int) -> Foretold:
    """How the ensemble fitted with `settings` and `seed` foretells every answer that a member was not fitted to.

    That is the answers held out, and of the others those out of bag (Breiman 1996) for at least one member; each is
    foretold by the mean reward of the members that did not see it.
    """
    unseen = out_of_bag(len(known.fitted), settings=settings, seed=seed).to(known.fitted.left.device)
    some = unseen.any(0).nonzero().squeeze(1)
    correct = torch.cat(
        [
            _correct(ensemble, known.explained, known.fitted.take(some), unseen[:, some]),
            correct_answers(ensemble, known.explained, known.held_out),
        ]
    )
    right, asked = int(correct.sum()), len(correct)
    return Foretold(right, asked, _p_value(right, asked))


def _p_value(right: int, asked: int) -> float:
    return min(1.0, 2 * float(binomtest(right, asked, alternative="greater").pvalue)) if asked else 1.0


@torch.no_grad()
def _correct(ensemble: RewardEnsemble, explained: ExplainedImages, answers: Answers, judges: Tensor) -> Tensor:
    """(Q,) bool for the decided answers, each foretold by those of the members that `judges` (members, P) names."""
    rewards = ensemble.each(explained)
    margins = ((rewards[:, answers.left] - rewards[:, answers.right]) * judges).sum(0)
    return ((margins > 0) == (answers.share_left > 0.5))[answers.decided]


def round_accuracy(number: int, ensemble: RewardEnsemble, known: Known, *, seed: int) -> dict[str, Any]:
    """How well the reward of round `number` foretells held-out answers, as results.json holds it."""
    correct = correct_answers(ensemble, known.explained, known.held_out).cpu().double().numpy()
    decided = known.held_out.take(known.held_out.decided.nonzero().squeeze(1))
    left, right = (known.explained.image_index[side].cpu().numpy() for side in (decided.left, decided.right))
    interval = pair_accuracy_interval(correct, left, right, seed=seed) if len(correct) else None
    return {
        "round": number,
        "answers": len(known.fitted) + len(known.held_out),
        "held_out": len(correct),
        "reward_accuracy": interval and interval.estimate,
        "low": interval and interval.low,
        "high": interval and interval.high,
    }
