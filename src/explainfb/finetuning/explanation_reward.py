"""The reward of a classifier's own explanations, and its gradient through LIME.

    R(θ) = mean_k r(x_k, β_θ(x_k))

β_θ(x) are the weights of LIME's linear model (Ribeiro et al. 2016). In closed form they are differentiable in the
classifier's weights θ, and so is R where r is differentiable in β.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.passes import CHUNK_IMAGES
from explainfb.classifiers.training import train_mode
from explainfb.explanations.lime import differentiable_weights
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.superpixels import batch_superpixels
from explainfb.rewards.models import ExplainedImages
from explainfb.tasks.task import Split

Reward = Callable[[ExplainedImages], Tensor]
"""Explained images → (B,) rewards, differentiable in their weights."""


@dataclass(frozen=True, eq=False)
class ExplanationReward:
    """λ · R(θ), on images of its own: `count` of the split a step, drawn with replacement."""

    reward: Reward
    weight: float
    """λ."""
    split: Split
    lime: LimeSettings
    """With the backend `closed_form`."""
    count: int
    generator: torch.Generator
    """Where images, masks and what hidden superpixels show are drawn from."""

    def add_gradient(self, classifier: Classifier) -> list[Tensor]:
        """Add −λ · ∂R/∂θ to the gradient of a classifier in training mode; returns R in parts, to be summed.

        The classifier is explained in evaluation mode, as it will be later: dropout is off, and running statistics do
        not learn from masked images.
        """
        classifier.eval()
        parts = [self._add_part(classifier, index) for index in self._groups(classifier.comfortable_batch)]
        train_mode(classifier)
        return parts

    def _add_part(self, classifier: Classifier, index: Tensor) -> Tensor:
        rewards = self.reward(explain_batch(classifier, self.split, index, self.lime, self.generator))  # (B,)
        part = rewards.sum() / self.count  # a mean over the step's images, whatever the size of this group
        (-self.weight * part).backward()  # at once, so that only one group's graph is in memory
        return part.detach()

    def _groups(self, comfortable: int) -> Iterator[Tensor]:
        """Indices of the images to explain, in groups whose perturbed images stay in the processor's cache."""
        index = torch.randint(len(self.split), (self.count,), generator=self.generator)
        yield from index.split(max(1, min(CHUNK_IMAGES, comfortable) // self.lime.first_samples))


def explain_batch(
    classifier: Classifier, split: Split, index: Tensor, lime: LimeSettings, generator: torch.Generator
) -> ExplainedImages:
    """Images `index` (B,) of `split` with the explanations of their labels, differentiable in the classifier."""
    images, labels = split.images[index].to(classifier.device), split.labels[index].to(classifier.device)
    segments = batch_superpixels(split.images[index], lime.superpixels, lime.n_segments).to(classifier.device)
    weights = differentiable_weights(
        classifier, images, segments, labels, settings=lime, background=split.images, generator=generator
    )
    return ExplainedImages(images, segments, weights, index)
