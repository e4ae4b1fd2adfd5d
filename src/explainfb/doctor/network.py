"""Checks of the network and of the loop around it, before it has learned anything."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from explainfb.classifiers.classifier import Classifier
from explainfb.doctor.setup import Finding, Setup, drawing_from

Forward = Callable[[Tensor], Tensor]
SURE = 30.0
"""A logit that leaves every other class a probability below 1e-12."""


@torch.no_grad()
def finite_outputs(setup: Setup) -> Finding:
    """Each image gets one finite number a class, in either mode."""
    sample, classes, classifier = setup.sample(64), len(setup.task.class_names), setup.subject()
    outputs = [setup.predict(classifier, sample.images), classifier.train()(sample.images.to(classifier.device)).cpu()]
    return Finding(
        "finite outputs",
        all(output.shape == (len(sample), classes) and bool(output.isfinite().all()) for output in outputs),
        f"({len(sample)}, {classes}) finite numbers in evaluation and in training mode",
        "; ".join(f"{tuple(output.shape)}, {float(output.isfinite().float().mean()):.1%} finite" for output in outputs),
        "Look for a division by zero, a log of zero, an input or weight that is NaN, and the size of the last layer.",
    )


@torch.no_grad()
def logits_reach_the_loss(setup: Setup) -> Finding:
    """The outputs are no probabilities, and the loss takes a sure and right answer for one that costs nothing."""
    classes = len(setup.task.class_names)
    outputs = setup.predict(setup.subject(), setup.sample(64).images)
    cost = float(setup.loss(SURE * torch.eye(classes), torch.arange(classes)))
    low, high = float(outputs.min()), float(outputs.max())
    sums = outputs.sum(1)
    probabilities = low >= 0 and torch.allclose(sums, torch.ones_like(sums), atol=1e-3)
    seen = f"outputs in [{low:.3g}, {high:.3g}]" + (", each row a probability distribution" if probabilities else "")
    return Finding(
        "logits reach the loss",
        not probabilities and abs(cost) < 0.01,
        f"outputs that are no probabilities; a logit of {SURE:g} for the right class costs about 0",
        f"{seen}; that costs {cost:.2g}",
        "Cross-entropy takes logits: let no softmax stand at the end of the network, in its prediction or in the loss.",
    )


def own_image_only(setup: Setup) -> Finding:
    """Changing one image changes its own output and no other, in evaluation and in training mode.

    Batch normalisation mixes a batch in training mode, as it is meant to: there it is put into evaluation mode.
    """
    images = setup.sample(6).images
    classifier = setup.subject().eval()
    normalised = [module for module in classifier.modules() if isinstance(module, _BatchNorm)]
    faults = _leaks(lambda batch: setup.predict(classifier, batch), images, "evaluation")
    classifier.train()
    for module in normalised:
        module.eval()
    faults += _leaks(lambda batch: classifier(batch.to(classifier.device)).cpu(), images, "training")
    note = " (batch normalisation aside, which mixes a training batch as it should)" if normalised else ""
    return Finding(
        "own image only",
        not faults,
        f"changing an image changes its own output and no other, in both modes{note}",
        "; ".join(faults) or f"each of {len(images)} images, changed in turn, changed its own output alone",
        "Look for a view or reshape that mixes the batch into another dimension, for a mean or a softmax over "
        "dimension 0, or for an input that the network never reads.",
    )


@torch.no_grad()
def _leaks(forward: Forward, images: Tensor, mode: str) -> list[str]:
    """What is wrong in how the outputs depend on the images, in words."""
    moved = torch.stack([_moved(forward, images, index) for index in range(len(images))])  # (changed, output)
    leaks = moved & ~torch.eye(len(images), dtype=torch.bool)
    faults = []
    if leaks.any():
        changed, output = (int(index) for index in leaks.nonzero()[0])
        faults.append(f"in {mode} mode changing image {changed} of a batch changed the output of image {output}")
    if not moved.diagonal().all():
        faults.append(f"in {mode} mode changing an image left its own output as it was")
    return faults


def _moved(forward: Forward, images: Tensor, index: int) -> Tensor:
    """(N,) bool: the outputs that move when image `index` is inverted.

    A fresh network's outputs may have any size. One has moved where it changed by more than a ten-thousandth of how far
    the images' outputs lie apart, and by more than rounding in float32.
    """
    changed = images.clone()
    changed[index] = 1 - changed[index]
    # the same draws both times, or dropout would move every output
    with drawing_from("own image"):
        before = forward(images)
    with drawing_from("own image"):
        after = forward(changed)
    spread = (before - before.mean(0)).abs().max()
    return (after - before).abs().flatten(1).amax(1) > 1e-4 * spread + 1e-6 * before.abs().max()


def gradients_reach_parameters(setup: Setup) -> Finding:
    """Each parameter gets a finite gradient that is not zero, and a few training steps move it.

    The labels are moved on by one class, so that a classifier that has learned its task still has errors to correct.
    """
    faults = _gradient_faults(setup)
    if not faults:
        classifier = setup.fresh()
        before = {name: value.detach().clone() for name, value in classifier.named_parameters()}
        after = _train_a_little(setup, classifier)
        faults = [
            f"{name} is not moved by training"
            for name, value in after.named_parameters()
            if torch.equal(value.detach(), before[name])
        ]
    count = sum(1 for _ in setup.subject().parameters())
    return Finding(
        "gradients reach parameters",
        not faults,
        "a finite gradient other than zero for every parameter, and a step that moves it",
        "; ".join(faults[:4]) + ("; …" if len(faults) > 4 else "") or f"all {count} parameter tensors",
        "Look for requires_grad = False, for a detach() or no_grad() on the way, for layers that forward() leaves "
        "out, for dead ReLUs, and for parameters the optimiser was not given.",
    )


def _gradient_faults(setup: Setup) -> list[str]:
    classifier, batch = setup.subject().train(), setup.sample(64)
    wrong = (batch.labels + 1) % len(setup.task.class_names)
    with drawing_from("gradients"):
        loss = setup.loss(classifier(batch.images.to(classifier.device)), wrong.to(classifier.device))
    if loss.requires_grad:
        loss.backward()
    faults = {name: _gradient_fault(parameter) for name, parameter in classifier.named_parameters()}
    return [f"{name} {fault}" for name, fault in faults.items() if fault]


def _gradient_fault(parameter: nn.Parameter) -> str:
    if not parameter.requires_grad:
        return "is frozen"
    if parameter.grad is None:
        return "takes no part in the loss"
    if not torch.isfinite(parameter.grad).all():
        return "has a gradient of NaN or infinity"
    return "" if parameter.grad.any() else "has a gradient of zero"


def _train_a_little(setup: Setup, classifier: Classifier) -> Classifier:
    """A few steps of the set-up's own training."""
    batch = setup.sample(64)
    return setup.run(classifier, batch, batch, steps=5)


def training_and_evaluation_modes(setup: Setup) -> Finding:
    """Steps are taken in training mode, validation is in evaluation mode, where equal images get equal outputs."""
    faults = _prediction_faults(setup) + _dropout_faults(setup) + _loop_faults(setup)
    return Finding(
        "training and evaluation modes",
        not faults,
        "steps in training mode, with dropout; predictions and validation in evaluation mode, the same every time",
        "; ".join(faults) or "the same prediction under three draws; steps and validation each in their mode",
        "Call classifier.train() before each step and classifier.eval() before validation and prediction; use "
        "nn.Dropout, which obeys them, or pass training=self.training to functional.dropout.",
    )


def _prediction_faults(setup: Setup) -> list[str]:
    """A prediction has to be the same whatever mode the classifier is found in, and whatever is drawn."""
    images, predictions = setup.sample(64).images, []
    for stream, training in enumerate((True, True, False)):
        with drawing_from("prediction", stream):
            predictions.append(setup.predict(setup.subject().train(training), images))
    same = all(torch.allclose(predictions[0], other, rtol=1e-4, atol=1e-5) for other in predictions[1:])
    return [] if same else ["predicting the same images twice gave different outputs"]


@torch.no_grad()
def _dropout_faults(setup: Setup) -> list[str]:
    classifier = setup.subject().train()
    if not any(isinstance(module, _DropoutNd) and module.p > 0 for module in classifier.modules()):
        return []
    images, outputs = setup.sample(64).images.to(classifier.device), []
    for stream in range(2):
        with drawing_from("dropout", stream):
            outputs.append(classifier(images))
    return ["there is dropout and training mode gave the same output twice"] if torch.equal(*outputs) else []


def _loop_faults(setup: Setup) -> list[str]:
    classifier = setup.fresh()
    passes: set[tuple[bool, bool]] = set()  # (in training mode, with gradients)
    with classifier.register_forward_hook(
        lambda module, inputs, outputs: passes.add((module.training, torch.is_grad_enabled()))
    ):
        after = _train_a_little(setup, classifier)
    said = {
        "the training loop never took a step in training mode": (True, True) not in passes,
        "the training loop used validation images in training mode": (True, False) in passes,
        "the training loop left the classifier in training mode": any(module.training for module in after.modules()),
    }
    return [fault for fault, true in said.items() if true]
