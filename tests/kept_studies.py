"""Studies of earlier versions, as those wrote them, and the network that they have: small, with logits that compress.

    python tests/kept_studies.py 2026-11-30          # wherever a format has changed: keep one of today's as well

Each was made by its version's own code from its tiny study with 1 round of 8 comparisons, the control cross_entropy,
this network under the name `coarse`, and 4 images attacked and explained; curves and the page were left out.
"""

import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from explainfb.classifiers.networks import BUILDERS, Architecture
from explainfb.core.manifest import MANIFEST
from explainfb.study.study import Study
from explainfb.testing.tiny import TINY


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


def unpacked_without_manifest(archive: Path, folder: Path) -> Path:
    """For tests that change files, of which a manifest would tell before their readers do."""
    (unpacked(archive, folder) / MANIFEST).unlink(missing_ok=True)
    return folder


def keep(archive: Path) -> None:
    """Run a study of this version, and pack it."""
    BUILDERS["coarse"] = coarse
    settings = replace(
        TINY,
        rounds=1,
        comparisons_per_round=8,
        controls=("cross_entropy",),
        training=replace(TINY.training, classifier="coarse"),
        evaluation=replace(TINY.evaluation, attack_images=4, explain_images=4),
    )

    def told(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        parts = Path(entry.name).parts
        left_out = {"tensorboard", "report"} & set(parts) or entry.name.endswith(".lock")
        entry.uname = entry.gname = "root"
        return None if left_out else entry

    with tempfile.TemporaryDirectory() as folder:
        Study.open(Path(folder) / "study", settings).run()
        with tarfile.open(archive, "w:xz") as packed:
            packed.add(Path(folder) / "study", ".", filter=told)


if __name__ == "__main__":
    keep(Path(__file__).parent / "studies" / f"{sys.argv[1]}.tar.xz")
