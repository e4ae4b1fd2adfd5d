"""What a step of fine-tuning lowers, as a sum of terms: feedback and every baseline are made of these.

    loss(θ) = cross-entropy(x', y) + Σ_i γ_i · penalty_i(x', y) − λ · R(θ)

x' are images as drawn, as counterexamples or as attacked (`Batches`, `Counterexamples`, `AdversarialExamples`); the
penalties (`irrelevant_gradient`, `loss_gradient`) are on the same x' and the same pass through the network. R is the
reward of explanations (`ExplanationReward`), on images of its own. Each term is a mean over images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.finetuning.batches import Batch, Batches
from explainfb.finetuning.explanation_reward import ExplanationReward

Term = Callable[[Batch, Tensor], Tensor]
"""(batch, logits (B, classes) of its images) → a scalar that can be differentiated in the classifier's weights."""


def cross_entropy(batch: Batch, logits: Tensor) -> Tensor:
    """−mean_n log p(y_n | x'_n)."""
    return F.cross_entropy(logits, batch.labels)


@dataclass(frozen=True)
class Penalty:
    """γ · penalty(x', y).

    >>> from explainfb import Penalty
    >>> large_logits = Penalty(lambda batch, logits: logits.square().mean(), weight=0.01)
    >>> large_logits.weight
    0.01
    """

    term: Term
    weight: float
    """γ."""


@dataclass(frozen=True, eq=False)
class Objective:
    """cross-entropy + Σ_i γ_i · penalty_i − λ · R, with as many terms as are given.

    >>> from explainfb import FinetuneSettings, Objective, Penalty, TrainingSettings, load_task, train, training_batches
    >>> from explainfb.finetuning.penalties import loss_gradient
    >>> task = load_task("digits")
    >>> classifier = train(task, settings=TrainingSettings(steps=10)).train()
    >>> batches = training_batches(task.train, FinetuneSettings(), seed=0)
    >>> objective = Objective(batches, penalties=(Penalty(loss_gradient, weight=0.1),))
    >>> cross_entropy, gain = objective.add_gradient(classifier)
    >>> bool(cross_entropy > 0), bool(gain < 0)  # the penalty counts against the gain
    (True, True)
    """

    batches: Batches
    penalties: tuple[Penalty, ...] = ()
    reward: ExplanationReward | None = None
    fit: Term = cross_entropy
    """How well the labels are predicted."""

    def add_gradient(self, classifier: Classifier) -> tuple[Tensor, Tensor]:
        """Draw a batch, and add ∂loss/∂θ on it to the gradient of a classifier in training mode.

        Returns two scalars: the cross-entropy, and the reward less the penalties, each without its weight.
        """
        batch = self.batches.draw(classifier)
        batch.images.requires_grad_(bool(self.penalties))
        logits = classifier(batch.images)
        loss = fit = self.fit(batch, logits)
        gain = fit.new_zeros(())
        for penalty in self.penalties:
            value = penalty.term(batch, logits)
            loss, gain = loss + penalty.weight * value, gain - value.detach()
        # without `inputs` the images, which need a gradient for the penalties, would get one as well
        loss.backward(inputs=[parameter for parameter in classifier.parameters() if parameter.requires_grad])
        rewards = self.reward.add_gradient(classifier) if self.reward is not None else []
        return fit.detach(), sum(rewards, start=gain)
