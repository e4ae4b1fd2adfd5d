"""What is compared, and how it is embedded: all that explainfb is told of trajectories.

Everything else that learns is explainfb's own, as it is for explanations: `fit_members` (bootstrap, held-out 1/e,
adaptive weight decay), `PreferenceBatch` (ties, noise), `RewardEnsemble` (normalised members) and `choose_comparisons`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from explainfb.rewards.compared import Compared

PART = 4096
"""Segments that go through a model at a time where no gradient is wanted."""
HIDDEN, LEAK = 64, 0.01
"""Of the paper's network for robots: two hidden layers of so many units, and the slope of a leaky ReLU below zero."""


@dataclass(frozen=True, eq=False)
class Segments(Compared):
    """Segments of trajectories."""

    steps: Tensor
    """(B, T, D) what the agent saw and what it did next, one row a step."""

    def __len__(self) -> int:
        return len(self.steps)

    def take(self, indices: Tensor | slice) -> "Segments":
        return Segments(self.steps[indices])

    def to(self, device: torch.device) -> "Segments":
        return Segments(self.steps.to(device))

    @property
    def device(self) -> torch.device:
        return self.steps.device

    @property
    def part(self) -> int:
        return PART

    @property
    def single_steps(self) -> "Segments":
        """(B · T) segments of one step each: what an agent is rewarded for."""
        return Segments(self.steps.reshape(-1, 1, self.steps.shape[2]))


class SumOfSteps(nn.Module):
    """The reward of a segment is the sum over its steps of r(observation, action) (Christiano et al. 2017, eq. 1).

    Inputs are brought to mean 0 and standard deviation 1 over `seen`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, seen: Segments) -> None:
        super().__init__()
        width = seen.steps.shape[2]
        self.register_buffer("mean", seen.steps.mean((0, 1)))
        self.register_buffer("std", seen.steps.std((0, 1)).clamp_min(1e-3))  # an entry may always be the same
        self.step = nn.Sequential(
            nn.Linear(width, HIDDEN),
            nn.LeakyReLU(LEAK),
            nn.Linear(HIDDEN, HIDDEN),
            nn.LeakyReLU(LEAK),
            nn.Linear(HIDDEN, 1),
        )

    def forward(self, segments: Segments) -> Tensor:
        """(B,) rewards."""
        each: Tensor = self.step((segments.steps - self.mean) / self.std)  # (B, T, 1)
        return each.sum((1, 2))
