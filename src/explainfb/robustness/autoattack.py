"""A second opinion: AutoAttack (Croce & Hein 2020) of the Adversarial Robustness Toolbox (Nicolae et al. 2018).

ART's AutoAttack is APGD on the cross-entropy and on the difference of logits ratio, DeepFool in place of FAB, and
Square.
"""

import importlib.util
from typing import Any

import numpy as np
import torch

from explainfb.classifiers.classifier import Classifier
from explainfb.core.errors import InputError
from explainfb.core.types import ThreatModel
from explainfb.robustness.attacked_model import AttackedModel, BoolArray, attacked, verified
from explainfb.robustness.attacks import seeded
from explainfb.robustness.pgd import into_ball

PACKAGES = ("art", "multiprocess")


def check_installed() -> None:
    """Raise `InputError` unless ART and what its AutoAttack imports are there."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"AutoAttack needs the Adversarial Robustness Toolbox, but the package {missing[0]} is not installed; run "
            "pip install 'explainfb[art]'."
        )


def run_autoattack(
    classifier: Classifier,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    threat_model: ThreatModel,
    seed: int,
    steps: int = 100,
    restarts: int = 5,
    square_queries: int = 5000,
    batch_size: int = 128,
) -> BoolArray:
    """(N,): which images stay right whatever ART's AutoAttack does.

    `images` is (N, C, H, W) in [0, 1], `labels` (N,). The defaults are ART's own, but that
    APGD begins with steps of twice epsilon, as in the paper; `steps` and `restarts` are APGD's, and Square restarts as
    often. What it returns is checked as our own attacks are: finite, in [0, 1], within epsilon. The classifier is given
    back as it came. Raises `InputError` when ART is not installed or epsilon is 0.
    """
    check_installed()
    if not threat_model.epsilon > 0:
        raise InputError(f"AutoAttack needs an epsilon greater than 0; found {threat_model.epsilon}.")
    images, labels = images.to(classifier.device), labels.to(classifier.device)
    options = {"steps": steps, "restarts": restarts, "queries": square_queries, "batch_size": batch_size}
    with attacked(classifier) as target, seeded(images.device, seed):
        wrong = target.wrong(images, labels).cpu().numpy()
        attack = _attack(target, images, classifier.architecture.classes, threat_model, options)
        found = torch.from_numpy(attack.generate(x=images.cpu().numpy(), y=labels.cpu().numpy())).to(images)
        # ART allows itself 1e-4 of epsilon more, for which its images would be refused
        change = into_ball(found - images, threat_model.norm, threat_model.epsilon)
        found = (images + change).clamp(0, 1)
        broken = verified(target, images, found, labels, threat_model.norm, threat_model.epsilon)
    held: BoolArray = ~(wrong | broken)
    return held


def _attack(
    target: AttackedModel, images: torch.Tensor, classes: int, threat_model: ThreatModel, options: dict[str, int]
) -> Any:
    """ART's AutoAttack, with its attacks spelled out so that their sizes can be set."""
    from art.attacks.evasion import AutoAttack, AutoProjectedGradientDescent, DeepFool, SquareAttack
    from art.estimators.classification import PyTorchClassifier

    shared = {"norm": np.inf if threat_model.norm == "linf" else 2, "eps": threat_model.epsilon}
    size = {"batch_size": options["batch_size"]}
    estimator = PyTorchClassifier(
        model=target,
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=tuple(images.shape[1:]),
        nb_classes=classes,
        clip_values=(0.0, 1.0),
        device_type="gpu" if images.is_cuda else "cpu",
    )
    apgd = shared | size | {"eps_step": 2 * threat_model.epsilon, "max_iter": options["steps"], "verbose": False}
    attacks = [
        AutoProjectedGradientDescent(estimator, nb_random_init=options["restarts"], loss_type=loss, **apgd)
        for loss in ("cross_entropy", "difference_logits_ratio")
    ]
    attacks.append(DeepFool(estimator, max_iter=options["steps"], epsilon=1e-3, nb_grads=10, verbose=False, **size))
    square = {"max_iter": options["queries"], "p_init": 0.8, "nb_restarts": options["restarts"]}
    attacks.append(SquareAttack(estimator, verbose=False, **shared, **square, **size))
    return AutoAttack(estimator, eps_step=2 * threat_model.epsilon, attacks=attacks, **shared, **size)
