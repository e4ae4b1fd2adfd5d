"""Digits with a white patch, and ways to tune a classifier of them beside feedback."""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning.baselines import (
    adversarial_training,
    input_gradient,
    rrr,
)
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.settings import BaselineSettings, FinetuneSettings
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split

TASK = load_task("digits-decoy")
QUICK = FinetuneSettings(steps=40, explain_batch_size=6, n_samples=24)
SHORT = replace(QUICK, steps=3)
LIME = LimeSettings(n_samples=100)
DEFAULT = BaselineSettings()
assert TASK.train.relevance is not None
assert TASK.train_without_shortcut is not None
assert TASK.validation_without_shortcut is not None
IRRELEVANT = ~TASK.train.relevance
SOUND = replace(TASK, train=TASK.train_without_shortcut, validation=TASK.validation_without_shortcut)
"""The same images without the shortcut."""
SEEN = TASK.validation.take(slice(0, 100))
"""Images that no step is made on; they carry the shortcut as the training images do."""
PLAIN = SOUND.validation.take(slice(0, 60))


def cross_entropy(classifier: Classifier, settings: FinetuneSettings = QUICK, **named: Any) -> Classifier:
    return finetune(classifier, TASK.train, None, lime=LIME, settings=settings, **named).classifier


def by_rrr(classifier: Classifier, settings: FinetuneSettings = QUICK, **named: Any) -> Classifier:
    """By `rrr`, with the strength of the settings unless another is named."""
    options = {"irrelevant": IRRELEVANT, "strength": DEFAULT.rrr_strength, "seed": 0} | named
    return rrr(classifier, TASK.train, settings=settings, **options).classifier


def by_input_gradient(classifier: Classifier, settings: FinetuneSettings = QUICK, **named: Any) -> Classifier:
    options = {"strength": DEFAULT.input_gradient_strength, "seed": 0} | named
    return input_gradient(classifier, TASK.train, settings=settings, **options).classifier


def by_adversarial_training(classifier: Classifier, settings: FinetuneSettings = QUICK, **named: Any) -> Classifier:
    options = {"epsilon": 0.1, "seed": 0} | named
    return adversarial_training(classifier, TASK.train, settings=attacked(settings), **options).classifier


def attacked(settings: FinetuneSettings, epsilon: float = 0.0) -> FinetuneSettings:
    return replace(settings, adversarial_epsilon=epsilon, adversarial_steps=5, adversarial_relative_step=0.3)


def log_probability_gradients(classifier: Classifier, images: Tensor) -> Tensor:
    """(B, C, H, W): the gradient of every class's log-probability, one class after the other, added up."""
    total = torch.zeros_like(images)
    for label in range(10):
        own = images.clone().requires_grad_()
        classifier(own).log_softmax(1)[:, label].sum().backward(inputs=[own])
        assert own.grad is not None
        total += own.grad
    return total


def cross_entropy_gradients(classifier: Classifier, images: Tensor, labels: Tensor) -> Tensor:
    """(B, C, H, W), one image after the other."""
    rows = []
    for image, label in zip(images, labels, strict=True):
        own = image[None].clone().requires_grad_()
        F.cross_entropy(classifier(own), label[None]).backward(inputs=[own])
        rows.append(own.grad)
    return torch.cat(rows)


def accuracy(classifier: Classifier, split: Split = SEEN) -> float:
    with torch.no_grad():
        return (classifier(split.images).argmax(1) == split.labels).float().mean().item()


def same(one: Classifier, other: Classifier) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(mine, yours) for mine, yours in pairs)
