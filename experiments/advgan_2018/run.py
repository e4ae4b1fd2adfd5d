"""AdvGAN (Xiao et al. 2018) against an undefended LeNet on MNIST, and against a pretrained network on photographs.

    python -m experiments.advgan_2018.run --data-dir DATA
    python -m experiments.advgan_2018.run --folder PICTURES --seeds 1 --batch-size 16

A generator learns on training images against one classifier, and changes test images in one pass. Beside it stand PGD
and the fast gradient sign method, which are given gradients when they attack, and noise as large, which knows nothing.
A folder of pictures is attacked at 8/255, EfficientNet-Lite0 with its published weights and a head of its own.

Every seed is written to --out as it comes, and a generator every 250 steps, so that a run that was stopped goes on.
"""

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import foolbox
import torch
import tyro
from torch import Tensor

from experiments.advgan_2018.page import page_of
from experiments.explanation_precision.cases import photograph_classifier
from experiments.kept import Line, lines
from experiments.page import write_json, write_page
from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.training import predict_logits, train
from explainfb.core.environment import describe_environment
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.robustness.attacked_model import attacked
from explainfb.robustness.learned.adversary import aggrieve
from explainfb.robustness.learned.settings import AdvGANSettings, Knows
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split, Task

WAYS: dict[str, Knows] = {"AdvGAN, semi-white-box": "gradients", "AdvGAN, black box": "answers"}
PARTS = 100
"""Images that are attacked at a time."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is attacked, and how long its attackers learn."""

    data_dir: Path | None = None
    """Where MNIST lies in torchvision's layout; without it, it is downloaded to data/."""
    out: Path = Path("studies/advgan_2018")
    folder: Path | None = None
    """A folder of pictures to attack in place of MNIST."""
    side: int = 64
    """Of pictures, in pixels."""
    train_images: int = 10_000
    images: int = 1000
    """Test images that are attacked, of those that are classified rightly."""
    steps: int = 250
    """Of the generator, a sixth of what `aggrieve` takes by default."""
    batch_size: int = 64
    seeds: int = 3

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise InputError(f"At least one seed is needed; found {self.seeds}.")

    @property
    def name(self) -> str:
        return "MNIST" if self.folder is None else "photographs"

    @property
    def told(self) -> dict[str, object]:
        """What makes another experiment."""
        return {key: value for key, value in asdict(self).items() if key not in ("data_dir", "out", "folder", "seeds")}


def main(settings: Settings) -> None:
    torch.set_num_threads(1)
    keys = [f"{settings.name} | {seed}" for seed in range(settings.seeds)]
    found = list(lines(settings.out / f"{settings.name}.jsonl", settings.told, keys, partial(attack, settings)))
    path = settings.out / "results.json"
    results: dict[str, Any] = (
        json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"format": 1, "attacked": {}}
    )
    results["environment"] = describe_environment()
    results["attacked"][settings.name] = {"settings": settings.told, "lines": found}
    write_json(results, path)
    write_page(page_of(path), settings.out)


def attack(settings: Settings, key: str) -> Line:
    """What every attack of one classifier comes to, in shares of the images that it gets right."""
    seed = int(key.split(" | ")[1])
    task, classifier = attacked_of(settings, seed)
    epsilon = 0.3 if settings.folder is None else 8 / 255
    known = predict_logits(classifier, task.clean.images).argmax(1) == task.clean.labels
    chosen = task.clean.take(known.nonzero()[: settings.images, 0])
    found: Line = {
        "accuracy": round(float(known.float().mean()), 4),
        "images": len(chosen),
        "epsilon": epsilon,
        "success": {},
    }
    for way, knows in WAYS.items():
        adversary = aggrieve(
            classifier,
            task,
            epsilon=epsilon,
            settings=AdvGANSettings(knows=knows, steps=settings.steps, batch_size=settings.batch_size),
            seed=seed,
            file=settings.out / f"{settings.name}-{knows}-{seed}.pt",
        )
        interval = adversary.success(classifier, chosen.images, chosen.labels)
        found["success"][way] = interval.estimate
        print(key, way, interval, flush=True)
    return found | {"success": found["success"] | others(classifier, chosen, epsilon, seed)}


def attacked_of(settings: Settings, seed: int) -> tuple[Task, Classifier]:
    """The task and the classifier of one seed."""
    if settings.folder is not None:
        task = load_task(f"folder:{settings.folder}", image_size=settings.side)
        return task, photograph_classifier(task)
    task = load_task("mnist", data_dir=settings.data_dir, train_images=settings.train_images)
    return task, train(task, seed=seed)


def others(classifier: Classifier, split: Split, epsilon: float, seed: int) -> dict[str, float]:
    """The share of the images that other attacks of the same size turn."""
    signs = torch.randint(2, split.images.shape, generator=torch_generator(seed, "noise")) * 2 - 1
    noisy = (split.images + epsilon * signs).clamp(0, 1)
    with attacked(classifier) as target:
        model = foolbox.PyTorchModel(target, bounds=(0, 1))

        def turned(images: Tensor) -> float:
            pairs = zip(images.split(PARTS), split.labels.split(PARTS), strict=True)
            return round(float(torch.cat([target.wrong(part, labels) for part, labels in pairs]).float().mean()), 4)

        def by(found: foolbox.attacks.base.Attack) -> float:
            pairs = zip(split.images.split(PARTS), split.labels.split(PARTS), strict=True)
            return turned(torch.cat([found(model, part, labels, epsilons=epsilon)[1] for part, labels in pairs]))

        return {
            "PGD, 40 steps": by(foolbox.attacks.LinfPGD(steps=40)),
            "one step of the gradient's sign": by(foolbox.attacks.LinfFastGradientAttack()),
            "noise of ±ε": turned(noisy),
        }


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
