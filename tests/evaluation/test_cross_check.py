"""AutoAttack's accuracy beside ours, on the same images."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.training import architecture_for
from explainfb.core.errors import InputError
from explainfb.core.types import CrossCheck, Interval, RobustAccuracy, ThreatModel
from explainfb.evaluation.evaluator import cross_checked
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.robustness.accuracy import robust_accuracy
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split, Task
from sound_digits import digits, trained

IMAGES, LABELS = (part[:30] for part in digits())
MODEL = ThreatModel("linf", 0.1)


def test_its_accuracy_stands_beside_ours_on_the_same_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explainfb.evaluation.evaluator.run_autoattack", every_second)
    records = robust_accuracy(trained(), IMAGES, LABELS, threat_models=[MODEL, ThreatModel("linf", 0)], seed=0)
    found, unmoved = cross_checked(trained(), Split(IMAGES, LABELS), records, 10, 0)
    assert found.cross_check == CrossCheck("AutoAttack", 0.5, float(np.mean(found.survived[:10])), 10)
    assert replace(found, cross_check=None) == records[0]
    assert unmoved.cross_check is None
    assert cross_checked(trained(), Split(IMAGES, LABELS), records, 0, 0) is records


def every_second(classifier: Callable, images: np.ndarray, labels: np.ndarray, **options: object) -> np.ndarray:
    return np.arange(len(images)) % 2 == 0


def test_no_more_images_than_are_attacked() -> None:
    with pytest.raises(InputError, match="number of the 200 attacked images; found 201"):
        EvaluationSettings(autoattack_images=201)


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("digits-decoy", train_images=200)


def test_autoattack_is_run_on_all_images_where_there_are_fewer_than_asked_for(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def holds(classifier: Classifier, images: torch.Tensor, *_: object, **__: object) -> np.ndarray:
        seen.append(len(images))
        return np.ones(len(images), dtype=bool)

    monkeypatch.setattr("explainfb.evaluation.evaluator.run_autoattack", holds)
    robust = RobustAccuracy(ThreatModel("linf", 0.1), Interval(1, 1, 1), 5, survived=(True,) * 5)
    (found,) = cross_checked(
        build_classifier(architecture_for(task, "mlp")), task.test.take(torch.arange(5)), [robust], 9, 0
    )
    assert seen == [5]
    assert found.cross_check is not None
    assert found.cross_check.n == 5
