"""The checks in the order of their causes: a check that rests on a failed one is not run."""

from collections.abc import Callable, Collection
from pathlib import Path

import torch.nn.functional as F

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import architecture_for, fit, predict_logits
from explainfb.core.errors import InputError
from explainfb.doctor.data import class_balance, labels_follow_images, network_inputs, separate_splits
from explainfb.doctor.learning import blind_does_worse, loss_at_start, one_batch_learned, simple_models_beaten
from explainfb.doctor.network import (
    finite_outputs,
    gradients_reach_parameters,
    logits_reach_the_loss,
    own_image_only,
    training_and_evaluation_modes,
)
from explainfb.doctor.setup import Finding, Loss, Predict, Setup, Train
from explainfb.tasks.task import Task

Check = Callable[[Setup], Finding]
OnCheck = Callable[[str, int, int], None]
"""Called before each check with its name, how many are done, and how many there are."""
SETTINGS = TrainingSettings(steps=400)
NETWORK_LEARNS: tuple[Check, ...] = (logits_reach_the_loss, gradients_reach_parameters, training_and_evaluation_modes)
CHECKS: dict[Check, tuple[Check, ...]] = {
    network_inputs: (),
    class_balance: (),
    separate_splits: (),
    labels_follow_images: (),
    finite_outputs: (),
    logits_reach_the_loss: (finite_outputs,),
    own_image_only: (finite_outputs,),
    gradients_reach_parameters: (own_image_only,),
    training_and_evaluation_modes: (gradients_reach_parameters,),
    loss_at_start: (logits_reach_the_loss,),
    blind_does_worse: (*NETWORK_LEARNS, labels_follow_images),
    one_batch_learned: (*NETWORK_LEARNS, blind_does_worse),
    simple_models_beaten: (*NETWORK_LEARNS, labels_follow_images, blind_does_worse, one_batch_learned),
}
"""Each check and those it rests on."""


def examine(
    task: Task,
    *,
    build: Callable[[], Classifier] | None = None,
    loss: Loss = F.cross_entropy,
    train: Train = fit,
    predict: Predict = predict_logits,
    settings: TrainingSettings = SETTINGS,
    seed: int = 0,
    folder: Path | None = None,
    on_check: OnCheck | None = None,
) -> list[Finding]:
    """Run every check on `task` and the way in which a classifier is trained on it.

    `build` gives a classifier with fresh weights, the same at every call; by default the one that `settings` names.
    `loss` must be what `train` minimises. `folder` is where `fed-images.png` and `linear-weights.png` are drawn; None
    draws neither. A finding that has not passed is a fault, or rests on one. Raises `InputError` when `build` does, or
    when the folder cannot be made.
    """

    def build_default() -> Classifier:
        return build_classifier(architecture_for(task, settings.classifier, settings.pixels), seed)

    setup = Setup(
        task=task,
        build=build or build_default,
        loss=loss,
        train=train,
        predict=predict,
        settings=settings,
        trained=None,
        seed=seed,
        folder=folder,
    )
    return _run(setup, on_check)


def examine_classifier(
    task: Task,
    classifier: Classifier,
    *,
    settings: TrainingSettings = SETTINGS,
    seed: int = 0,
    folder: Path | None = None,
    on_check: OnCheck | None = None,
) -> list[Finding]:
    """Run every check on a classifier that this package has trained on `task`; `classifier` is left as it is.

    What concerns the start of training is checked on fresh weights in the same architecture.
    """
    setup = Setup(
        task=task,
        build=lambda: build_classifier(classifier.architecture, seed).to(classifier.device),
        loss=F.cross_entropy,
        train=fit,
        predict=predict_logits,
        settings=settings,
        trained=classifier,
        seed=seed,
        folder=folder,
    )
    return _run(setup, on_check)


def _run(setup: Setup, on_check: OnCheck | None) -> list[Finding]:
    setup.fresh()  # a network that cannot be built is the user's mistake, and no finding
    if setup.folder is not None:
        _make_folder(setup.folder)
    findings: dict[Check, Finding] = {}
    skipped: set[Check] = set()  # because of what failed; a check that could not judge stops no other
    for done, (check, basis) in enumerate(CHECKS.items()):
        if on_check is not None:
            on_check(name_of(check), done, len(CHECKS))
        broken = [name_of(needed) for needed in basis if findings[needed].passed is False or needed in skipped]
        if broken:
            skipped.add(check)
        findings[check] = _not_judged(check, broken) if broken else _judge(check, setup)
    return list(findings.values())


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made ({error.strerror}); choose another one.") from error


def name_of(check: Check) -> str:
    return check.__name__.replace("_", " ")


def _not_judged(check: Check, broken: Collection[str]) -> Finding:
    reason = f"not judged: rests on {', '.join(broken)}"
    return Finding(name_of(check), None, "(see there)", reason, "Mend that first and run the doctor again.")


def _judge(check: Check, setup: Setup) -> Finding:
    """A set-up on which a check cannot even be run has failed it."""
    try:
        return check(setup)
    except Exception as error:  # networks, losses and loops of all kinds are examined
        seen = f"{type(error).__name__}: {error}"
        return Finding(name_of(check), False, "the check runs through", seen, "Mend the error, and run again.")
