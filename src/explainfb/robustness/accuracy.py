"""Robust accuracy: the share of images that stay right whatever the attacks do within a threat model."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, check_classifier
from explainfb.core.errors import InputError
from explainfb.core.seeding import derive, numpy_generator
from explainfb.core.types import IntArray, RobustAccuracy, ThreatModel, check_images
from explainfb.robustness import sanity_checks
from explainfb.robustness.attacked_model import BoolArray, attacked
from explainfb.robustness.attacks import MINIMUM_NORM, Attacker, seeded
from explainfb.robustness.diagnostics import (
    ITERATED,
    ONE_STEP,
    TRANSFER,
    Broken,
    Clean,
    gather_diagnostics,
    inspect_clean,
)
from explainfb.robustness.settings import ATTACKS, AttackSettings
from explainfb.statistics.intervals import accuracy_interval
from explainfb.tasks.task import Split

Attempt = Callable[[IntArray, float], BoolArray]
Run = Callable[[BoolArray], BoolArray]
"""Which images (N,) to skip → which (epsilons, N) are broken, the skipped ones counted as broken."""
Progress = Callable[[float], None]
"""Called with the share of the whole that has been done since the last call."""


def check_inputs(classifier: Classifier, images: Tensor, labels: Tensor, threat_models: Sequence[ThreatModel]) -> None:
    """Raise `InputError` before any work is done."""
    check_classifier(classifier)
    check_images(images)
    if len(images) == 0 or labels.shape != (len(images),):
        raise InputError(f"Attacks need images with one label each; found {len(images)} and {tuple(labels.shape)}.")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise InputError(f"Labels are numbers of classes; found {labels.dtype}.")
    if labels.min() < 0 or labels.max() >= classifier.architecture.classes:
        raise InputError(
            f"Labels must lie in 0 … {classifier.architecture.classes - 1}; found {labels.min()} … {labels.max()}."
        )
    if len(threat_models) == 0:
        raise InputError("Robust accuracy needs at least one threat model; found none.")


def break_in_turn(attempts: Sequence[Attempt], broken: BoolArray, epsilons: Sequence[float]) -> BoolArray:
    """(epsilons, N): which images the attempts, one after the other, have broken at each ascending epsilon.

    Only images that still hold are attacked: what is adversarial within one epsilon is so within every larger one.
    `broken` (N,) says which images are not attacked at all.
    """
    broken, rows = broken.copy(), []
    for epsilon in epsilons:
        for attempt in attempts:
            left = np.flatnonzero(~broken)
            if len(left):
                broken[left] = attempt(left, epsilon)
        rows.append(broken.copy())
    return np.stack(rows)


def break_with_pgd(attacker: Attacker, skipped: BoolArray, epsilons: Sequence[float]) -> BoolArray:
    """(epsilons, N): every restart of PGD in turn."""

    def start(restart: int) -> Attempt:
        return lambda left, epsilon: attacker.pgd(left, epsilon, restart=restart)

    return break_in_turn([start(restart) for restart in range(attacker.settings.pgd_restarts)], skipped, epsilons)


def break_by_minimum_norm(
    attempt: Callable[[IntArray, Sequence[float]], BoolArray], skipped: BoolArray, epsilons: Sequence[float]
) -> BoolArray:
    """(epsilons, N): one run of an attack that searches for the nearest adversarial image serves every epsilon."""
    broken = np.tile(skipped, (len(epsilons), 1))
    broken[:, ~skipped] = attempt(np.flatnonzero(~skipped), epsilons)
    return np.logical_or.accumulate(broken)


def search_step(attacker: Attacker, wrong: BoolArray, order: IntArray, epsilons: Sequence[float]) -> Attacker:
    """The same attacker with the relative step of PGD that breaks most of a few images; the first of equals.

    The margin is followed, which has a gradient where the cross-entropy has none.
    """
    settings = attacker.settings
    skipped = np.ones(len(wrong), dtype=bool)
    skipped[order[~wrong[order]][: settings.step_search_images]] = False
    tried = [
        replace(attacker, settings=replace(settings, pgd_relative_step=step))
        for step in dict.fromkeys((settings.pgd_relative_step, *settings.pgd_step_search))
    ]
    if len(tried) == 1 or skipped.all():
        return attacker

    def count(candidate: Attacker) -> int:
        # at the middle epsilon, at which some images fall and others hold
        return int(candidate.pgd(np.flatnonzero(~skipped), epsilons[len(epsilons) // 2], restart=1).sum())

    return max(tried, key=count)


def attacks_of(attacker: Attacker, clean: Clean, epsilons: Sequence[float]) -> dict[str, tuple[int, Run]]:
    """Each attack by name, with the number of images that it runs on, in the order in which they run."""

    def per_epsilon(attempt: Attempt) -> Run:
        return lambda skipped: break_in_turn([attempt], skipped, epsilons)

    def all_epsilons(attempt: Callable[[IntArray, Sequence[float]], BoolArray]) -> Run:
        return lambda skipped: break_by_minimum_norm(attempt, skipped, epsilons)

    settings, every = attacker.settings, len(clean.wrong)
    attacks: dict[str, tuple[int, Run]] = {
        ITERATED: (every, lambda skipped: break_with_pgd(attacker, skipped, epsilons)),
        ONE_STEP: (every, per_epsilon(attacker.one_step)),
        MINIMUM_NORM[attacker.norm]: (every, all_epsilons(attacker.minimum_norm)),
        "targeted": (settings.targeted_images, per_epsilon(attacker.targeted)),
        "deepfool": (settings.deepfool_images, all_epsilons(attacker.deepfool)),
        "square": (settings.square_images, per_epsilon(attacker.square)),
        "noise": (every, per_epsilon(attacker.noise)),
    }
    if clean.consistent:  # both follow single answers, which would be noise
        attacks["hop_skip_jump"] = (settings.hop_skip_jump_images, all_epsilons(attacker.hop_skip_jump))
        if attacker.norm == "linf":
            attacks["gen_attack"] = (settings.gen_attack_images, per_epsilon(attacker.gen_attack))
    if attacker.norm == "linf":
        attacks["advgan"] = (settings.advgan_images, per_epsilon(attacker.advgan))
    if attacker.surrogate is not None:
        attacks[TRANSFER] = (settings.transfer_images, per_epsilon(attacker.transfer))
    return {name: (images, run) for name, (images, run) in attacks.items() if images > 0}


def break_everything(
    attacker: Attacker, clean: Clean, order: IntArray, epsilons: Sequence[float], progress: Progress
) -> dict[str, Broken]:
    """What each attack broke; `order` is the images at random.

    An attack runs on the first so many of it that are classified correctly.
    """
    right = order[~clean.wrong[order]]
    broken = {}
    attacks = attacks_of(attacker, clean, epsilons)
    for name, (images, run) in attacks.items():
        tried = np.isin(np.arange(len(order)), right[:images])
        # inside the attack, images that it skips count as broken; here they are taken out again
        rows = run(clean.wrong | ~tried) & (tried | clean.wrong)
        broken[name] = Broken(rows, tried)
        # PGD takes about as long as all the others, and the sanity checks half of that
        progress((0.4 if name == ITERATED else 0.4 / (len(attacks) - 1)) if len(attacks) > 1 else 0.8)
    return broken


def attack_in_norm(
    attacker: Attacker, clean: Clean, epsilons: Sequence[float], progress: Progress
) -> list[RobustAccuracy]:
    """One record for each of the ascending epsilons."""
    # the same for every classifier of a seed; slow attacks, step search and sanity checks take the first of it
    order = numpy_generator(attacker.seed, "drawn").permutation(len(clean.wrong))
    attacker = search_step(attacker, clean.wrong, order, epsilons)
    broken = break_everything(attacker, clean, order, epsilons, progress)
    diagnostics = gather_diagnostics(attacker, clean, broken, order, epsilons)
    progress(0.2)
    records = []
    for row, epsilon in enumerate(epsilons):
        alone = {name: found.accuracy_alone(row, clean.accuracy) for name, found in broken.items()}
        worst = ~np.any([found.rows[row] for found in broken.values()], axis=0)
        accuracy = accuracy_interval(worst.astype(np.float64), seed=derive(attacker.seed, "interval"))
        threat_model = ThreatModel(attacker.norm, epsilon)
        survived = tuple(bool(held) for held in worst)
        flags = sanity_checks.flags(diagnostics[row])
        images = {name: int(found.tried.sum()) for name, found in broken.items()}
        records.append(RobustAccuracy(threat_model, accuracy, len(worst), alone, flags, survived, images))
    return records


def robust_accuracy(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    *,
    threat_models: Sequence[ThreatModel],
    settings: AttackSettings = ATTACKS,
    seed: int,
    surrogate: Classifier | None = None,
    training: Split | None = None,
    progress: Progress | None = None,
) -> list[RobustAccuracy]:
    """The worst case over every attack of `settings`, image by image.

    `images` is (N, C, H, W) in [0, 1], `labels` (N,). Returns one record for each threat model, in their order. An
    image that is misclassified without any attack counts as not robust, and so does one whose output is not finite.
    `AttackSettings` says on how many of the correctly classified images, drawn at random, each attack runs; the
    accuracy under a slow one alone is the clean accuracy times the share of its images that held. With a
    `surrogate`, an undefended classifier of the same classes and image size, images made against it are tried too.
    AdvGAN learns on `training`, or without it on the images themselves. The classifier is attacked in evaluation mode
    with frozen parameters, and given back as it came. Equal seeds give equal records. Raises `InputError` when images,
    labels or threat models cannot be used.

    >>> from explainfb import ThreatModel, TrainingSettings, load_task, robust_accuracy, train
    >>> task = load_task("digits")
    >>> classifier = train(task, settings=TrainingSettings(steps=100))
    >>> few = task.clean.take(slice(10))
    >>> small = [ThreatModel("linf", 0.05)]
    >>> (found,) = robust_accuracy(classifier, few.images, few.labels, threat_models=small, seed=0)
    >>> found.n, found.accuracy.low <= found.accuracy.estimate <= found.accuracy.high
    (10, True)
    """
    check_inputs(classifier, images, labels, threat_models)
    images, labels = images.to(classifier.device), labels.to(classifier.device, torch.int64)
    norms = sorted({threat_model.norm for threat_model in threat_models})
    records: dict[ThreatModel, RobustAccuracy] = {}

    def advance(share: float) -> None:
        if progress is not None:
            progress(share / len(norms))

    with ExitStack() as stack:
        stack.enter_context(seeded(images.device, derive(seed, "robust accuracy")))
        target = stack.enter_context(attacked(classifier))
        undefended = None if surrogate is None else stack.enter_context(attacked(surrogate.to(classifier.device)))
        clean = inspect_clean(target, images, labels, settings.batch_size)
        for norm in norms:
            epsilons = sorted({threat_model.epsilon for threat_model in threat_models if threat_model.norm == norm})
            attacker = Attacker(target, images, labels, norm, settings, seed, undefended, training)
            found = attack_in_norm(attacker, clean, epsilons, advance)
            records |= {record.threat_model: record for record in found}
    return [records[threat_model] for threat_model in threat_models]
