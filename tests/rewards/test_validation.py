"""What an ensemble predicts of answers that it was not fitted to, and that a coin's seldom count as evidence."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from explainfb.rewards import fitting
from explainfb.rewards.dataset import PreferenceBatch, PreferenceDataset
from explainfb.rewards.ensemble import RewardEnsemble
from explainfb.rewards.fitting import fit_ensemble, out_of_bag
from explainfb.rewards.settings import RewardSettings
from explainfb.rewards.validation import best_member_test, correct_answers
from reward_example import EXPLAINED, by_a_coin, judged

SETTINGS = RewardSettings(members=2, steps=150, batch_size=32)


def known(fitted: PreferenceBatch, held_out: PreferenceBatch) -> PreferenceDataset:
    return PreferenceDataset(fitted, held_out, EXPLAINED, ())


def judge(about: PreferenceDataset, settings: RewardSettings, *, fitted_with: int, judged_as: int) -> float:
    ensemble = fit_ensemble(EXPLAINED, about.fitted, settings=settings, seed=fitted_with)
    return best_member_test(ensemble, about, settings=settings, seed=judged_as).p_value


def test_out_of_bag_are_those_that_no_batch_of_a_member_held(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Tensor] = []
    take = PreferenceBatch.take
    monkeypatch.setattr(PreferenceBatch, "take", lambda self, indices: taken.append(indices) or take(self, indices))
    fit_ensemble(EXPLAINED, judged(0, 200, 100), settings=replace(SETTINGS, steps=60), seed=3)
    monkeypatch.undo()
    for batches, unseen in zip((taken[1:61], taken[62:]), out_of_bag(100, settings=SETTINGS, seed=3), strict=True):
        seen = torch.cat(batches).unique()
        assert len(seen) > 50
        assert not unseen[seen].any()
        assert int(unseen.sum()) + len(seen) == pytest.approx(100, abs=3)


def test_a_judgement_is_evidence_where_the_held_out_answers_alone_are_none() -> None:
    about = known(judged(0, 200, 114, 0.0), judged(200, 400, 6, 0.0))
    assert judge(about, SETTINGS, fitted_with=0, judged_as=0) < 0.01
    assert scipy.stats.binomtest(6, 6, alternative="greater").pvalue > 0.01  # the most that six can show


def test_answers_learned_by_heart_are_no_evidence_and_would_be_if_they_were_counted() -> None:
    """With the draws of another seed, answers that a member was fitted to are taken for ones that it never saw."""
    coins, settings = by_a_coin(0, 200, 100), replace(SETTINGS, members=1, steps=300, weight_decay=0)
    about = known(coins, coins.take(torch.zeros(0, dtype=torch.int64)))
    assert judge(about, settings, fitted_with=0, judged_as=0) > 0.05
    assert judge(about, settings, fitted_with=0, judged_as=1) < 0.01


class Preset(torch.nn.Module):
    """A member whose rewards are given."""

    def __init__(self, rewards: Tensor) -> None:
        super().__init__()
        self.rewards = rewards

    def forward(self, explained: object) -> Tensor:
        return self.rewards[explained.image_index]  # type: ignore[attr-defined]


@pytest.mark.parametrize("members", [1, 3])
def test_however_many_members_try_a_coin_passes_no_more_often_than_stated(members: int) -> None:
    settings, chance = RewardSettings(members=members), np.random.default_rng(0)
    passed = []
    for seed in range(400):
        rewards = torch.from_numpy(chance.normal(size=(members, len(EXPLAINED)))).float()
        ensemble = RewardEnsemble([Preset(row) for row in rewards])  # type: ignore[list-item]
        left, right = torch.arange(0, 120, 2), torch.arange(1, 120, 2)
        coins = PreferenceBatch(left, right, torch.from_numpy(chance.integers(2, size=60)).float())
        told = best_member_test(
            ensemble,
            known(coins.take(torch.arange(54)), coins.take(torch.arange(54, 60))),
            settings=settings,
            seed=seed,
        )
        passed.append(told.p_value <= 0.05)
    assert sum(passed) > 0
    assert scipy.stats.binomtest(sum(passed), 400, 0.05, alternative="greater").pvalue > 0.01


def test_equal_answers_are_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    equal = replace(judged(0, 200, 20), share_left=torch.full((20,), 0.5))
    ensemble = fit_ensemble(EXPLAINED, equal, settings=replace(SETTINGS, steps=1), seed=0)
    told = best_member_test(ensemble, known(equal, equal), settings=SETTINGS, seed=0)
    assert (told.right, told.asked, told.p_value) == (0, 0, 1.0)
    decided = best_member_test(ensemble, known(equal, judged(0, 200, 8)), settings=SETTINGS, seed=0)
    assert decided.asked == 8


def test_the_draws_of_an_ensemble_are_its_own() -> None:
    one, other = (out_of_bag(500, settings=SETTINGS, seed=seed) for seed in (0, 1))
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one, other)
    assert torch.equal(one, fitting.out_of_bag(500, settings=SETTINGS, seed=0))


QUICK = RewardSettings(members=1, steps=50, batch_size=32)


def test_equal_answers_count_as_neither_right_nor_wrong() -> None:
    answers = judged(0, 200, 40)
    answers.share_left[:10] = 0.5
    ensemble = fit_ensemble(EXPLAINED, answers, settings=replace(QUICK, steps=2), seed=0)
    assert len(correct_answers(ensemble, EXPLAINED, answers)) == 30
