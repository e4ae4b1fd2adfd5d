import math
from dataclasses import replace
from pathlib import Path

import pytest
import scipy.stats
import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.explanations.superpixels import grid
from explainfb.rewards.dataset import PreferenceBatch
from explainfb.rewards.ensemble import RewardEnsemble, load_ensemble, save_ensemble
from explainfb.rewards.fitting import _adapt_weight_decay, fit_ensemble
from explainfb.rewards.models import ExplainedImages
from explainfb.rewards.settings import RewardSettings
from explainfb.rewards.validation import correct_answers

SEGMENTS = torch.from_numpy(grid(12, 12, 16))
LEFT_HALF = torch.tensor([label % 4 < 2 for label in range(16)])
QUICK = RewardSettings(members=1, steps=50, batch_size=32)


def explanations(count: int = 400) -> ExplainedImages:
    generator = torch_generator(0, "test ensemble", "explanations")
    return ExplainedImages(
        images=torch.rand(count, 1, 12, 12, generator=generator),
        segments=SEGMENTS.expand(count, -1, -1),
        weights=torch.randn(count, 16, generator=generator) / 10,
        image_index=torch.arange(count),
    )


EXPLAINED = explanations()


def pairs(first: int, last: int, count: int) -> tuple[Tensor, Tensor]:
    """Pairs of different explanations out of first … last − 1."""
    generator = torch_generator(0, "test ensemble", "pairs", first)
    left = torch.randint(first, last, (count,), generator=generator)
    other = torch.randint(1, last - first, (count,), generator=generator)
    return left, first + (left - first + other) % (last - first)


def judged(first: int, last: int, count: int, error_rate: float = 0.1) -> PreferenceBatch:
    """Answers of someone who prefers weight on the left half."""
    left, right = pairs(first, last, count)
    strength = EXPLAINED.weights.abs()
    utility = strength[:, LEFT_HALF].sum(1) / strength.sum(1)
    wrong = torch.rand(count, generator=torch_generator(0, "test ensemble", "errors", first)) < error_rate
    return PreferenceBatch(left, right, ((utility[left] > utility[right]) ^ wrong).float())


def by_a_coin(first: int, last: int, count: int) -> PreferenceBatch:
    coin = torch.rand(count, generator=torch_generator(0, "test ensemble", "coin", first)).round()
    return PreferenceBatch(*pairs(first, last, count), coin)


def permuted(answers: PreferenceBatch, seed: int) -> PreferenceBatch:
    order = torch.randperm(len(answers), generator=torch_generator(seed, "permutation"))
    return replace(answers, share_left=answers.share_left[order])


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


def test_members_are_normalised_and_then_averaged() -> None:
    ensemble = fit_ensemble(EXPLAINED, judged(0, 200, 60), settings=RewardSettings(steps=10), seed=0)
    each = ensemble.each(EXPLAINED)
    assert each.shape == (3, len(EXPLAINED))
    torch.testing.assert_close(each.mean(1), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(each.std(1), torch.ones(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(ensemble(EXPLAINED), each.mean(0))
    assert not torch.allclose(each[0], each[1], atol=0.1)


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


def test_equal_answers_are_not_counted_as_right_or_wrong() -> None:
    answers = judged(0, 200, 40)
    answers.share_left[:10] = 0.5
    ensemble = fit_ensemble(EXPLAINED, answers, settings=replace(QUICK, steps=2), seed=0)
    assert len(correct_answers(ensemble, EXPLAINED, answers)) == 30


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


def test_nothing_of_the_ensemble_can_be_trained_by_what_follows_it() -> None:
    ensemble = fit_ensemble(EXPLAINED, judged(0, 200, 40), settings=replace(QUICK, steps=2), seed=0)
    assert not any(parameter.requires_grad for parameter in ensemble.parameters())
    weights = EXPLAINED.weights.clone().requires_grad_()
    ensemble(replace(EXPLAINED, weights=weights)).sum().backward()
    assert weights.grad is not None
    assert (weights.grad.abs().amax(1) > 0).all()


@pytest.mark.parametrize("kind", ["additive", "free"])
def test_a_file_gives_back_the_same_ensemble(tmp_path: Path, kind) -> None:
    settings = RewardSettings(steps=2, members=2, kind=kind, scale="probability")
    ensemble = fit_ensemble(EXPLAINED, judged(0, 200, 40), settings=settings, seed=0)
    path = tmp_path / "reward.safetensors"
    save_ensemble(ensemble, path)
    assert torch.equal(load_ensemble(path)(EXPLAINED), ensemble(EXPLAINED))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"reward\.safetensors is damaged"):
        load_ensemble(path)


def test_too_few_answers_are_refused() -> None:
    with pytest.raises(InputError, match="at least 4 answers to learn from; found 3"):
        fit_ensemble(EXPLAINED, judged(0, 200, 3), settings=QUICK, seed=0)
