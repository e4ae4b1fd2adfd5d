"""What a reward is learned about: all that fitting, judging and asking know of the things that are compared.

Explanations of images are one such thing (`ExplainedImages`), segments of trajectories another (Christiano et al. 2017;
experiments/christiano_2017). What embeds them is a module that gives each of them one reward, (B,).
"""

from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor


class Compared(ABC):
    """Several things that are compared, in an order, as reward models see them."""

    @abstractmethod
    def __len__(self) -> int:
        """How many."""

    @abstractmethod
    def take(self, indices: Tensor | slice) -> Self:
        """Those with these indices (n,)."""

    @abstractmethod
    def to(self, device: torch.device) -> Self:
        """The same on the device."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where they are."""

    @property
    @abstractmethod
    def part(self) -> int:
        """How many of them go through a model at a time where no gradient is wanted, at least 1."""
