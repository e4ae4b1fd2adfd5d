"""The memory that explaining a photograph takes, each in a process of its own.

python -m experiments.explanation_cost.memory forward 1000
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

from experiments.explanation_cost.arms import photograph
from explainfb.explanations.explainer import explain
from explainfb.explanations.lime import differentiable_weights
from explainfb.explanations.settings import PAPER
from explainfb.explanations.superpixels import batch_superpixels

KINDS = ("nothing", "forward", "gradient")


def megabytes(kind: str, n_samples: int) -> int:
    """The most that a process took that explains one photograph, with everything that it imports."""
    command = [sys.executable, "-m", "experiments.explanation_cost.memory", kind, str(n_samples)]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return int(ran.stdout.split()[-1])


def main(kind: str, n_samples: int) -> None:
    torch.set_num_threads(1)
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
    print(high_water())


def high_water() -> int:
    """The most megabytes that this program held at once.

    Not `ru_maxrss`, which a child takes over from the process that started it.
    """
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return int(status["VmHWM"].split()[0]) // 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
