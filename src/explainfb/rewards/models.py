"""A reward learned from comparisons of explanations (Bradley & Terry 1952; Christiano et al. 2017).

The default model is additive: two maps of the image say how much weight should count at each place, A, and how much it
should be held against the explanation, B, and the reward of superpixels s with weights β is

    r(x, β) = Σ_s β_s · A(x)_s − |β_s| · B(x)_s

so that what it learned can be drawn, and so that it has a gradient with respect to β. Its maps are read from the pixels
around a place, or from what a classifier's convolutions see there (`ClassifierFeatures`).
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainfb.core.errors import InputError
from explainfb.explanations.superpixels import pool
from explainfb.rewards.compared import Compared
from explainfb.rewards.settings import Kind, Scale

PART_PIXELS, PART_IMAGES = 2**22, 512
"""How much goes through a model at a time where no gradient is wanted: 83 photographs of 224×224."""


@dataclass(frozen=True, eq=False)
class ExplainedImages(Compared):
    """Images with explanations, as a reward model sees them."""

    images: Tensor
    """(B, C, H, W) in [0, 1]."""
    segments: Tensor
    """(B, H, W) labels 0 … d−1."""
    weights: Tensor
    """(B, d) in units of probability; zero for labels that an image does not have."""
    image_index: Tensor
    """(B,) which of the training images; no reward model reads it."""
    features: Tensor | None = None
    """(B, F, h, w) what `ClassifierFeatures` gives for the images; None where the reward reads pixels."""

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Tensor | slice) -> "ExplainedImages":
        return self._each(lambda tensor: tensor[indices])

    @property
    def part(self) -> int:
        """How many of them go through a model at a time where no gradient is wanted."""
        return max(1, min(PART_IMAGES, PART_PIXELS // self.segments[0].numel()))

    def to(self, device: torch.device) -> "ExplainedImages":
        return self._each(lambda tensor: tensor.to(device))

    @property
    def device(self) -> torch.device:
        return self.images.device

    def with_features(self, features: Callable[[Tensor], Tensor]) -> "ExplainedImages":
        """The same with the features of the images, (B, C, H, W) → (B, F, h, w)."""
        parts = [features(images) for images in self.images.split(self.part)]
        return replace(self, features=torch.cat(parts))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "ExplainedImages":
        here = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(self, **{name: change(each) for name, each in here.items() if each is not None})


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


class Standardised(nn.Module):
    """Channels (B, F, h, w) brought to the mean 0 and the standard deviation 1 that they have on average."""

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))

    def measure(self, features: Tensor) -> None:
        """Take mean and standard deviation from these, over images and places."""
        self.mean.copy_(features.mean((0, 2, 3))[:, None, None])
        self.std.copy_(features.std((0, 2, 3))[:, None, None].clamp_min(1e-4))  # a channel may be silent

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.std


class AdditiveReward(nn.Module):
    """The additive model; its maps come from a small network on the image and coordinates, or on a classifier's
    features of each place and coordinates."""

    kind: Kind = "additive"

    def __init__(self, channels: int, scale: Scale, feature_channels: int | None = None) -> None:
        super().__init__()
        self.channels = channels
        self.scale: Scale = scale
        self.feature_channels = feature_channels
        if feature_channels is not None:
            self.standardised = Standardised(feature_channels)
            self.features = nn.Sequential(nn.Conv2d(feature_channels + 2, 32, 1), nn.ReLU(), nn.Conv2d(32, 2, 1))
            return
        self.features = nn.Sequential(
            nn.Conv2d(channels + 2, 8, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 2, 1),
        )

    def maps(self, images: Tensor, features: Tensor | None = None) -> Tensor:
        """(B, 2, H, W): what should count, A, and what should not, B.

        `features` (B, F, h, w) of the images, where they are read. Raises `InputError` where they are not given.
        """
        seen = images
        if self.feature_channels is not None:
            if features is None:
                raise InputError("This reward reads a classifier's features; give those of the images.")
            seen = self.standardised(features)
        # coordinates, because convolutions alone cannot tell the border from the middle
        coarse = self.features(with_coordinates(seen))
        return F.interpolate(coarse, size=images.shape[2:], mode="nearest")

    def forward(self, explained: ExplainedImages) -> Tensor:
        weights = to_scale(explained.weights, self.scale)
        maps = self.maps(explained.images, explained.features)
        wanted, irrelevant = pool(maps, explained.segments, weights.shape[1]).unbind(1)
        return (weights * wanted - weights.abs() * irrelevant).sum(-1)


class FreeReward(nn.Module):
    """A convolutional network on the image, the heat map of its explanation, and coordinates."""

    kind: Kind = "free"
    feature_channels = None

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


def build_reward(
    kind: Kind, channels: int, scale: Scale, feature_channels: int | None = None
) -> AdditiveReward | FreeReward:
    """A reward model with fresh weights from torch's current random state.

    With `feature_channels` an additive one reads so many features of a classifier in place of pixels.
    """
    if kind not in ("additive", "free"):
        raise InputError(f"Unknown reward model {kind!r}; expected 'additive' or 'free'.")
    return AdditiveReward(channels, scale, feature_channels) if kind == "additive" else FreeReward(channels, scale)


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
