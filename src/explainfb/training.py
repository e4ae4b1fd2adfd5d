"""Training a classifier on a task, watched on validation images."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.classifiers import Architecture, Classifier, build
from explainfb.seeds import derive, torch_generator
from explainfb.tasks import Split, Task


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a classifier is trained."""

    classifier: str = "lenet"
    """`lenet`, `mlp` or a torchvision classifier."""
    steps: int = 1000
    """Gradient steps at most."""
    batch: int = 64
    learning_rate: float = 1e-3
    """Of Adam (Kingma & Ba 2015)."""
    check_every: int = 50
    """Steps between two looks at the validation images."""
    patience: int = 6
    """Looks without a lower validation loss after which training stops."""


@dataclass(frozen=True)
class TrainingPoint:
    """One look at the validation images."""

    step: int
    train_loss: float
    """Mean over the steps since the last look."""
    validation_loss: float
    validation_accuracy: float


def architecture_for(task: Task, name: str) -> Architecture:
    """The architecture `name` for images and classes of this task, normalised by its training images."""
    channels, height, width = task.image_shape
    pixels = task.train.images
    return Architecture(
        name=name,
        classes=len(task.class_names),
        channels=channels,
        height=height,
        width=width,
        mean=tuple(float(value) for value in pixels.mean((0, 2, 3))),
        std=tuple(max(float(value), 1e-3) for value in pixels.std((0, 2, 3))),
    )


def train(
    task: Task,
    *,
    settings: TrainingSettings = TrainingSettings(),
    seed: int = 0,
    device: str | torch.device = "cpu",
    on_look: Callable[[TrainingPoint], None] | None = None,
) -> Classifier:
    """A classifier trained on the task's training images, as it was when its validation loss was lowest."""
    classifier = build(architecture_for(task, settings.classifier), seed).to(device)
    return fit(classifier, task.train, task.validation, settings=settings, seed=seed, on_look=on_look)


def fit(
    classifier: Classifier,
    train_split: Split,
    validation: Split,
    *,
    settings: TrainingSettings,
    seed: int,
    on_look: Callable[[TrainingPoint], None] | None = None,
) -> Classifier:
    """Train `classifier` in place on its parameters that require a gradient; returns it in evaluation mode."""
    parameters = [parameter for parameter in classifier.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate)
    generator = torch_generator(seed, "train", "batches")
    best_loss, best_state, looks_since = math.inf, copy.deepcopy(classifier.state_dict()), 0
    losses: list[float] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "train", "dropout"))
        for step in range(1, settings.steps + 1):
            losses.append(_step(classifier, train_split, settings.batch, optimiser, generator))
            if step % settings.check_every and step < settings.steps:
                continue
            loss, accuracy = validate(classifier, validation)
            if on_look is not None:
                on_look(TrainingPoint(step, sum(losses) / len(losses), loss, accuracy))
            losses.clear()
            looks_since += 1
            if loss < best_loss:
                best_loss, best_state, looks_since = loss, copy.deepcopy(classifier.state_dict()), 0
            if looks_since >= settings.patience:
                break
    classifier.load_state_dict(best_state)
    return classifier.eval()


def _step(
    classifier: Classifier, split: Split, batch: int, optimiser: torch.optim.Optimizer, generator: torch.Generator
) -> float:
    classifier.train()
    images, labels = draw_batch(split, batch, generator, classifier.device)
    loss = F.cross_entropy(classifier(images), labels)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return loss.item()


def draw_batch(split: Split, size: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
    """`size` images drawn with replacement, and their labels, on `device`."""
    chosen = torch.randint(len(split), (size,), generator=generator)
    return split.images[chosen].to(device), split.labels[chosen].to(device)


@torch.no_grad()
def validate(classifier: Classifier, split: Split) -> tuple[float, float]:
    """Cross-entropy and accuracy in evaluation mode."""
    logits = predict_logits(classifier, split.images)
    return F.cross_entropy(logits, split.labels).item(), (logits.argmax(1) == split.labels).float().mean().item()


@torch.no_grad()
def predict_logits(classifier: Classifier, images: Tensor, *, batch: int = 512) -> Tensor:
    """(N, classes) logits on the CPU, in evaluation mode, `batch` images at a time."""
    classifier.eval()
    return torch.cat([classifier(part.to(classifier.device)).cpu() for part in images.split(batch)])
