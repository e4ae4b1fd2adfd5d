"""A reward learned from comparisons of explanations (Bradley & Terry 1952; Christiano et al. 2017).

The default model is additive: two maps of the image say how much weight should count at each place, A, and how much it
should be held against the explanation, B, and the reward of superpixels s with weights β is

    r(x, β) = Σ_s β_s · A(x)_s − |β_s| · B(x)_s

so that what it learned can be drawn, and so that it has a gradient with respect to β.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainfb.core.errors import InputError
from explainfb.explanations.superpixels import pool
from explainfb.rewards.settings import Kind, Scale

PART_PIXELS, PART_IMAGES = 2**22, 512
"""How much goes through a model at a time where no gradient is wanted: 83 photographs of 224×224."""


@dataclass(frozen=True, eq=False)
class ExplainedImages:
    """Images with explanations, as a reward model sees them."""

    images: Tensor
    """(B, C, H, W) in [0, 1]."""
    segments: Tensor
    """(B, H, W) labels 0 … d−1."""
    weights: Tensor
    """(B, d) in units of probability; zero for labels that an image does not have."""
    image_index: Tensor
    """(B,) which of the training images; no reward model reads it."""

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Tensor | slice) -> "ExplainedImages":
        return ExplainedImages(
            self.images[indices], self.segments[indices], self.weights[indices], self.image_index[indices]
        )

    @property
    def part(self) -> int:
        """How many of them go through a model at a time where no gradient is wanted."""
        return max(1, min(PART_IMAGES, PART_PIXELS // self.segments[0].numel()))

    def to(self, device: torch.device) -> "ExplainedImages":
        return ExplainedImages(
            self.images.to(device), self.segments.to(device), self.weights.to(device), self.image_index.to(device)
        )


def to_scale(weights: Tensor, scale: Scale) -> Tensor:
    """Weights (B, d) as the reward is given them: in units of probability, or as shares with Σ|β| = 1."""
    if scale == "probability":
        return weights
    return weights / weights.abs().sum(-1, keepdim=True).clamp_min(1e-8)


def with_coordinates(images: Tensor) -> Tensor:
    """(B, C + 2, H, W): two channels more that say where a pixel is, from −1 to 1 (Liu et al. 2018)."""
    batch, _, height, width = images.shape
    rows = torch.linspace(-1, 1, height, device=images.device).view(1, 1, -1, 1).expand(batch, 1, height, width)
    columns = torch.linspace(-1, 1, width, device=images.device).view(1, 1, 1, -1).expand(batch, 1, height, width)
    return torch.cat([images, rows, columns], dim=1)


class AdditiveReward(nn.Module):
    """The additive model; its maps come from a small convolutional network on the image and coordinates."""

    kind: Kind = "additive"

    def __init__(self, channels: int, scale: Scale) -> None:
        super().__init__()
        self.channels = channels
        self.scale: Scale = scale
        self.features = nn.Sequential(
            nn.Conv2d(channels + 2, 8, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 2, 1),
        )

    def maps(self, images: Tensor) -> Tensor:
        """(B, 2, H, W): what should count, A, and what should not, B."""
        # coordinates, because convolutions alone cannot tell the border from the middle
        coarse = self.features(with_coordinates(images))
        return F.interpolate(coarse, size=images.shape[2:], mode="nearest")

    def forward(self, explained: ExplainedImages) -> Tensor:
        weights = to_scale(explained.weights, self.scale)
        wanted, irrelevant = pool(self.maps(explained.images), explained.segments, weights.shape[1]).unbind(1)
        return (weights * wanted - weights.abs() * irrelevant).sum(-1)


class FreeReward(nn.Module):
    """A convolutional network on the image, the heat map of its explanation, and coordinates."""

    kind: Kind = "free"

    def __init__(self, channels: int, scale: Scale) -> None:
        super().__init__()
        self.channels = channels
        self.scale: Scale = scale
        self.features = nn.Sequential(
            nn.Conv2d(channels + 4, 16, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Linear(32, 1)

    def forward(self, explained: ExplainedImages) -> Tensor:
        weights = to_scale(explained.weights, self.scale)
        heat = weights.gather(1, explained.segments.flatten(1)).view_as(explained.segments).unsqueeze(1)
        own_count = explained.segments.flatten(1).amax(1) + 1  # superpixels of each image, whatever it is padded to
        heat = heat * own_count.view(-1, 1, 1, 1)  # shares shrink with the number of superpixels
        features = self.features(with_coordinates(torch.cat([explained.images, heat, heat.abs()], dim=1)))
        reward: Tensor = self.head(features.mean((2, 3)))
        return reward.squeeze(-1)


def build_reward(kind: Kind, channels: int, scale: Scale) -> AdditiveReward | FreeReward:
    """A reward model with fresh weights from torch's current random state."""
    if kind not in ("additive", "free"):
        raise InputError(f"Unknown reward model {kind!r}; expected 'additive' or 'free'.")
    return AdditiveReward(channels, scale) if kind == "additive" else FreeReward(channels, scale)


def preference_loss(
    reward_left: Tensor, reward_right: Tensor, share_left: Tensor, noise: float | Tensor = 0.1
) -> Tensor:
    """Cross-entropy of answers (B,), the probability that left is better, under Bradley–Terry.

    A share `noise` of the answers, one number or (B,), is taken to be uniformly random (Christiano et al. 2017, section
    2.2.3); above 1, up to 2, answers say the opposite more often than not. With rewards 1 and 0 and noise 0.1 the left
    is preferred with probability 0.9 · 0.7311 + 0.05 = 0.7080: the answer left (1) loses 0.3454, right (0) 1.2308 and
    equal (½) their mean, 0.7881.
    """
    probability = (1 - noise) * torch.sigmoid(reward_left - reward_right) + noise / 2
    return F.binary_cross_entropy(probability, share_left)
