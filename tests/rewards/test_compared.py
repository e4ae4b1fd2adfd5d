"""A reward is learned about anything that can be compared, not only about explanations of images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explainfb.core.errors import InputError
from explainfb.preferences.queries import Pool, choose_comparisons
from explainfb.preferences.settings import QuerySettings
from explainfb.rewards.compared import Compared
from explainfb.rewards.dataset import PreferenceBatch
from explainfb.rewards.ensemble import RewardEnsemble, save_ensemble
from explainfb.rewards.fitting import fit_members
from explainfb.rewards.settings import RewardSettings
from explainfb.rewards.validation import correct_answers


@dataclass(frozen=True, eq=False)
class Walks(Compared):
    """Sequences of numbers."""

    steps: Tensor
    """(B, T)"""

    def __len__(self) -> int:
        return len(self.steps)

    def take(self, indices: Tensor | slice) -> "Walks":
        return Walks(self.steps[indices])

    def to(self, device: torch.device) -> "Walks":
        return Walks(self.steps.to(device))

    @property
    def device(self) -> torch.device:
        return self.steps.device

    @property
    def part(self) -> int:
        return 7


class SumOfSteps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, walks: Walks) -> Tensor:
        each: Tensor = self.step(walks.steps[..., None])
        return each.sum((1, 2))


def draw(count: int, seed: int) -> tuple[Walks, PreferenceBatch]:
    """What is worth most is to stay near zero; one answer in ten is wrong, and none says why."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randn(2 * count, 5, generator=generator)
    worth = -steps.square().sum(1)
    left, right = torch.arange(count), torch.arange(count, 2 * count)
    errs = torch.rand(count, generator=generator) < 0.1
    return Walks(steps), PreferenceBatch(left, right, ((worth[left] > worth[right]) != errs).float())


def fitted(walks: Walks, answers: PreferenceBatch) -> RewardEnsemble:
    return fit_members(walks, answers, build=SumOfSteps, settings=RewardSettings(), seed=0)


def test_a_reward_of_single_steps_is_learned_from_comparisons_of_sums() -> None:
    reward = fitted(*draw(300, 0))
    walks, answers = draw(300, 1)
    assert correct_answers(reward, walks, answers).float().mean() > 0.8  # .9 is the most that can be
    single = Walks(torch.linspace(-2, 2, 9)[:, None])
    assert int(reward(single).argmax()) == 4
    walks, coin = draw(300, 2)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    shuffled = PreferenceBatch(coin.left, coin.right, coin.share_left[order])
    assert correct_answers(fitted(walks, shuffled), *draw(300, 1)).float().mean() < 0.75


def test_members_are_normalised_over_what_is_given() -> None:
    walks, answers = draw(100, 0)
    reward = fitted(walks, answers)
    assert reward.each(walks).std(1).tolist() == pytest.approx([1, 1, 1], rel=1e-4)
    single = Walks(walks.steps.reshape(-1, 1))
    reward.normalise(single)
    assert reward.each(single).mean(1).abs().max() < 1e-4
    assert reward.each(single).std(1).tolist() == pytest.approx([1, 1, 1], rel=1e-4)


def test_what_members_disagree_about_is_asked() -> None:
    """Of walks that are all alike members cannot disagree: those that differ are asked about."""
    walks, answers = draw(100, 0)
    steps = walks.steps.clone()
    steps[:150] = 0.0
    pool = Pool(1, "round-0", None, np.arange(180), np.arange(180, 200))
    asked = choose_comparisons(
        pool,
        20,
        ensemble=fitted(walks, answers),
        explained=Walks(steps),
        keys=pool.keys,
        settings=QuerySettings(),
        seed=0,
    )
    of_fitted = [item for item in asked if item.left.image < 180]
    assert len(of_fitted) == 18
    assert all(max(key.image for key in item.shown) >= 150 for item in of_fitted)


def test_a_reward_of_something_else_has_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Only additive and free rewards have a file"):
        save_ensemble(fitted(*draw(20, 0)), tmp_path / "reward.safetensors")
