"""Checks of what the network learns, and of whether that is worth a network."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from explainfb.doctor.linear import fit_linear
from explainfb.doctor.pictures import draw_linear_weights
from explainfb.doctor.setup import LINEAR_IMAGES, Finding, Setup, drawing_from

BATCH_STEPS = 200
"""Gradient steps at most to learn one batch by heart."""
BLIND_STEPS = 100
"""Gradient steps at most of training without seeing the images."""


@torch.no_grad()
def loss_at_start(setup: Setup) -> Finding:
    """A network that knows nothing gives every class the same probability, so its loss is ln C."""
    classifier, batch = setup.fresh().train(), setup.sample(128)
    expected = math.log(len(setup.task.class_names))
    with drawing_from("start"):
        loss = float(setup.loss(classifier(batch.images.to(classifier.device)), batch.labels.to(classifier.device)))
    return Finding(
        "loss at start",
        abs(loss - expected) <= 0.3 * expected,
        f"ln {len(setup.task.class_names)} = {expected:.3f}, within 30 %",
        f"{loss:.3f} with fresh weights",
        "Look at the last layer's initial weights and biases, at how many classes it has, and whether the loss is a "
        "mean over the batch rather than a sum.",
    )


def one_batch_learned(setup: Setup) -> Finding:
    """A few images can be learned by heart."""
    batch = setup.sample(32)
    steps = min(BATCH_STEPS, setup.settings.steps)
    # patience without end: it is to be learned by heart, as it is, and validation on the same images must not stop it
    settings = replace(setup.settings, steps=steps, batch_size=len(batch), patience=steps, augment="none")
    classifier = setup.train(setup.fresh(), batch, batch, settings=settings, seed=setup.seed)
    with torch.no_grad():
        loss = float(setup.loss(setup.predict(classifier, batch.images), batch.labels))
    return Finding(
        "one batch learned",
        loss < 0.05,
        f"a loss below 0.05 on {len(batch)} images after {steps} steps on them alone",
        f"{loss:.3g}",
        "Look at the learning rate, at whether each image keeps its label, and at what is done to gradients between "
        "loss and step.",
    )


def blind_does_worse(setup: Setup) -> Finding:
    """The same training on black images gives a classifier that is right less often.

    On validation images, or where these are too few or too hard, on training images: what was learned by heart was seen
    too.
    """
    task = setup.task
    black = {
        split: replace(split, images=torch.zeros(()).expand(split.images.shape))
        for split in (task.train, task.validation)
    }
    steps = min(BLIND_STEPS, setup.settings.steps)
    blind = setup.run(setup.fresh(), black[task.train], black[task.validation], steps=steps)
    without, seeing = setup.right(blind, black[task.validation]), setup.right(setup.finished, task.validation)
    # image by image, which takes out how hard each one is
    passed = (
        _difference(seeing, without)[0] > 0
        or _difference(setup.right(setup.finished, task.train), setup.right(blind, black[task.train]))[0] > 0
    )
    return Finding(
        "blind does worse",
        passed or (False if _can_be_told(setup) else None),
        "clearly lower accuracy, by two standard errors, after training on black images",
        f"validation {_percent(without)} on black images, {_percent(seeing)} on the real ones"
        + ("" if passed or _can_be_told(setup) else f"; not judged, because {CANNOT_BE_TOLD}"),
        "The training loop does not learn from the images: look at what it really feeds, and at the learning rate.",
    )


def simple_models_beaten(setup: Setup) -> Finding:
    """The classifier is no worse than a linear model, and better than always saying the commonest class.

    Where a shortcut was planted, the linear model to beat is one that cannot read it.
    """
    task, classes = setup.task, len(setup.task.class_names)
    linear = setup.linear
    with_all = torch.from_numpy(linear.right(task.validation))
    bar, named = with_all, f"linear model {_percent(with_all)}"
    if task.train_without_shortcut is not None and task.validation_without_shortcut is not None:
        without_shortcut = fit_linear(setup.sample(LINEAR_IMAGES, split=task.train_without_shortcut), classes)
        bar = torch.from_numpy(without_shortcut.right(task.validation_without_shortcut))
        named += f" with the shortcut, {_percent(bar)} without it"
    commonest = _commonest(setup)
    right = setup.right(setup.finished, task.validation)
    best = float(with_all.float().mean())
    beaten, better = _difference(right, bar)[1] < 0, _difference(right, commonest)[0] > 0
    unknown = not beaten and not better and not _can_be_told(setup)
    return Finding(
        "simple models beaten",
        None if unknown else better and not beaten,
        "validation accuracy no lower than a linear model's, and higher than the commonest class's, by two std errors",
        f"classifier {_percent(right)}; {named}; commonest class {_percent(commonest)}"
        + (f"; not judged, because {CANNOT_BE_TOLD}" if unknown else ""),
        "Train longer or with another learning rate; a network that a linear model beats is not worth explaining.",
        draw_linear_weights(setup.folder, linear.weights, task.class_names, best) if setup.folder else None,
    )


CANNOT_BE_TOLD = "a linear model is no better than the commonest class on so few or so hard validation images"


def _can_be_told(setup: Setup) -> bool:
    """Whether a linear model tells the validation images' classes, so that a sound network would."""
    return _difference(torch.from_numpy(setup.linear.right(setup.task.validation)), _commonest(setup))[0] > 0


def _commonest(setup: Setup) -> Tensor:
    """(N,) which validation images are of the class that is commonest in training."""
    return setup.task.validation.labels == setup.task.train.labels.mode().values


def _difference(left: Tensor, right: Tensor) -> tuple[float, float]:
    """Two standard errors below and above the difference in accuracy, image by image."""
    difference = left.double() - right.double()
    error = 2 * float(difference.std()) / math.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return float(difference.mean()) - error, float(difference.mean()) + error


def _percent(right: Tensor) -> str:
    return f"{float(right.float().mean()):.1%}"
