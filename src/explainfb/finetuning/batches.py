"""The images of a step of fine-tuning: drawn from the split, then augmented, before the classifier learns from them."""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.training import train_mode
from explainfb.core.seeding import torch_generator
from explainfb.finetuning.optimisation import batch_draws
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.robustness.pgd import attack_batch
from explainfb.tasks.task import Split


@dataclass(frozen=True, eq=False)
class Batch:
    """The images of one step, on the classifier's device."""

    images: Tensor
    """(B, C, H, W) in [0, 1]: x', as the classifier learns from them."""
    labels: Tensor
    """(B,) classes."""
    index: Tensor
    """(B,) which images of the split they were, on the CPU."""
    irrelevant: Tensor | None = None
    """(B, H, W) bool: A, the pixels that the output should not depend on; None where nothing says which."""

    def __len__(self) -> int:
        return len(self.images)


class Augmentation(Protocol):
    """A change of the images, x → x', or of what is known of them; labels stay."""

    def __call__(self, classifier: Classifier, batch: Batch) -> Batch:
        """The changed batch, for a classifier in training mode."""


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches of `size` images of a split, drawn with replacement, each through every augmentation in turn."""

    split: Split
    size: int
    generator: torch.Generator
    augmentations: tuple[Augmentation, ...] = ()

    def draw(self, classifier: Classifier) -> Batch:
        """The next batch, for a classifier in training mode."""
        index = self.indices()
        images, labels = self.split.images[index], self.split.labels[index]
        batch = Batch(images.to(classifier.device), labels.to(classifier.device), index)
        for augmentation in self.augmentations:
            batch = augmentation(classifier, batch)
        return batch

    def indices(self) -> Tensor:
        """(size,) which images come next."""
        # no augmentation draws from this generator, so that every method sees the same images
        return torch.randint(len(self.split), (self.size,), generator=self.generator)


def training_batches(split: Split, settings: FinetuneSettings, seed: int, *augmentations: Augmentation) -> Batches:
    """The same draws of images for every method; attacked last, where `settings.adversarial_epsilon` > 0.

    >>> from explainfb import FinetuneSettings, TrainingSettings, load_task, train, training_batches
    >>> task = load_task("digits")
    >>> classifier = train(task, settings=TrainingSettings(steps=10))
    >>> batch = training_batches(task.train, FinetuneSettings(batch_size=16), seed=0).draw(classifier)
    >>> batch.images.shape, batch.labels.shape
    (torch.Size([16, 1, 28, 28]), torch.Size([16]))
    """
    if settings.adversarial_epsilon > 0:
        # last, because what the classifier learns from is to be the worst within epsilon, counterexample or not
        starts = torch_generator(seed, "adversarial training", "starts")
        augmentations = (*augmentations, AdversarialExamples(settings, starts))
    return Batches(split, settings.batch_size, batch_draws(seed), augmentations)


@dataclass(frozen=True, eq=False)
class AnnotatedMasks:
    """Marks as irrelevant what the masks (N, H, W) bool mark, one mask for every image of the split."""

    masks: Tensor

    def __call__(self, classifier: Classifier, batch: Batch) -> Batch:
        return replace(batch, irrelevant=self.masks[batch.index])


@dataclass(frozen=True, eq=False)
class Cutout:
    """x' = images with a black square around a random pixel, cut off at the border (DeVries & Taylor 2017)."""

    size: float
    """Its side as a share of the image's, in (0, 1]."""
    generator: torch.Generator
    """Where the middles of the squares are drawn from."""

    def __call__(self, classifier: Classifier, batch: Batch) -> Batch:
        rows, columns = (self._covered(len(batch), length) for length in batch.images.shape[2:])
        inside = (rows[:, :, None] & columns[:, None]).to(batch.images.device)  # (B, H, W)
        return replace(batch, images=batch.images.masked_fill(inside[:, None], 0.0))

    def _covered(self, count: int, length: int) -> Tensor:
        """(count, length) bool: the rows, or the columns, that the square of each image covers."""
        side = max(1, round(self.size * length))
        first = torch.randint(length, (count, 1), generator=self.generator) - side // 2
        place = torch.arange(length)
        return (first <= place) & (place < first + side)


@dataclass(frozen=True, eq=False)
class AdversarialExamples:
    """x' = the images that PGD finds within ε in L∞ of each image x, up the cross-entropy (Madry et al. 2018).

    The attack is on the classifier in evaluation mode, as it will be used: its running statistics do not move.
    """

    settings: FinetuneSettings
    """ε, the number of steps and their size: `adversarial_epsilon`, `adversarial_steps`, `adversarial_relative_step`.
    """
    generator: torch.Generator
    """Where each attack's start is drawn from."""

    def __call__(self, classifier: Classifier, batch: Batch) -> Batch:
        classifier.eval()
        attacked = attack_batch(
            classifier,
            batch.images,
            batch.labels,
            epsilon=self.settings.adversarial_epsilon,
            steps=self.settings.adversarial_steps,
            relative_step=self.settings.adversarial_relative_step,
            generator=self.generator,
        )
        train_mode(classifier)
        return replace(batch, images=attacked)
