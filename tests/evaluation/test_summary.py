"""Every measure has its interval, and two arms are compared image by image."""

from dataclasses import replace

import pytest
import torch

from explainfb.classifiers.classifier import build_classifier
from explainfb.classifiers.training import architecture_for
from explainfb.core.types import Interval
from explainfb.evaluation.evaluator import Evaluation, evaluate
from explainfb.evaluation.summary import difference, summarise
from explainfb.results.measures import ECE, MEASURES, SHIFTED, SHORTCUT_SHARE, robust_accuracy_under
from explainfb.results.records import ArmDescription
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Task
from explainfb.testing.tiny import TINY

ARM = ArmDescription("before", "before", "", "before")
NOTHING = Interval(0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("digits-decoy", train_images=200)


@pytest.fixture(scope="module")
def measured(task: Task) -> Evaluation:
    return evaluate(build_classifier(architecture_for(task, "mlp")), task, settings=TINY.evaluation)


def test_a_measure_is_the_plain_mean_and_lies_in_its_interval(task: Task, measured: Evaluation) -> None:
    results = summarise(measured, ARM, seed=0)
    assert task.shifted is not None
    assert results.shifted_accuracy is not None
    accuracy = (measured.shifted_logits.argmax(1) == task.shifted.labels).float().mean().item()
    assert results.shifted_accuracy.estimate == pytest.approx(accuracy)
    for interval in map(results.measured, MEASURES):
        assert interval is not None
        assert interval.low <= interval.estimate <= interval.high
    assert sum(results.reliability.count) == results.n == len(task.clean)


def test_a_classifier_that_follows_the_shortcut_is_worst_where_it_misleads(measured: Evaluation) -> None:
    assert measured.groups is not None
    said = measured.groups % 11 - 1  # what the shortcut says
    followed = replace(measured, shifted_logits=20 * torch.nn.functional.one_hot(said, 10).float())
    right = (said == measured.labels).float()
    worst_label = min(right[measured.labels == label].mean().item() for label in range(10))
    # most groups are judged with the others of their label; the few of ten images or more are wrong throughout
    assert summarise(followed, ARM, seed=0).worst_group_accuracy.estimate <= worst_label < 0.1


def test_a_difference_is_signed_feedback_minus_the_other(measured: Evaluation) -> None:
    perfect = 20 * torch.nn.functional.one_hot(measured.labels, 10).float()
    better = replace(measured, clean_logits=perfect, shifted_logits=perfect)
    wrong = replace(measured, clean_logits=perfect.roll(1, 1), shifted_logits=perfect.roll(1, 1))
    found = difference(better, wrong, seed=0)
    assert found.of(SHIFTED).low > 0.5
    assert found.of(ECE).high < 0
    assert found.of(SHORTCUT_SHARE) == NOTHING
    robust = [found.of(robust_accuracy_under(model)) for model in TINY.evaluation.threat_models]
    assert robust == [NOTHING] * 3
    same = difference(measured, measured, seed=0)
    assert same.of(SHIFTED) == NOTHING
    assert same.of(ECE).estimate == 0
    assert same.of(ECE).low == -same.of(ECE).high < 0


def test_robust_accuracies_are_paired_image_by_image(measured: Evaluation) -> None:
    unbroken = tuple(replace(item, survived=(True,) * item.n) for item in measured.robust)
    broken = tuple(replace(item, survived=(False,) * item.n) for item in measured.robust)
    found = difference(replace(measured, robust=unbroken), replace(measured, robust=broken), seed=0)
    for model in TINY.evaluation.threat_models:
        assert found.of(robust_accuracy_under(model)) == Interval(1.0, 1.0, 1.0)


def test_a_task_without_a_shortcut_has_no_shifted_numbers() -> None:
    plain = load_task("digits", train_images=200)
    found = evaluate(build_classifier(architecture_for(plain, "mlp")), plain, settings=TINY.evaluation)
    results = summarise(found, ARM, seed=0)
    assert results.shifted_accuracy is None
    assert results.shortcut_share is None
    assert difference(found, found, seed=0).of(SHIFTED) is None
