"""A linear classifier and a training loop as people write them, into which one bug at a time can be put."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import architecture_for, draw_batch
from explainfb.core.seeding import torch_generator, torch_globally
from explainfb.doctor.setup import Loss
from explainfb.tasks.task import Split, Task

Corrupt = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""Images and labels of a batch → what the step is taken on."""


@dataclass(frozen=True, kw_only=True)
class Loop:
    """Stochastic gradient descent with a constant step, written out; each field is a place for a bug."""

    loss: Loss = F.cross_entropy
    batch: Corrupt = lambda images, labels, generator: (images, labels)
    before_step: Callable[[torch.optim.Optimizer], None] = lambda optimiser: None
    zero_gradients: bool = True
    rate: float = 1.0
    """Multiplies the learning rate."""

    def __call__(
        self, classifier: Classifier, train_split: Split, validation: Split, *, settings: TrainingSettings, seed: int
    ) -> Classifier:
        optimiser = torch.optim.SGD(classifier.parameters(), lr=self.rate * settings.learning_rate)
        generator = torch_generator(seed, "linear pipeline", "batches")
        classifier.train()
        for _ in range(settings.steps):
            images, labels = self.batch(
                *draw_batch(train_split, settings.batch_size, generator, classifier.device), generator
            )
            loss = self.loss(classifier(images), labels)
            if self.zero_gradients:
                optimiser.zero_grad()
            loss.backward()
            self.before_step(optimiser)
            optimiser.step()
        return classifier.eval()


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """All that makes a classifier: data, network, loop."""

    task: Task
    loop: Loop = field(default_factory=Loop)
    network: Callable[[int, int], nn.Module] = lambda pixels, classes: nn.Sequential(
        nn.Flatten(), nn.Linear(pixels, classes)
    )
    scale: float = 1.0
    """By what the pixels are multiplied that the network is fed, after mean and deviation were taken out; 0 forgets to
    take them out, and feeds 0 to 255."""

    def build(self, seed: int = 0) -> Classifier:
        """With fresh weights, the same at every call."""
        architecture = architecture_for(self.task, "linear")
        if self.scale == 0:
            architecture = replace(architecture, mean=(0.0,), std=(1 / 255,))
        elif self.scale != 1:
            architecture = replace(architecture, std=tuple(each / self.scale for each in architecture.std))
        channels, height, width = self.task.image_shape
        with torch_globally(seed, "linear pipeline", "weights"):
            return Classifier(architecture, self.network(channels * height * width, len(self.task.class_names)))

    def trained(self, settings: TrainingSettings, seed: int) -> Classifier:
        return self.loop(self.build(seed), self.task.train, self.task.validation, settings=settings, seed=seed)


def shuffled_labels(task: Task, share: float, seed: int) -> Task:
    """Training labels of a share of the images, exchanged among them."""
    generator = torch_generator(seed, "linear pipeline", "shuffled")
    chosen = torch.randperm(len(task.train), generator=generator)[: round(share * len(task.train))]
    labels = task.train.labels.clone()
    labels[chosen] = labels[chosen[torch.randperm(len(chosen), generator=generator)]]
    return replace(task, train=replace(task.train, labels=labels))


def mirrored(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Half of the batch left to right, as for photographs: a 2 becomes no 2."""
    flip = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(flip[:, None, None, None], images.flip(3), images), labels


def mixed_labels(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images in a new order and labels in the old one, of half of the batch."""
    half = len(images) // 2
    order = torch.arange(len(images))
    order[:half] = torch.randperm(half, generator=generator)
    return images[order], labels


def emptied(optimiser: torch.optim.Optimizer) -> None:
    """zero_grad between backward and step."""
    optimiser.zero_grad()


class MixedBatch(nn.Module):
    """view where a transpose was meant: numbers of one image end up in another."""

    def __init__(self, pixels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(pixels, classes)

    def forward(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        logits: Tensor = self.linear(flat.T.reshape(flat.shape))
        return logits


def plants(task: Task, seed: int) -> dict[str, Pipeline]:
    """The sound pipeline first, then each bug alone."""
    overlapping = replace(
        task,
        train=Split(
            *(torch.cat([getattr(each, name) for each in (task.train, task.clean)]) for name in ("images", "labels"))
        ),
    )

    def loop(**bug: object) -> Pipeline:
        return Pipeline(task=task, loop=Loop(**bug))  # type: ignore[arg-type]

    return {
        "none": Pipeline(task=task),
        "training labels shuffled": Pipeline(task=shuffled_labels(task, 1.0, seed)),
        "one training label in ten shuffled": Pipeline(task=shuffled_labels(task, 0.1, seed)),
        "normalisation forgotten": Pipeline(task=task, scale=0),
        "pixels divided by 255 twice": Pipeline(task=task, scale=1 / 255),
        "test images in training": Pipeline(task=overlapping),
        "loss summed, not averaged": loop(loss=partial(F.cross_entropy, reduction="sum")),
        "softmax before the loss": loop(loss=lambda logits, labels: F.cross_entropy(logits.softmax(1), labels)),
        "gradients emptied before the step": loop(before_step=emptied),
        "gradients never emptied": loop(zero_gradients=False),
        "images mirrored at random": loop(batch=mirrored),
        "images and labels out of step": loop(batch=mixed_labels),
        "batch mixed by a view": Pipeline(task=task, network=MixedBatch),
        "learning rate 1,000 times too small": loop(rate=1e-3),
        "learning rate 1,000 times too large": loop(rate=1e3),
    }
