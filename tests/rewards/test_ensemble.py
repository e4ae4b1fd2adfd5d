"""An ensemble averages its members, stays as it is, and is kept in a file."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from explainfb.core.errors import InputError
from explainfb.rewards.ensemble import load_ensemble, save_ensemble
from explainfb.rewards.fitting import fit_ensemble
from explainfb.rewards.settings import RewardSettings
from reward_example import EXPLAINED, judged

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
