"""Gradient steps on a copy of a classifier: what every method of fine-tuning has in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, clone, trainable_parameters
from explainfb.classifiers.loading.layers import parameter_groups
from explainfb.classifiers.training import train_mode
from explainfb.core.seeding import torch_generator, torch_globally
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.tasks.task import Split


@dataclass(frozen=True)
class FinetunePoint:
    """One step, for a curve."""

    step: int
    cross_entropy: float
    reward: float
    """The mean reward, less any penalty on the gradient, each without its weight."""


@dataclass(frozen=True)
class Finetuned:
    """The classifier after fine-tuning, and whether it had to stop early."""

    classifier: Classifier
    stopped_at: int | None = None
    """The step, from 1, that it stopped before because its loss or gradient was not finite; None when it went on to
    the end."""


OnStep = Callable[[FinetunePoint], None]
AddGradient = Callable[[Classifier], tuple[Tensor, Tensor]]
"""Adds the gradient of one step's loss to a classifier in training mode; returns the cross-entropy and the reward."""


class Method(Protocol):
    """One round of gradient steps on a copy of a classifier."""

    def __call__(
        self,
        classifier: Classifier,
        split: Split,
        *,
        settings: FinetuneSettings,
        seed: int,
        on_step: OnStep | None = None,
    ) -> Finetuned: ...


def optimise(
    classifier: Classifier,
    add_gradient: AddGradient,
    *,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """A copy of `classifier` after `settings.steps` steps of Adam along the gradients that `add_gradient` adds.

    Parameters that are frozen stay as they are, and so do the running statistics of frozen layers. Stops before a step
    whose loss or gradient is not finite; the classifier is then the last good one. Raises `InputError` where all
    parameters are frozen.

    >>> from explainfb import FinetuneSettings, Objective, TrainingSettings
    >>> from explainfb import load_task, optimise, train, training_batches
    >>> task = load_task("digits")
    >>> classifier = train(task, settings=TrainingSettings(steps=10))
    >>> settings = FinetuneSettings(steps=5)
    >>> objective = Objective(training_batches(task.train, settings, seed=0))  # cross-entropy alone
    >>> optimise(classifier, objective.add_gradient, settings=settings, seed=0).stopped_at is None
    True
    """
    tuned = clone(classifier)
    parameters = trainable_parameters(tuned)
    train_mode(tuned)
    groups = parameter_groups(tuned.network, tuned.architecture.classes, settings.learning_rate, settings.body_rate)
    optimiser = torch.optim.Adam(groups)
    end = 1 / settings.steps if settings.schedule == "linear" else 1.0
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, end, total_iters=settings.steps)
    stopped_at = None
    with torch_globally(seed, "finetune", "dropout", device=tuned.device):  # dropout takes no generator
        for step in range(1, settings.steps + 1):
            optimiser.zero_grad(set_to_none=True)
            # a pass in training mode moves running statistics, also in the step that turns out not to be finite
            running = [buffer.clone() for buffer in tuned.buffers()]
            cross_entropy, gain = add_gradient(tuned)
            norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
            if not (torch.isfinite(cross_entropy - gain) and torch.isfinite(norm)):
                for buffer, before in zip(tuned.buffers(), running, strict=True):
                    buffer.copy_(before)
                stopped_at = step
                break
            optimiser.step()
            schedule.step()
            if on_step is not None:
                on_step(FinetunePoint(step, cross_entropy.item(), gain.item()))
    return Finetuned(tuned.eval(), stopped_at)


def no_update(
    classifier: Classifier,
    split: Split,
    *,
    settings: FinetuneSettings,
    seed: int,
    on_step: OnStep | None = None,
) -> Finetuned:
    """A round that leaves the classifier as it is."""
    return Finetuned(clone(classifier).eval())


def batch_draws(seed: int) -> torch.Generator:
    """Where a round's batches are drawn from: every method that draws them from here sees the same images."""
    return torch_generator(seed, "finetune", "batches")
