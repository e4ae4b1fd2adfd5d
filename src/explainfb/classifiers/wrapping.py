"""A network of one's own as a classifier: it can be explained, attacked, measured and tuned as any other."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from explainfb.classifiers.classifier import OWN, Classifier
from explainfb.classifiers.networks import Architecture
from explainfb.core.errors import InputError
from explainfb.tasks.task import Task

TRIED = 8
"""Training images that the network is tried on."""


def wrap(
    network: nn.Module, task: Task, *, mean: Sequence[float] = (0.0,), std: Sequence[float] = (1.0,)
) -> Classifier:
    """`network`, which takes images (N, C, H, W) of `task` and returns logits (N, classes), as a classifier.

    It is fed the task's pixels in [0, 1] as they are, or less `mean` and divided by `std`, one value for all channels
    or one each. Whatever else it wants done to its input it must do itself. It is not copied; it stays on its device,
    and comes into evaluation mode. Such a classifier is not kept in a file: `save_classifier` refuses it. Raises
    `InputError` where the network cannot be fed the task's images, or returns no logits of the task's classes.

    >>> from torch import nn
    >>> from explainfb import load_task, wrap
    >>> task = load_task("digits")
    >>> classifier = wrap(nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10)), task)
    >>> classifier(task.clean.images[:5]).shape
    torch.Size([5, 10])
    """
    if isinstance(network, Classifier) or not isinstance(network, nn.Module):
        raise InputError(f"Expected a torch.nn.Module to wrap; found {type(network).__name__}.")
    channels, height, width = task.image_shape
    _check_normalisation(mean, std, channels)
    name, classes = type(network).__name__, len(task.class_names)
    architecture = Architecture(
        OWN + name, classes, channels, height, width, tuple(mean), tuple(std), class_names=task.class_names
    )
    classifier = Classifier(architecture, network).eval()
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    _check_logits(_try(classifier.to(device), task, name), name, task)
    return classifier


def _check_normalisation(mean: Sequence[float], std: Sequence[float], channels: int) -> None:
    for values, kind in ((mean, "mean"), (std, "std")):
        if len(values) not in (1, channels) or not all(math.isfinite(value) for value in values):
            raise InputError(f"{kind} is one number, or one for each of {channels} channels; found {tuple(values)}.")
    if not all(value > 0 for value in std):
        raise InputError(f"std must be greater than 0; found {tuple(std)}.")


def _try(classifier: Classifier, task: Task, name: str) -> Tensor:
    """Its outputs on a few training images."""
    try:
        with torch.no_grad():
            found: Tensor = classifier(task.train.images[:TRIED].to(classifier.device))
            return found
    except (RuntimeError, TypeError, ValueError, LookupError) as error:  # what PyTorch raises where shapes do not fit
        raise InputError(
            f"{name} cannot be fed {task.name}, float32 images (N, {', '.join(map(str, task.image_shape))}): {error}. "
            "Put what it wants done to them, such as a change of size or of colours, into its forward."
        ) from error


def _check_logits(found: object, name: str, task: Task) -> None:
    wanted = (min(TRIED, len(task.train)), len(task.class_names))
    if not isinstance(found, Tensor) or found.shape != wanted:
        seen = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise InputError(
            f"A classifier of {task.name} returns logits of shape {wanted} for {wanted[0]} images; {name} returned "
            f"{seen}."
        )
    if (found >= 0).all() and torch.allclose(found.sum(1), found.new_ones(()), atol=1e-4):
        raise InputError(
            f"{name} returns probabilities, and logits are expected; leave its softmax out, or take the logarithm."
        )
