"""Before and after: accuracy, calibration, the reasons, and robustness of one classifier on the test images."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.training import predict_logits
from explainfb.core.errors import InputError
from explainfb.core.files import check_file, parse_json, write_tensors
from explainfb.core.seeding import derive, torch_generator
from explainfb.core.types import CrossCheck, FloatArray, Interval, RobustAccuracy, ThreatModel
from explainfb.evaluation.faithfulness import Faithfulness, measure_faithfulness
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.explanations.explainer import Explainer
from explainfb.explanations.metrics import relevance_mass
from explainfb.robustness.accuracy import robust_accuracy
from explainfb.robustness.autoattack import check_installed, run_autoattack
from explainfb.tasks.task import Split, Task

ROBUST = "robust_accuracy"
FAITHFULNESS = "faithfulness "
"""How the names of faithfulness' measures begin in a file."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured, with what is needed to compare two classifiers image by image.

    >>> from explainfb import EvaluationSettings, TrainingSettings, evaluate, load_task, train
    >>> task = load_task("digits-decoy")
    >>> classifier = train(task, settings=TrainingSettings(steps=100))
    >>> few = EvaluationSettings(linf=(0.1,), l2=(), attack_images=10, explain_images=5)
    >>> measured = evaluate(classifier, task, settings=few)
    >>> measured.test_logits.shape, measured.labels.shape
    (torch.Size([454, 10]), torch.Size([454]))
    """

    clean_logits: Tensor
    """(N, classes) on the clean test images."""
    shifted_logits: Tensor | None
    """(N, classes) on the shifted ones; None for a task without a shortcut."""
    labels: Tensor
    """(N,) of the clean test images."""
    shortcut_shares: FloatArray | None
    """(n,) share of each explained image's absolute weight that lies on its shortcut."""
    robust: tuple[RobustAccuracy, ...]
    groups: Tensor | None = None
    """(N,) int64: the group of each test image, by its label and what its shortcut says; None where that is unknown."""
    faithfulness: Faithfulness | None = None
    """Of each measure of faithfulness, one value for each of some explained images; None where it was not measured."""
    shifted_labels: Tensor | None = None
    """(M,) of the shifted images, where these are other pictures than the clean ones; else None."""

    @property
    def test_logits(self) -> Tensor:
        return self.clean_logits if self.shifted_logits is None else self.shifted_logits

    @property
    def test_labels(self) -> Tensor:
        """Of the images of `test_logits`."""
        return self.labels if self.shifted_labels is None else self.shifted_labels


def evaluate(
    classifier: Classifier,
    task: Task,
    *,
    settings: EvaluationSettings | None = None,
    seed: int = 0,
    surrogate: Classifier | None = None,
    progress: Callable[[float], None] | None = None,
) -> Evaluation:
    """Measure `classifier` on the test images of `task`.

    Calibration, the shortcut's share and robustness are measured on the shifted images where there are any, else on
    the clean ones. The images that are attacked and explained depend on the seed alone, so that two classifiers are
    measured on the same ones. `surrogate` is an undefended classifier of the task, whose adversarial images are tried
    on this one too. `progress` is called with the share of the work done since the last call.

    >>> from explainfb import EvaluationSettings, TrainingSettings, evaluate, load_task, train
    >>> task = load_task("digits-decoy")
    >>> classifier = train(task, settings=TrainingSettings(steps=100))
    >>> few = EvaluationSettings(linf=(0.1,), l2=(), attack_images=10, explain_images=5)
    >>> measured = evaluate(classifier, task, settings=few)
    >>> [found.threat_model for found in measured.robust], measured.shortcut_shares.shape
    ([ThreatModel(norm='linf', epsilon=0.1)], (5,))
    """
    settings = settings or EvaluationSettings()
    if settings.autoattack_images:
        check_installed()  # before the other attacks, which take long
    attacked = _draw_images(task.test, settings.attack_images, seed)
    robust = robust_accuracy(
        classifier,
        attacked.images,
        attacked.labels,
        threat_models=settings.threat_models,
        settings=settings.attacks,
        seed=derive(seed, "attacks"),
        surrogate=surrogate,
        training=task.train if settings.attacks.advgan_images else None,
        progress=progress,
    )
    robust = cross_checked(classifier, attacked, robust, settings.autoattack_images, seed)
    shares, faithfulness = _reasons(classifier, task, settings, seed)
    return Evaluation(
        clean_logits=predict_logits(classifier, task.clean.images),
        shifted_logits=None if task.shifted is None else predict_logits(classifier, task.shifted.images),
        labels=task.clean.labels,
        shortcut_shares=shares,
        robust=tuple(robust),
        groups=task.test.subgroups(),
        faithfulness=faithfulness,
        shifted_labels=None if torch.equal(task.test.labels, task.clean.labels) else task.test.labels,
    )


def cross_checked(
    classifier: Classifier, attacked: Split, robust: list[RobustAccuracy], images: int, seed: int
) -> list[RobustAccuracy]:
    """The same records with what AutoAttack left of the first `images`, or of all of fewer; as they are for 0."""
    if images == 0:
        return robust
    images = min(images, len(attacked))
    few = attacked.take(torch.arange(images))
    found = []
    for record in robust:
        if record.threat_model.epsilon > 0:
            held = run_autoattack(
                classifier, few.images, few.labels, threat_model=record.threat_model, seed=derive(seed, "autoattack")
            )
            ours = float(np.mean(record.survived[:images]))
            record = replace(record, cross_check=CrossCheck("AutoAttack", float(held.mean()), ours, images))
        found.append(record)
    return found


def _draw_images(split: Split, count: int, seed: int) -> Split:
    """The same `count` images of the split whenever the seed is the same."""
    return split.take(torch.randperm(len(split), generator=torch_generator(seed, "test images"))[:count])


def _reasons(
    classifier: Classifier, task: Task, settings: EvaluationSettings, seed: int
) -> tuple[FloatArray | None, Faithfulness | None]:
    """Of explanations of the same test images: the shortcut's shares, and faithfulness on the first few."""
    few = min(settings.faithfulness_images, settings.explain_images)
    has_shortcut = task.test.shortcut is not None
    some = _draw_images(task.test, settings.explain_images if has_shortcut else few, seed)
    if not len(some):
        return None, None
    explainer = Explainer(classifier, settings=settings.lime, background=task.train.images, seed=seed)
    explanations = explainer(some.images)
    shares = None
    if some.shortcut is not None:
        pairs = zip(explanations, some.shortcut.numpy(), strict=True)
        shares = np.array([relevance_mass(explanation, mask) for explanation, mask in pairs])
    return shares, measure_faithfulness(explainer, some.images[:few], explanations[:few], seed=seed)


def save_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write what was measured to one safetensors file."""
    tensors = {"clean_logits": evaluation.clean_logits, "labels": evaluation.labels}
    if evaluation.shifted_logits is not None:
        tensors["shifted_logits"] = evaluation.shifted_logits
    if evaluation.shifted_labels is not None:
        tensors["shifted_labels"] = evaluation.shifted_labels
    if evaluation.groups is not None:
        tensors["groups"] = evaluation.groups
    for name, values in (evaluation.faithfulness or {}).items():
        tensors[FAITHFULNESS + name] = torch.from_numpy(values)
    if evaluation.shortcut_shares is not None:
        tensors["shortcut_shares"] = torch.from_numpy(evaluation.shortcut_shares)
    # in the header, because safetensors holds tensors alone
    robust = json.dumps([asdict(item) for item in evaluation.robust])
    write_tensors(save_file, tensors, path, {ROBUST: robust})


def load_evaluation(path: Path) -> Evaluation:
    """What `save_evaluation` wrote. Raises `InputError` naming the file when it is missing or damaged."""
    if not path.is_file():
        raise InputError(f"No evaluation at {path}; run the study again to have it measured.")
    check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            rows = parse_json(file.metadata()[ROBUST])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        shares = tensors.get("shortcut_shares")
        faithfulness = {
            name.removeprefix(FAITHFULNESS): values.numpy()
            for name, values in tensors.items()
            if name.startswith(FAITHFULNESS)
        }
        return Evaluation(
            clean_logits=tensors["clean_logits"],
            shifted_logits=tensors.get("shifted_logits"),
            labels=tensors["labels"],
            shortcut_shares=None if shares is None else shares.numpy(),
            robust=tuple(_robust_from(row) for row in rows),
            groups=tensors.get("groups"),
            faithfulness=faithfulness or None,  # files written before it was measured lack it
            shifted_labels=tensors.get("shifted_labels"),
        )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, InputError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}); delete it and run again.") from error


def _robust_from(row: dict[str, Any]) -> RobustAccuracy:
    return RobustAccuracy(
        threat_model=ThreatModel(**row["threat_model"]),
        accuracy=Interval(**row["accuracy"]),
        n=row["n"],
        attacks=row["attacks"],
        flags=tuple(row["flags"]),
        survived=tuple(row["survived"]),
        attack_images=row.get("attack_images", {}),  # files written before it was counted lack it
        cross_check=CrossCheck(**row["cross_check"]) if row.get("cross_check") else None,
    )
