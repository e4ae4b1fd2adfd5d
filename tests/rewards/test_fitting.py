"""The reward learns what the answers say, from whoever gave them, and nothing where they say nothing."""

import math
from dataclasses import replace

import pytest
import scipy.stats
import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.rewards import models
from explainfb.rewards.dataset import PreferenceBatch
from explainfb.rewards.ensemble import RewardEnsemble
from explainfb.rewards.fitting import _adapt_weight_decay, fit_ensemble
from explainfb.rewards.models import AdditiveReward, ExplainedImages
from explainfb.rewards.settings import RewardSettings
from explainfb.rewards.validation import correct_answers
from reward_example import EXPLAINED, UTILITY, by_a_coin, judged, permuted

QUICK = RewardSettings(members=1, steps=50, batch_size=32)


def held_out_hits(
    answers: PreferenceBatch, held_out: PreferenceBatch, settings: RewardSettings = QUICK, seed: int = 0
) -> Tensor:
    ensemble = fit_ensemble(EXPLAINED, answers, settings=settings, seed=seed)
    return correct_answers(ensemble, EXPLAINED, held_out).float()


def permutation_test(
    answers: PreferenceBatch, held_out: PreferenceBatch, permutations: int = 19
) -> tuple[float, float]:
    """The accuracy on answers about images that were not learned from, and its p-value against shuffled answers."""
    accuracy = held_out_hits(answers, held_out).mean().item()
    chance = [held_out_hits(permuted(answers, seed), held_out).mean().item() for seed in range(permutations)]
    return accuracy, (1 + sum(other >= accuracy for other in chance)) / (1 + permutations)


def test_the_reward_learns_what_the_answers_say() -> None:
    accuracy, p_value = permutation_test(judged(0, 200, 300), judged(200, 400, 300))
    assert p_value == pytest.approx(1 / 20)  # better than with any shuffling
    assert accuracy > 0.75  # 0.9 is the most that can be, with a tenth of the answers wrong


def test_a_coin_teaches_it_nothing() -> None:
    accuracy, p_value = permutation_test(by_a_coin(0, 200, 300), by_a_coin(200, 400, 300))
    assert p_value > 1 / 20
    assert scipy.stats.binomtest(round(accuracy * 300), 300, 0.5).pvalue > 0.01


@pytest.mark.parametrize("kind", ["additive", "free"])
def test_answers_turned_round_teach_the_opposite(kind) -> None:
    answers, held_out = judged(0, 200, 400), judged(200, 400, 300, error_rate=0)
    turned = replace(answers, share_left=1 - answers.share_left)
    settings = RewardSettings(members=1, steps=120, batch_size=32, kind=kind)
    assert held_out_hits(answers, held_out, settings).mean() > 0.6
    assert held_out_hits(turned, held_out, settings).mean() < 0.4


def test_the_maps_say_where_weight_is_wanted() -> None:
    ensemble = fit_ensemble(EXPLAINED, judged(0, 200, 300), settings=replace(QUICK, members=2), seed=0)
    maps = ensemble.maps(EXPLAINED.images[:50])
    assert maps is not None
    irrelevant = maps[:, 1].mean(0)
    assert irrelevant[:, 6:].mean() > irrelevant[:, :6].mean() + 0.5  # in standard deviations of reward
    free = fit_ensemble(EXPLAINED, judged(0, 200, 30), settings=RewardSettings(steps=2, kind="free"), seed=0)
    assert free.maps(EXPLAINED.images[:2]) is None


def test_each_member_has_a_bootstrap_draw_of_its_own_and_is_validated_on_the_rest(monkeypatch) -> None:
    taken: list[Tensor] = []
    take = PreferenceBatch.take
    monkeypatch.setattr(PreferenceBatch, "take", lambda self, indices: taken.append(indices) or take(self, indices))
    fit_ensemble(EXPLAINED, judged(0, 200, 1000), settings=RewardSettings(steps=40), seed=0)
    validations, batches = taken[::41], [taken[member * 41 + 1 : member * 41 + 41] for member in range(3)]
    assert len(taken) == 3 * 41
    for unseen, drawn in zip(validations, batches, strict=True):
        assert len(unseen) / 1000 == pytest.approx(1 / math.e, abs=0.05)
        assert not torch.isin(torch.cat(drawn), unseen).any()
    assert not torch.equal(validations[0], validations[1])


@pytest.mark.parametrize(("ratio", "factor"), [(2.0, 2.0), (1.3, 1.0), (1.0, 0.5)])
def test_weight_decay_moves_towards_the_wanted_ratio_of_losses(ratio: float, factor: float) -> None:
    optimiser = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], weight_decay=0.01)
    _adapt_weight_decay(optimiser, ratio)
    assert optimiser.param_groups[0]["weight_decay"] == pytest.approx(0.01 * factor)
    for _ in range(50):
        _adapt_weight_decay(optimiser, ratio)
    assert 1e-4 <= optimiser.param_groups[0]["weight_decay"] <= 10


def test_weight_decay_grows_where_answers_cannot_be_learned(monkeypatch) -> None:
    ratios: list[float] = []
    monkeypatch.setattr("explainfb.rewards.fitting._adapt_weight_decay", lambda optimiser, ratio: ratios.append(ratio))
    fit_ensemble(EXPLAINED, by_a_coin(0, 200, 40), settings=RewardSettings(members=1, steps=200), seed=0)
    assert ratios[-1] > 1.5  # forty coins learned by heart


def states(ensemble: RewardEnsemble) -> list[Tensor]:
    return list(ensemble.state_dict().values())


def test_the_same_seed_gives_the_same_ensemble_and_no_global_state_is_touched() -> None:
    settings, before = RewardSettings(steps=5, members=2), torch.get_rng_state()
    one = fit_ensemble(EXPLAINED, judged(0, 200, 40), settings=settings, seed=0)
    torch.rand(3)
    drawn = torch.get_rng_state()
    same = fit_ensemble(EXPLAINED, judged(0, 200, 40), settings=settings, seed=0)
    other = fit_ensemble(EXPLAINED, judged(0, 200, 40), settings=settings, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(states(one), states(same), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(states(one), states(other), strict=True))
    assert torch.equal(torch.get_rng_state(), drawn)
    assert not torch.equal(before, drawn)


def test_too_few_answers_are_refused() -> None:
    with pytest.raises(InputError, match="at least 4 answers to learn from; found 3"):
        fit_ensemble(EXPLAINED, judged(0, 200, 3), settings=QUICK, seed=0)


def test_no_weight_decay_stays_none(monkeypatch: pytest.MonkeyPatch) -> None:
    decays: list[float] = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW, "step", lambda self: decays.append(self.param_groups[0]["weight_decay"]) or step(self)
    )
    for start in (0.0, 1e-3):
        settings = RewardSettings(members=1, steps=60, weight_decay=start)
        fit_ensemble(EXPLAINED, judged(0, 200, 30), settings=settings, seed=0)
    assert set(decays[:60]) == {0.0}
    assert len(set(decays[60:])) > 1


def test_utilities_are_learned_in_place_of_answers() -> None:
    """Answers in any order teach nothing; utilities do, whatever the answers."""
    settings = RewardSettings(members=1, learned_from="utilities")
    held_out = judged(200, 400, 300, error_rate=0)
    answers = permuted(judged(0, 200, 100), 0)
    for utilities, low, high in ((UTILITY, 0.75, 1.0), (-UTILITY, 0.0, 0.25)):
        ensemble = fit_ensemble(EXPLAINED, answers, settings=settings, seed=0, utilities=utilities)
        rewards = ensemble(EXPLAINED)
        right = (rewards[held_out.left] > rewards[held_out.right]).float() == held_out.share_left
        assert low <= right.float().mean().item() <= high


def test_utilities_change_with_neither_scale_nor_origin() -> None:
    settings = RewardSettings(members=1, steps=10, learned_from="utilities")
    fits = [
        fit_ensemble(EXPLAINED, judged(0, 200, 30), settings=settings, seed=0, utilities=scaled)
        for scaled in (UTILITY, 100 * UTILITY + 7)
    ]
    torch.testing.assert_close(fits[0](EXPLAINED), fits[1](EXPLAINED), atol=1e-3, rtol=1e-3)


def test_what_a_step_takes_does_not_grow_with_the_answers_nor_what_is_held_with_the_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[bool, int]] = []
    forward = AdditiveReward.forward

    def recorded(self: AdditiveReward, explained: ExplainedImages) -> Tensor:
        seen.append((torch.is_grad_enabled(), len(explained)))
        return forward(self, explained)

    monkeypatch.setattr(AdditiveReward, "forward", recorded)
    monkeypatch.setattr(models, "PART_PIXELS", 100 * 12 * 12)
    looked_through = []
    for count in (4_000, 40_000):
        seen.clear()
        fit_ensemble(EXPLAINED, judged(0, 400, count), settings=RewardSettings(steps=20, members=1), seed=0)
        assert max(images for trained, images in seen if not trained) == 100
        looked_through.append(sum(images for _, images in seen))
    assert looked_through[0] == looked_through[1]
