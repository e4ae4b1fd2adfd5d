"""The memory that explaining photographs takes, and fitting a reward to 1,000 of them; each in a process of its own.

python -m experiments.explanation_cost.memory forward 1000
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

from experiments.explanation_cost.arms import explained_photographs, photograph
from explainfb.explanations.explainer import explain
from explainfb.explanations.lime import differentiable_weights
from explainfb.explanations.settings import PAPER
from explainfb.explanations.superpixels import batch_superpixels
from explainfb.rewards.fitting import fit_ensemble
from explainfb.rewards.settings import RewardSettings

KINDS = ("nothing", "forward", "gradient", "images", "reward")
"""The network and a photograph alone, explained, with the gradient; 1,000 photographs alone, with a reward fitted."""
EXPLAINED, STEPS = 1000, 20
"""Photographs that a reward is fitted to, and steps of it: later ones take what the first ones took."""


def megabytes(kind: str, n_samples: int) -> int:
    """The most that a process took that explains one photograph, with everything that it imports."""
    command = [sys.executable, "-m", "experiments.explanation_cost.memory", kind, str(n_samples)]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return int(ran.stdout.split()[-1])


def main(kind: str, n_samples: int) -> None:
    torch.set_num_threads(1)
    if kind in ("images", "reward"):
        explained, answers = explained_photographs(EXPLAINED, side=224, answers=10_000)
        if kind == "reward":
            fit_ensemble(explained, answers, settings=RewardSettings(members=1, steps=STEPS), seed=0)
    else:
        explain_one(kind, n_samples)
    print(high_water())


def explain_one(kind: str, n_samples: int) -> None:
    classifier, image = photograph()
    settings = replace(PAPER, n_samples=n_samples)
    if kind == "forward":
        explain(classifier, image[None], settings=settings)
    if kind == "gradient":
        segments = batch_superpixels(image[None], settings.superpixels, settings.n_segments)
        weights = differentiable_weights(
            classifier,
            image[None],
            segments,
            torch.tensor([0]),
            settings=settings,
            background=None,
            generator=torch.Generator().manual_seed(0),
        )
        weights.sum().backward()


def high_water() -> int:
    """The most megabytes that this program held at once.

    Not `ru_maxrss`, which a child takes over from the process that started it.
    """
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return int(status["VmHWM"].split()[0]) // 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
