"""How weights on the border and in the middle, margins and slopes move over the rounds of two probes (rounds.txt).

    python experiments/method/rounds.py DATA

after `probe.py` has run `base` and `exchange1-lam0` on MNIST with seeds 0 and 1; DATA is the folder of the data sets.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from probe import HERE, where

from explainfb.classifiers.classifier import Classifier, load_classifier
from explainfb.explanations.lime import explain
from explainfb.explanations.settings import LimeSettings
from explainfb.study.settings import StudySettings
from explainfb.study.study import task_of
from explainfb.tasks.task import Task


def main(data_dir: Path, work: Path = HERE / "work") -> None:
    torch.set_num_threads(1)
    for seed in (0, 1):
        task = task_of(StudySettings(task="mnist-decoy", seed=seed), data_dir)
        for name in ("base", "exchange1-lam0"):
            folder = work / f"{name}-feedback-mnist-decoy-{seed}" / "classifiers"
            for number in range(5):
                show(f"{name} {seed} {number}", load_classifier(folder / f"round-{number}.safetensors"), task)
        show(f"ceiling {seed}", load_classifier(work / "start" / f"mnist-decoy-{seed}-sound.safetensors"), task)


def show(name: str, classifier: Classifier, task: Task) -> None:
    """Mean sums of |β| over 60 training images, 256 masks; the rest on the first 200 shifted images."""
    assert task.shifted is not None
    images, labels = task.train.images[:60], task.train.labels[:60]
    settings = LimeSettings(n_samples=256)
    found = explain(classifier, images, targets=labels, settings=settings, background=task.train.images)
    strength = np.abs([item.weights for item in found]).reshape(-1, 7, 7)
    total, middle = strength.sum((1, 2)), strength[:, 1:-1, 1:-1].sum((1, 2))
    sums = f"border {(total - middle).mean():.2f}, middle {middle.mean():.2f}, share {(middle / total).mean():.2f}"
    print(name, sums, where(classifier, task.shifted.take(slice(200))), sep="; ", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(Path(folder) for folder in sys.argv[2:]))
