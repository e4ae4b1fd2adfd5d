"""The penalties are those of the papers."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from explainfb.classifiers.classifier import Classifier
from explainfb.core.seeding import torch_generator
from explainfb.finetuning.optimisation import FinetunePoint
from finetuned_digits import (
    IRRELEVANT,
    QUICK,
    SHORT,
    TASK,
    by_input_gradient,
    by_rrr,
    cross_entropy,
    cross_entropy_gradients,
    log_probability_gradients,
)


def test_the_penalties_are_those_of_the_papers(trained: Classifier) -> None:
    """The first step's, against gradients taken one class, or one image, at a time."""
    generator = torch_generator(0, "finetune", "batches")
    chosen = torch.randint(len(TASK.train), (QUICK.batch_size,), generator=generator)
    images, labels = TASK.train.images[chosen], TASK.train.labels[chosen]
    blurred = cross_entropy(trained, SHORT)  # any classifier that is not certain of everything
    wanted = (log_probability_gradients(blurred, images) * IRRELEVANT[chosen, None]).square().flatten(1).sum(1).mean()
    assert first_penalty(by_rrr, blurred) == pytest.approx(wanted.item(), rel=1e-3)
    wanted = cross_entropy_gradients(blurred, images, labels).square().flatten(1).sum(1).mean()
    assert first_penalty(by_input_gradient, blurred) == pytest.approx(wanted.item(), rel=1e-2)


def first_penalty(method: Callable[..., Classifier], classifier: Classifier) -> float:
    points: list[FinetunePoint] = []
    method(classifier, replace(QUICK, steps=1), on_step=points.append)
    return -points[0].reward
