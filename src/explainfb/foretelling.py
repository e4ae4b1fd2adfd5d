"""How well a reward foretells answers that it was not fitted to, and whether a coin's might be foretold as well."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from scipy.stats import binomtest
from torch import Tensor

from explainfb.answers import Answers, as_answers
from explainfb.ensemble import RewardEnsemble, RewardSettings
from explainfb.errors import InputError
from explainfb.explanations import as_seen_by_reward
from explainfb.files import write_whole
from explainfb.fitting import FEWEST_ANSWERS, out_of_bag
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
        """What `preferences` say, those about images of `held_out` (N,) apart; who can't tell says nothing.

        Raises `InputError` where nobody says anything.
        """
        given = _decided(preferences)
        if not given:
            raise InputError(
                f"A reward needs at least {FEWEST_ANSWERS} decided answers; found 0 of {len(preferences)}, all the "
                "others being can't tell; ask for more comparisons, or ask others."
            )
        keys = tuple(sorted({key for item in given for key in (item.comparison.left, item.comparison.right)}))
        answers = as_answers(given, {key: index for index, key in enumerate(keys)}).to(device)
        judging = torch.tensor([bool(held_out[item.comparison.left.image]) for item in given], dtype=torch.bool)
        return cls(
            answers.take((~judging).nonzero().squeeze(1).to(device)),
            answers.take(judging.nonzero().squeeze(1).to(device)),
            as_seen_by_reward(explanations, keys, split).to(device),
            keys,
        )


def check_decided(preferences: Sequence[Preference], held_out: BoolArray) -> None:
    """Raise `InputError` where people's answers decide too little for a reward; `held_out` as for `Known.of`."""
    decided = _decided(preferences)
    fitted = sum(not held_out[item.comparison.left.image] for item in decided)
    if fitted < FEWEST_ANSWERS:
        raise InputError(
            f"A reward needs at least {FEWEST_ANSWERS} decided answers (left, right or equal) to learn from, and of "
            f"{len(preferences)} there are {fitted}, besides {len(decided) - fitted} held out to judge it; the round "
            "stays open: let people change what they said under Earlier answers in the app, or leave someone out on "
            "the researchers' page so that others are asked, then run again."
        )


def _decided(preferences: Sequence[Preference]) -> list[Preference]:
    """All but those who can't tell."""
    return [preference for preference in preferences if preference.answer.share_left is not None]


@dataclass(frozen=True)
class Foretold:
    """How many answers that it did not see a member foretells, and how easily a coin's are foretold as well."""

    right: int
    asked: int
    p_value: float
    """The probability in [0, 1] with which at least one of the ensemble's members does as well on a coin's answers, or
    a bound above it."""


@torch.no_grad()
def correct_answers(ensemble: RewardEnsemble, explained: ExplainedImages, answers: Answers) -> Tensor:
    """(Q,) bool: whether the ensemble foretells each answer that is left or right; equal ones are left out."""
    return _correct(ensemble(explained), answers)


@torch.no_grad()
def best_member(ensemble: RewardEnsemble, known: Known, *, settings: RewardSettings, seed: int) -> Foretold:
    """The member that foretells best what it was not fitted to, in an ensemble fitted with `settings` and `seed`.

    That is what was held out and what is out of its bag (Breiman 1996). To one member these answers are new, so where a
    coin gave them an exact binomial test holds, and over all members with Bonferroni's factor. It does not for all
    answers together, each foretold by the mean of the members that did not see it: whatever direction a coin's answers
    happen to lean to is learned from some and confirmed by others.

    Measured on round 1 of digits-decoy, the share of refits in which a test passes at .01: of a coin's 60 answers, this
    one 1 of 65 and all together 2; of its 250 answers, 1 of 63 and 2; of 60 answers with one in ten wrong, 29 of 63,
    all together 42 and held-out ones alone none; of 250, all of 15, and held-out ones alone 9. A single member's test
    passed at .01 in 4 of 387 for a coin. Two things keep it from being exact: out-of-bag answers steer the weight
    decay, and in later rounds they took part in the choice of what is compared.
    """
    unseen = out_of_bag(len(known.fitted), settings=settings, seed=seed).to(known.fitted.left.device)
    found = []
    for rewards, own in zip(ensemble.each(known.explained), unseen, strict=True):
        new = (known.fitted.take(own.nonzero().squeeze(1)), known.held_out)
        correct = torch.cat([_correct(rewards, answers) for answers in new])
        found.append((int(correct.sum()), len(correct)))
    best = min((_coin(right, asked), right, asked) for right, asked in found)
    return Foretold(best[1], best[2], min(1.0, len(found) * best[0]))


def save_foretold(foretold: Foretold, reward: Path) -> None:
    """Keep it beside the file of a reward: answers that are left out later would change what is out of bag."""
    text = json.dumps(asdict(foretold)) + "\n"
    write_whole(_beside(reward), lambda partial: partial.write_text(text, encoding="utf-8"))


def load_foretold(reward: Path) -> Foretold:
    """What `save_foretold` kept. Raises `InputError` naming the file when it is missing or damaged."""
    path = _beside(reward)
    try:
        return Foretold(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is missing or damaged; delete {reward} as well and run again.") from error


def _beside(reward: Path) -> Path:
    return reward.with_suffix(".foretold.json")


def _coin(right: int, asked: int) -> float:
    """The probability with which at least `right` of `asked` coins are foretold."""
    return float(binomtest(right, asked, alternative="greater").pvalue) if asked else 1.0


def _correct(rewards: Tensor, answers: Answers) -> Tensor:
    """(Q,) bool: whether `rewards`, one for each explanation, foretell each decided answer."""
    decided = answers.take(answers.decided.nonzero().squeeze(1))
    return (rewards[decided.left] > rewards[decided.right]) == (decided.share_left > 0.5)


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
