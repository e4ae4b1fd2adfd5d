"""The three networks of AdvGAN (Xiao et al. 2018, appendix): generator, discriminator and, for the black box, a model
distilled from the classifier's answers."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (8, 16, 32)
RESIDUALS = 4


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.norms = nn.ModuleList([nn.InstanceNorm2d(width, affine=True) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.norms[0](self.first(x)))
        found: Tensor = x + self.norms[1](self.second(inner))
        return found


class Generator(nn.Module):
    """Images (N, C, H, W) in [0, 1] → changes (N, C, H, W), none of whose pixels exceeds `epsilon`."""

    def __init__(self, channels: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        first, second, third = WIDTHS
        self.down = nn.Sequential(
            *(nn.Conv2d(channels, first, 3, padding=1), nn.InstanceNorm2d(first, affine=True), nn.ReLU()),
            *(nn.Conv2d(first, second, 3, stride=2, padding=1), nn.InstanceNorm2d(second, affine=True), nn.ReLU()),
            *(nn.Conv2d(second, third, 3, stride=2, padding=1), nn.InstanceNorm2d(third, affine=True), nn.ReLU()),
            *(_Residual(third) for _ in range(RESIDUALS)),
        )
        self.up = nn.Sequential(
            *(nn.ConvTranspose2d(third, second, 4, stride=2, padding=1), nn.InstanceNorm2d(second, affine=True)),
            nn.ReLU(),
            *(nn.ConvTranspose2d(second, first, 4, stride=2, padding=1), nn.InstanceNorm2d(first, affine=True)),
            *(nn.ReLU(), nn.Conv2d(first, channels, 3, padding=1)),
        )

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        raw: Tensor = self.up(self.down(2 * images - 1))[:, :, :height, :width]
        return self.epsilon * torch.tanh(raw)


def discriminator(channels: int) -> nn.Module:
    """Images → (N, 1): whether they are untouched. Three convolutions of stride 2."""
    first, second, third = WIDTHS
    return nn.Sequential(
        *(nn.Conv2d(channels, first, 4, stride=2, padding=1), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(first, second, 4, stride=2, padding=1), nn.InstanceNorm2d(second, affine=True), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(second, third, 4, stride=2, padding=1), nn.LeakyReLU(0.2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(third, 1)),
    )


def student(channels: int, height: int, width: int, classes: int) -> nn.Module:
    """What is distilled: two convolutions with pooling and two linear layers, unlike any network that is attacked."""
    return nn.Sequential(
        *(nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d((min(7, height), min(7, width)))),
        *(nn.Flatten(), nn.Linear(64 * min(7, height) * min(7, width), 128), nn.ReLU(), nn.Linear(128, classes)),
    )
