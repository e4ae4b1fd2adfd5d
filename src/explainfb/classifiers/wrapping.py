"""A network of one's own as a classifier: it can be explained, attacked, measured and tuned as any other."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from explainfb.classifiers.classifier import OWN, Classifier
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.outputs import are_probabilities
from explainfb.core.errors import InputError
from explainfb.tasks.task import Task

TRIED = 8
"""Training images that the network is tried on."""


def wrap(
    network: nn.Module,
    task: Task,
    *,
    mean: float | Sequence[float] | Tensor = 0.0,
    std: float | Sequence[float] | Tensor = 1.0,
) -> Classifier:
    """`network`, which takes images (N, C, H, W) of `task` and returns logits (N, classes), as a classifier.

    It is fed the task's pixels in [0, 1] as they are, or less `mean` and divided by `std`, one value for all channels
    or one each, in its own floating type. Whatever else it wants done to its input it must do itself. Of a tuple the
    first output counts, of a dictionary or a record what is called `logits`, `out` or `output`; one logit for two
    classes is that of the second. The network is not copied; it stays on its device, and comes into evaluation mode.
    What is frozen in it stays frozen when the classifier is tuned. Such a classifier is not kept in a file:
    `save_classifier` refuses it. Raises `InputError` where the network cannot be fed the task's images, or returns no
    logits of the task's classes, such as probabilities.

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
    mean, std = _as_numbers(mean, "mean"), _as_numbers(std, "std")
    _check_normalisation(mean, std, channels)
    name, classes = type(network).__name__, len(task.class_names)
    architecture = Architecture(OWN + name, classes, channels, height, width, mean, std, class_names=task.class_names)
    classifier = Classifier(architecture, network).eval()
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    check_logits(_try(classifier.to(device), task, name), name, task, min(TRIED, len(task.train)))
    return classifier


def _as_numbers(given: float | Sequence[float] | Tensor, kind: str) -> tuple[float, ...]:
    """Python's numbers from one number, or from several in a list, an array or a tensor of any shape."""
    try:
        return tuple(torch.as_tensor(given, dtype=torch.float64).flatten().tolist())
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{kind} is a number, or one for each channel; found {given!r}.") from error


def _check_normalisation(mean: Sequence[float], std: Sequence[float], channels: int) -> None:
    for values, kind in ((mean, "mean"), (std, "std")):
        if len(values) not in (1, channels) or not all(math.isfinite(value) for value in values):
            raise InputError(f"{kind} is one number, or one for each of {channels} channels; found {tuple(values)}.")
    if not all(value > 0 for value in std):
        raise InputError(f"std must be greater than 0; found {tuple(std)}.")
    if not all(abs(value) <= 1 for value in (*mean, *std)):
        raise InputError(
            f"mean and std are of pixels in [0, 1]; found mean {tuple(mean)} and std {tuple(std)}. If they are of "
            "pixels from 0 to 255, divide them by 255."
        )


def _try(classifier: Classifier, task: Task, name: str) -> Tensor:
    """Its outputs on a few training images, with their gradient."""
    try:
        # a copy that requires a gradient, so that frozen networks say too what their outputs were computed by
        images = task.train.images[:TRIED].to(classifier.device, copy=True).requires_grad_()
        with torch.enable_grad():
            found: Tensor = classifier(images)
            return found
    except Exception as error:  # of any kind: networks of anyone's are tried
        raise InputError(
            f"{name} cannot be fed {task.name}, float32 images (N, {', '.join(map(str, task.image_shape))}): {error}. "
            "Put what it wants done to them, such as a change of size or of colours, into its forward."
        ) from error


def check_logits(found: object, name: str, task: Task, images: int) -> None:
    """Raise `InputError` unless the network called `name` returned logits of the task's classes for so many images."""
    wanted = (images, len(task.class_names))
    if not isinstance(found, Tensor) or found.shape != wanted:
        seen = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise InputError(
            f"A classifier of {task.name} returns logits of shape {wanted} for {wanted[0]} images; {name} returned "
            f"{seen}. Return the logits alone, or first in a tuple, or by the name logits."
        )
    if are_probabilities(found):
        raise InputError(
            f"{name} returns probabilities, and logits are expected; leave its softmax or sigmoid out, or take the "
            "logarithm (of a sigmoid, torch.logit)."
        )
