"""Robust accuracy: the share of images that stay right whatever the attacks do within a threat model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb import honesty
from explainfb.attacks import (
    MINIMUM_NORM,
    Attacker,
    AttackSettings,
    BoolArray,
    Target,
    seeded,
    target_of,
    wrong_outputs,
)
from explainfb.classifiers import Classifier
from explainfb.errors import InputError
from explainfb.seeds import derive, numpy_generator
from explainfb.statistics import accuracy_interval
from explainfb.types import IntArray, Norm, RobustAccuracy, ThreatModel, check_images

Attempt = Callable[[IntArray, float], BoolArray]
Progress = Callable[[float], None]
"""Called with the share of the whole that has been done since the last call."""
DEFAULT_SETTINGS = AttackSettings()
WITHOUT_GRADIENTS = ("square", "noise")
LARGE_EPSILON = 0.5
"""L∞ distance at which every image of pixels in [0, 1] can be turned into the same grey."""


def check_inputs(classifier: Classifier, images: Tensor, labels: Tensor, threat_models: Sequence[ThreatModel]) -> None:
    """Raise `InputError` before any work is done."""
    check_images(images)
    if len(images) == 0 or labels.shape != (len(images),):
        raise InputError(f"Attacks need images with one label each; found {len(images)} and {tuple(labels.shape)}.")
    if labels.min() < 0 or labels.max() >= classifier.architecture.classes:
        raise InputError(
            f"Labels must lie in 0 … {classifier.architecture.classes - 1}; found {labels.min()} … {labels.max()}."
        )
    if len(threat_models) == 0:
        raise InputError("Robust accuracy needs at least one threat model; found none.")


def climb(attempts: Sequence[Attempt], broken: BoolArray, epsilons: Sequence[float]) -> BoolArray:
    """(epsilons, N): which images the attempts, one after the other, have broken at each ascending epsilon.

    Only what still holds is attacked: an adversarial image within a smaller epsilon is one within every larger.
    `broken` (N,) says which are misclassified to begin with.
    """
    broken, rows = broken.copy(), []
    for epsilon in epsilons:
        for attempt in attempts:
            left = np.flatnonzero(~broken)
            if len(left):
                broken[left] = attempt(left, epsilon)
        rows.append(broken.copy())
    return np.stack(rows)


def break_with_pgd(attacker: Attacker, wrong: BoolArray, epsilons: Sequence[float]) -> BoolArray:
    """(epsilons, N): every restart of PGD in turn."""

    def start(restart: int) -> Attempt:
        return lambda left, epsilon: attacker.pgd(left, epsilon, restart=restart)

    return climb([start(restart) for restart in range(attacker.settings.pgd_restarts)], wrong, epsilons)


def break_with_minimum_norm(attacker: Attacker, wrong: BoolArray, epsilons: Sequence[float]) -> BoolArray:
    """(epsilons, N): one run for all epsilons."""
    broken = np.tile(wrong, (len(epsilons), 1))
    broken[:, ~wrong] = attacker.minimum_norm(np.flatnonzero(~wrong), epsilons)
    return np.logical_or.accumulate(broken)


def break_everything(
    attacker: Attacker, wrong: BoolArray, drawn: BoolArray, epsilons: Sequence[float], progress: Progress
) -> dict[str, BoolArray]:
    """Each attack's (epsilons, N) broken images. `square` runs on the `drawn` (N,) images alone."""
    broken = {}
    broken["pgd"] = break_with_pgd(attacker, wrong, epsilons)
    progress(0.4)
    broken[MINIMUM_NORM[attacker.norm]] = break_with_minimum_norm(attacker, wrong, epsilons)
    progress(0.1)
    broken["square"] = climb([attacker.square], wrong | ~drawn, epsilons) & (drawn | wrong)
    progress(0.2)
    broken["noise"] = climb([attacker.noise], wrong, epsilons)
    progress(0.1)
    return broken


def loss_gradients(target: Target, images: Tensor, labels: Tensor, batch_size: int) -> Tensor:
    """(N,): L2 norm of the gradient of the cross-entropy with respect to each image."""
    norms = [torch.zeros(0, device=images.device)]
    for batch, truth in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        moved = batch.detach().clone().requires_grad_()
        loss = F.cross_entropy(target(moved), truth, reduction="sum")
        norms.append(torch.autograd.grad(loss, moved)[0].flatten(1).norm(dim=1))
    return torch.cat(norms)


def outputs_of(target: Target, images: Tensor, batch_size: int) -> Tensor:
    """(N, classes): what the classifier says."""
    with torch.no_grad():
        return torch.cat([target(batch) for batch in images.split(batch_size)])


def large_epsilon(norm: Norm, images: Tensor) -> float:
    """The epsilon with which every image can be turned into the same grey."""
    return LARGE_EPSILON if norm == "linf" else LARGE_EPSILON * float(images[0].numel()) ** 0.5


@dataclass(frozen=True, eq=False)
class Clean:
    """What the classifier does before anyone attacks it."""

    outputs: Tensor
    outputs_again: Tensor
    wrong: BoolArray
    gradients: Tensor
    """L2 norm of the cross-entropy's gradient at each image that is not wrong."""


def look(target: Target, images: Tensor, labels: Tensor, batch_size: int) -> Clean:
    """Ask the classifier twice, and for its gradients."""
    outputs = outputs_of(target, images, batch_size)
    wrong = wrong_outputs(outputs, labels)
    gradients = loss_gradients(target, images[~wrong], labels[~wrong], batch_size)
    return Clean(outputs, outputs_of(target, images, batch_size), wrong.cpu().numpy(), gradients)


def held_from_scratch(attacker: Attacker, checked: IntArray, epsilons: Sequence[float]) -> tuple[int, ...]:
    """How many of the `checked` images PGD leaves standing at each epsilon, starting anew each time."""
    return tuple(int((~attacker.pgd(checked, epsilon)).sum()) for epsilon in epsilons)


def gather_evidence(
    attacker: Attacker, clean: Clean, broken: dict[str, BoolArray], order: IntArray, epsilons: Sequence[float]
) -> list[honesty.Evidence]:
    """What the honesty checks need, for each epsilon of the attacker's norm; `order` is the images at random."""
    checked = order[~clean.wrong[order]][: attacker.settings.check_images]
    held = held_from_scratch(attacker, checked, (*epsilons, large_epsilon(attacker.norm, attacker.images)))
    evidence = []
    for row, epsilon in enumerate(epsilons):
        blind = np.any([broken[name][row] for name in WITHOUT_GRADIENTS], axis=0)
        seeing = np.any([rows[row] for name, rows in broken.items() if name not in WITHOUT_GRADIENTS], axis=0)
        survivors = order[~(blind | seeing)[order]]
        tried = survivors[: attacker.settings.check_images]
        longer = attacker.pgd(tried, epsilon, slower=attacker.settings.check_steps_factor)
        evidence.append(
            honesty.Evidence(
                outputs=clean.outputs,
                outputs_again=clean.outputs_again,
                outputs_finite=attacker.target.finite,
                gradients=clean.gradients,
                held_from_scratch=held[:-1],
                held_at_large_epsilon=held[-1],
                checked=len(checked),
                only_black_box=int((blind & ~seeing).sum()),
                attacked=len(blind),
                broken_by_more_steps=int(longer.sum()),
                survivors_checked=len(tried),
                survivors=len(survivors),
            )
        )
    return evidence


def attack_in_norm(
    attacker: Attacker, clean: Clean, epsilons: Sequence[float], progress: Progress
) -> list[RobustAccuracy]:
    """One record for each of the ascending epsilons."""
    order = numpy_generator(attacker.seed, "drawn").permutation(len(clean.wrong))
    drawn = np.isin(np.arange(len(order)), order[: attacker.settings.square_images])
    broken = break_everything(attacker, clean.wrong, drawn, epsilons, progress)
    evidence = gather_evidence(attacker, clean, broken, order, epsilons)
    progress(0.2)
    records = []
    for row, epsilon in enumerate(epsilons):
        holds = {name: ~rows[row] for name, rows in broken.items()}
        alone = {name: float((held[drawn] if name == "square" else held).mean()) for name, held in holds.items()}
        worst = np.all(list(holds.values()), axis=0).astype(np.float64)
        accuracy = accuracy_interval(worst, seed=derive(attacker.seed, "interval"))
        threat_model = ThreatModel(attacker.norm, epsilon)
        survived = tuple(bool(held) for held in worst)
        flags = honesty.flags(evidence[row])
        records.append(RobustAccuracy(threat_model, accuracy, len(worst), alone, flags, survived))
    return records


def robust_accuracy(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    *,
    threat_models: Sequence[ThreatModel],
    settings: AttackSettings = DEFAULT_SETTINGS,
    seed: int,
    progress: Progress | None = None,
) -> list[RobustAccuracy]:
    """The worst case over PGD, a minimum-norm attack, one without gradients, and noise, image by image.

    `images` is (N, C, H, W) in [0, 1], `labels` (N,). Returns one record for each threat model, in their order. An
    image that is misclassified without any attack counts as not robust, and so does one whose output is not finite.
    The accuracy left by `square` alone is over the images it ran on (`AttackSettings.square_images`, drawn at random).
    The classifier is attacked in evaluation mode with frozen parameters, and given back as it came. Equal seeds give
    equal records, and torch's global random state is left alone. Raises `InputError` when images, labels or threat
    models cannot be used.
    """
    check_inputs(classifier, images, labels, threat_models)
    images, labels = images.to(classifier.device), labels.to(classifier.device)
    norms = sorted({threat_model.norm for threat_model in threat_models})
    records: dict[ThreatModel, RobustAccuracy] = {}

    def advance(share: float) -> None:
        if progress is not None:
            progress(share / len(norms))

    with target_of(classifier) as target, seeded(images.device, derive(seed, "robust accuracy")):
        clean = look(target, images, labels, settings.batch_size)
        for norm in norms:
            epsilons = sorted({threat_model.epsilon for threat_model in threat_models if threat_model.norm == norm})
            attacker = Attacker(target, images, labels, norm, settings, seed)
            found = attack_in_norm(attacker, clean, epsilons, advance)
            records |= {record.threat_model: record for record in found}
    return [records[threat_model] for threat_model in threat_models]
