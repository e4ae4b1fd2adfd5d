"""An ensemble averages its members, stays as it is, and is kept in a file."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from explainfb.core.errors import InputError
from explainfb.explanations.superpixels import pool
from explainfb.finetuning.counterexamples import irrelevant_superpixels
from explainfb.rewards.dataset import PreferenceBatch
from explainfb.rewards.ensemble import load_ensemble, save_ensemble
from explainfb.rewards.fitting import fit_ensemble
from explainfb.rewards.settings import RewardSettings
from reward_example import EXPLAINED, LEFT_HALF, judged

QUICK = RewardSettings(members=1, steps=50, batch_size=32)


def test_members_are_normalised_and_then_averaged() -> None:
    ensemble = fit_ensemble(EXPLAINED, judged(0, 200, 60), settings=RewardSettings(steps=10), seed=0)
    each = ensemble.each(EXPLAINED)
    assert each.shape == (3, len(EXPLAINED))
    torch.testing.assert_close(each.mean(1), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(each.std(1), torch.ones(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(ensemble(EXPLAINED), each.mean(0))
    assert not torch.allclose(each[0], each[1], atol=0.1)


def test_nothing_of_the_ensemble_can_be_trained_by_what_follows_it() -> None:
    ensemble = fit_ensemble(EXPLAINED, judged(0, 200, 40), settings=replace(QUICK, steps=2), seed=0)
    assert not any(parameter.requires_grad for parameter in ensemble.parameters())
    weights = EXPLAINED.weights.clone().requires_grad_()
    ensemble(replace(EXPLAINED, weights=weights)).sum().backward()
    assert weights.grad is not None
    assert (weights.grad.abs().amax(1) > 0).all()


def test_a_superpixel_is_as_relevant_as_an_explanation_that_rests_on_it_alone_is_rewarded() -> None:
    """Answers about single reasons for a class say what weight for it is worth, and nothing of weight against it."""
    alone = replace(
        EXPLAINED.take(slice(0, 160)), weights=torch.eye(16).repeat(10, 1)
    )  # each of the 16 superpixels by itself
    left, right = torch.arange(160), torch.arange(160).roll(7)
    wanted = LEFT_HALF[left % 16].float() - LEFT_HALF[right % 16].float()
    answers = PreferenceBatch(left, right, (wanted + 1) / 2)
    ensemble = fit_ensemble(alone, answers, settings=replace(QUICK, members=2, steps=150), seed=0)
    relevance = pool(ensemble.relevance_map(alone.images)[:, None], alone.segments, 16)[:, 0]  # (160, 16)
    own = relevance.gather(1, (left % 16)[:, None])[:, 0]
    reward = ensemble(alone)
    torch.testing.assert_close(own - own.mean(), reward - reward.mean(), atol=1e-4, rtol=1e-4)
    exchanged = irrelevant_superpixels(ensemble.relevance_map(alone.images), alone.segments)
    assert (exchanged == ~LEFT_HALF).float().mean() > 0.9


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
