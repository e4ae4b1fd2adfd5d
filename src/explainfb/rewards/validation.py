"""How well a reward predicts answers that it was not fitted to, and whether a coin's could be predicted as well."""

from dataclasses import asdict
from pathlib import Path

import torch
from scipy.stats import binomtest
from torch import Tensor, nn

from explainfb.core.errors import InputError
from explainfb.core.files import check_file, read_json, write_json
from explainfb.core.types import OutOfBagTest
from explainfb.results.records import RoundResult
from explainfb.rewards.compared import Compared
from explainfb.rewards.dataset import AnswerBatch, PreferenceDataset
from explainfb.rewards.ensemble import RewardEnsemble
from explainfb.rewards.fitting import out_of_bag
from explainfb.rewards.settings import RewardSettings
from explainfb.statistics.intervals import pair_accuracy_interval


@torch.no_grad()
def correct_answers(ensemble: RewardEnsemble, explained: Compared, answers: AnswerBatch) -> Tensor:
    """(Q,) bool: what the ensemble predicts rightly; of comparisons, each answer that is left or right."""
    return _correct(ensemble(explained), ensemble, explained, answers)


@torch.no_grad()
def best_member_test(
    ensemble: RewardEnsemble, known: PreferenceDataset, *, settings: RewardSettings, seed: int
) -> OutOfBagTest:
    """The member that predicts best what it was not fitted to, in an ensemble fitted with `settings` and `seed`.

    That is what was held out and what is out of its bag (Breiman 1996). To one member these answers are new, so where a
    coin gave them an exact binomial test holds, and over all members with Bonferroni's factor. It does not for all
    answers together, each predicted by the mean of the members that did not see it: whatever direction a coin's answers
    happen to lean to is learned from some and confirmed by others.

    Measured on round 1 of digits-decoy, the share of refits in which a test passes at .01: of a coin's 60 answers, this
    one 1 of 65 and all together 2; of its 250 answers, 1 of 63 and 2; of 60 answers with one in ten wrong, 29 of 63,
    all together 42 and held-out ones alone none; of 250, all of 15, and held-out ones alone 9. A single member's test
    passed at .01 in 4 of 387 for a coin. Two things keep it from being exact: out-of-bag answers steer the weight
    decay, and in later rounds they took part in the choice of what is compared.
    """
    unseen = out_of_bag(len(known.fitted), settings=settings, seed=seed).to(known.explained.images.device)
    found = []
    for rewards, member, own in zip(ensemble.each(known.explained), ensemble.members, unseen, strict=True):
        new = (known.fitted.take(own.nonzero().squeeze(1)), known.held_out)
        correct = torch.cat([_correct(rewards, member, known.explained, answers) for answers in new])
        found.append((int(correct.sum()), len(correct)))
    # Bonferroni's factor pays for taking the best
    best = min((_coin_p_value(right, asked), right, asked) for right, asked in found)
    return OutOfBagTest(best[1], best[2], min(1.0, len(found) * best[0]))


def save_out_of_bag_test(predicted: OutOfBagTest, reward: Path) -> None:
    """Keep it beside the file of a reward: if an annotator is left out later, the draws would be of other answers."""
    write_json(asdict(predicted), out_of_bag_test_path(reward))


def load_out_of_bag_test(reward: Path) -> OutOfBagTest:
    """What `save_out_of_bag_test` kept. Raises `InputError` naming the file when it is missing or damaged."""
    path = out_of_bag_test_path(reward)
    check_file(path)
    try:
        return OutOfBagTest(**read_json(path))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is missing or damaged; delete {reward} as well and run again.") from error


def out_of_bag_test_path(reward: Path) -> Path:
    """Where the test of the reward in the file `reward` is kept."""
    return reward.with_suffix(".foretold.json")  # as this test was first called, in studies that still are read


def _coin_p_value(right: int, asked: int) -> float:
    """The probability with which at least `right` of `asked` coins are predicted."""
    return float(binomtest(right, asked, alternative="greater").pvalue) if asked else 1.0


def _correct(rewards: Tensor, model: nn.Module, explained: Compared, answers: AnswerBatch) -> Tensor:
    """(Q,) bool: what `model`, whose rewards of all explanations are `rewards`, predicts rightly."""
    return answers.correct(rewards, model, explained)


def round_accuracy(number: int, ensemble: RewardEnsemble, known: PreferenceDataset, *, seed: int) -> RoundResult:
    """How well the reward of round `number` predicts held-out answers."""
    correct = correct_answers(ensemble, known.explained, known.held_out).cpu().double().numpy()
    left, right = (known.explained.image_index[side].cpu().numpy() for side in known.held_out.judged)
    return RoundResult(
        round=number,
        answers=len(known.fitted) + len(known.held_out),
        held_out=len(correct),
        reward_accuracy=pair_accuracy_interval(correct, left, right, seed=seed) if len(correct) else None,
    )
