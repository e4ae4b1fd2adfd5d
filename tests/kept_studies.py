"""Studies of earlier versions, as those wrote them, and the network that they have: small, with logits that compress.

Each was made by its version's own code from its tiny study with 1 round of 8 comparisons, the control cross_entropy,
this network under the name `coarse`, and 4 images attacked and explained; curves and the page were left out.
"""

import tarfile
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from explainfb.classifiers.networks import Architecture


class Coarse(nn.Module):
    """A linear layer on the grey means of 7×7 places; logits in steps of one half."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(49, classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.linear(F.avg_pool2d(images.mean(1, keepdim=True), 4).flatten(1))
        return logits + ((2 * logits).round() / 2 - logits).detach()


def coarse(architecture: Architecture) -> nn.Module:
    return Coarse(architecture.classes)


KEPT = sorted((Path(__file__).parent / "studies").glob("*.tar.xz"))
"""By the day of the version."""


def unpacked(archive: Path, folder: Path) -> Path:
    safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Python has it from 3.11.4 on
    with tarfile.open(archive) as packed:
        packed.extractall(folder, **safely)  # type: ignore[arg-type]
    return folder
