"""Annotators who err more or less often, and what is learned of it."""

from pathlib import Path

import pytest
import torch

from explainfb.core.seeding import torch_generator
from explainfb.rewards.dataset import PreferenceBatch
from explainfb.rewards.ensemble import RewardEnsemble, load_ensemble, save_ensemble
from explainfb.rewards.fitting import fit_ensemble
from explainfb.rewards.losses import PreferenceLoss
from explainfb.rewards.settings import RewardSettings
from explainfb.rewards.validation import correct_answers
from reward_example import EXPLAINED, judged

CROWD = (0.0, 0.1, 0.3, 0.5, 0.9)
EQUAL, LEARNED = RewardSettings(members=2), RewardSettings(members=2, reliability="learned")
HELD_OUT = judged(200, 400, 300, error_rate=0)


def crowd(rates: tuple[float, ...], count: int) -> PreferenceBatch:
    """Answers of annotators `simulated-1`, … with these error rates, who share `count` comparisons."""
    right, generator = judged(0, 200, count, error_rate=0), torch_generator(0, "test reliability", count)
    who = torch.randint(len(rates), (count,), generator=generator)
    wrong = torch.rand(count, generator=generator) < torch.tensor(rates)[who]
    shares = torch.where(wrong, 1 - right.share_left, right.share_left)
    names = tuple(f"simulated-{number}" for number in range(1, len(rates) + 1))
    return PreferenceBatch(right.left, right.right, shares, who, names)


def fit(answers: PreferenceBatch, settings: RewardSettings) -> tuple[RewardEnsemble, float]:
    ensemble = fit_ensemble(EXPLAINED, answers, settings=settings, seed=0)
    return ensemble, correct_answers(ensemble, EXPLAINED, HELD_OUT).float().mean().item()


def test_a_planted_crowd_is_put_in_order_and_weighing_it_helps() -> None:
    answers = crowd(CROWD, 1000)
    ensemble, weighed = fit(answers, LEARNED)
    reliability = [ensemble.reliability[f"simulated-{number}"] for number in range(1, 6)]
    assert reliability == sorted(reliability, reverse=True)
    assert reliability == pytest.approx([1 - rate for rate in CROWD], abs=0.2)
    assert weighed > fit(answers, EQUAL)[1] + 0.04


@pytest.mark.parametrize(("rates", "count"), [((0.1,), 60), ((0.1,), 300), ((0.1,) * 5, 200)])
def test_where_all_are_alike_nothing_is_lost(rates: tuple[float, ...], count: int) -> None:
    answers = crowd(rates, count)
    assert fit(answers, LEARNED)[1] > fit(answers, EQUAL)[1] - 0.03


def test_without_it_nothing_is_said_of_anyone_and_names_change_nothing() -> None:
    answers = crowd(CROWD, 100)
    nobody = PreferenceBatch(answers.left, answers.right, answers.share_left)
    (one, _), (other, _) = (fit(given, RewardSettings(members=1, steps=5)) for given in (answers, nobody))
    assert one.reliability == other.reliability == {}
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_noise_is_each_annotators_own_and_starts_where_it_is_told() -> None:
    loss = PreferenceLoss(crowd(CROWD, 20), RewardSettings(reliability="learned", noise=0.3))
    torch.testing.assert_close(loss.noise, torch.full((5,), 0.3))
    assert loss.logit is not None
    loss.prior().backward()
    assert loss.logit.grad is not None
    torch.testing.assert_close(loss.logit.grad, torch.zeros(5), atol=1e-5, rtol=0)  # the start is the prior's mode


def test_that_two_are_equal_says_nothing_of_who_says_it() -> None:
    answers = crowd(CROWD, 20)
    equal = PreferenceBatch(answers.left, answers.right, torch.full((20,), 0.5), answers.annotator, answers.names)
    for given, moves in ((answers, True), (equal, False)):
        loss = PreferenceLoss(given, LEARNED)
        loss(lambda explained: explained.weights.sum(1), EXPLAINED, given).backward()  # type: ignore[arg-type]
        assert loss.logit is not None
        assert loss.logit.grad is not None
        assert bool(loss.logit.grad.any()) == moves


def test_reliability_is_kept_in_the_file(tmp_path: Path) -> None:
    settings = RewardSettings(members=1, steps=2, reliability="learned")
    ensemble = fit_ensemble(EXPLAINED, judged(0, 200, 30), settings=settings, seed=0)
    save_ensemble(ensemble, tmp_path / "reward")
    assert load_ensemble(tmp_path / "reward").reliability == ensemble.reliability != {}
