"""A trained adversary: adversarial images in one pass, by itself or as one of Foolbox's attacks."""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, check_classifier
from explainfb.core.errors import InputError
from explainfb.core.types import Interval, ThreatModel
from explainfb.robustness.attacked_model import attacked, verified
from explainfb.robustness.learned.networks import Generator
from explainfb.robustness.learned.settings import AdvGANSettings
from explainfb.robustness.learned.training import train_generator
from explainfb.statistics.intervals import accuracy_interval
from explainfb.tasks.task import Task

with warnings.catch_warnings():
    # Foolbox 3.3.4 imports a module of SciPy that is about to go
    warnings.filterwarnings("ignore", message=".*scipy.ndimage.filters", category=DeprecationWarning)
    import foolbox

PHOTOGRAPH, LARGE, SMALL = 64, 8 / 255, 0.3
"""From so many pixels a side on, ε is that of photographs, below it that of digits."""
BATCH = 64
ADVGAN = AdvGANSettings()


@dataclass(frozen=True, eq=False)
class Adversary:
    """What `aggrieve` returns: a generator that was trained against one classifier.

    >>> from explainfb import AdvGANSettings, Adversary, TrainingSettings, aggrieve, load_task, train
    >>> task = load_task("digits")
    >>> found = aggrieve(train(task, settings=TrainingSettings(steps=20)), task, settings=AdvGANSettings(steps=2))
    >>> isinstance(found, Adversary), found.threat_model
    (True, ThreatModel(norm='linf', epsilon=0.3))
    """

    generator: Generator
    threat_model: ThreatModel

    @torch.no_grad()
    def perturb(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] within ε of the given ones."""
        device = next(self.generator.parameters()).device
        moved = [(part + self.generator(part.to(device)).to(part)).clamp(0, 1) for part in images.split(BATCH)]
        return torch.cat(moved) if moved else images

    def success(self, classifier: Classifier, images: Tensor, labels: Tensor, *, seed: int = 0) -> Interval:
        """Of the images (N, C, H, W) that `classifier` gets right, the share that it gets wrong once they are changed,
        with its 95 % interval. Raises `InputError` where it gets none right."""
        check_classifier(classifier)
        epsilon = self.threat_model.epsilon
        with attacked(classifier) as target:
            right = torch.cat(
                [~target.wrong(i, j) for i, j in zip(images.split(BATCH), labels.split(BATCH), strict=True)]
            )
            if not bool(right.any()):
                raise InputError("The classifier gets none of these images right, so none can be attacked.")
            images, labels = images[right.cpu()], labels[right.cpu()]
            broken = [
                torch.from_numpy(verified(target, part, self.perturb(part), truth, "linf", epsilon))
                for part, truth in zip(images.split(BATCH), labels.split(BATCH), strict=True)
            ]
        return accuracy_interval(torch.cat(broken).double().numpy(), seed=seed)

    @property
    def attack(self) -> "GeneratorAttack":
        """The same as an attack of Foolbox's."""
        return GeneratorAttack(self)


class GeneratorAttack(foolbox.attacks.base.FixedEpsilonAttack):  # type: ignore[misc]
    """An adversary as Foolbox calls it: `attack(model, images, labels, epsilons=ε)`; its ε must be the trained one."""

    distance = foolbox.distances.linf

    def __init__(self, adversary: Adversary) -> None:
        self.adversary = adversary

    def run(self, model: Any, inputs: Tensor, criterion: Any, *, epsilon: float, **_: Any) -> Tensor:
        known = self.adversary.threat_model.epsilon
        if epsilon < known:
            raise InputError(f"This adversary was trained for ε = {known:g}, which is more than {epsilon:g}.")
        raw: Tensor = getattr(inputs, "raw", inputs)  # Foolbox hands over a tensor of its own around it
        found = self.adversary.perturb(raw)
        return found if raw is inputs else type(inputs)(found)


def aggrieve(
    classifier: Classifier,
    task: Task,
    *,
    epsilon: float | None = None,
    settings: AdvGANSettings = ADVGAN,
    seed: int = 0,
    file: Path | str | None = None,
    on_step: Callable[[float], None] | None = None,
) -> Adversary:
    """An adversary of `classifier`: AdvGAN (Xiao et al. 2018), trained on the task's training images.

    Its generator changes an image in one pass by at most `epsilon` in L∞, .3 for small images and 8/255 from 64 pixels
    on unless it is given. A discriminator sees to it that images stay like the task's. With `settings.knows="answers"`
    the classifier's gradients are never asked for. With a `file` it is kept there, and a training that was stopped goes
    on. Equal seeds give equal adversaries. `on_step` is called with the share of the work done since the last call.
    Raises `InputError` for ε outside (0, 1], and for a file of another adversary.

    >>> from explainfb import AdvGANSettings, TrainingSettings, aggrieve, load_task, train
    >>> task = load_task("digits")
    >>> classifier = train(task, settings=TrainingSettings(steps=20))
    >>> adversary = aggrieve(classifier, task, epsilon=0.1, settings=AdvGANSettings(steps=2))
    >>> float((adversary.perturb(task.clean.images) - task.clean.images).abs().max()) <= 0.1 + 1e-6
    True
    """
    check_classifier(classifier)
    side = min(task.image_shape[1:])
    epsilon = (LARGE if side >= PHOTOGRAPH else SMALL) if epsilon is None else epsilon
    if not 0 < epsilon <= 1:
        raise InputError(f"epsilon is the largest change of a pixel, in (0, 1]; found {epsilon}.")
    return Adversary(
        learn(
            classifier,
            task.train.images,
            task.train.labels,
            epsilon=epsilon,
            settings=settings,
            seed=seed,
            file=None if file is None else Path(file),
            on_step=on_step,
        ),
        ThreatModel("linf", epsilon),
    )


def learn(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    settings: AdvGANSettings,
    seed: int,
    file: Path | None = None,
    on_step: Callable[[float], None] | None = None,
) -> Generator:
    """The generator alone, trained on these images and labels, on the classifier's device."""
    with attacked(classifier) as target:
        return train_generator(
            target,
            images.to(classifier.device),
            labels.to(classifier.device),
            classes=classifier.architecture.classes,
            epsilon=epsilon,
            settings=settings,
            seed=seed,
            file=file,
            identity="" if file is None else _identity(classifier, epsilon, settings, seed),
            on_step=on_step,
        )


def _identity(classifier: Classifier, epsilon: float, settings: AdvGANSettings, seed: int) -> str:
    """The same for what would be the same adversary, whatever number of steps it has behind it."""
    found = hashlib.sha256(repr((epsilon, seed, {**asdict(settings), "steps": 0, "save_every": 0})).encode())
    for name, tensor in sorted(classifier.state_dict().items()):
        found.update(name.encode() + tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
