"""What is measured on a classifier, and how two are compared."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.training import architecture_for
from explainfb.core.errors import InputError
from explainfb.core.types import Interval, RobustAccuracy, ThreatModel
from explainfb.evaluation.evaluator import Evaluation, cross_checked, evaluate, load_evaluation, save_evaluation
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.evaluation.summary import difference, summarise
from explainfb.results.measures import ECE, MEASURES, SHIFTED, SHORTCUT_SHARE, robust_accuracy_under
from explainfb.results.records import ArmDescription
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Task
from explainfb.testing.tiny import TINY

ARM = ArmDescription("before", "before", "", "before")
NOTHING = Interval(0.0, 0.0, 0.0)


class ReadsTheCorner(torch.nn.Module):
    """Answers class 3 when the patch of class 3 is there, else class 0: a pure user of the shortcut."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        row, column = (4, 24)
        seen = images[:, 0, row : row + 4, column : column + 4].mean((1, 2))
        logits = torch.zeros(len(images), 10, dtype=images.dtype)
        return torch.cat([logits[:, :3], 9 * seen[:, None], logits[:, 4:]], dim=1) + torch.eye(10)[0]


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("digits-decoy", train_images=200)


@pytest.fixture(scope="module")
def measured(task: Task) -> Evaluation:
    return evaluate(build_classifier(architecture_for(task, "mlp")), task, settings=TINY.evaluation)


def test_two_measurements_with_one_seed_are_equal(task: Task, measured: Evaluation) -> None:
    again = evaluate(build_classifier(architecture_for(task, "mlp")), task, settings=TINY.evaluation)
    assert torch.equal(again.clean_logits, measured.clean_logits)
    assert np.array_equal(again.shortcut_shares, measured.shortcut_shares)
    assert again.robust == measured.robust


def test_images_made_against_a_surrogate_are_one_more_attack(task: Task, measured: Evaluation) -> None:
    classifier = build_classifier(architecture_for(task, "mlp"))
    again = evaluate(
        classifier, task, settings=TINY.evaluation, surrogate=build_classifier(architecture_for(task, "mlp"))
    )
    for with_it, without in zip(again.robust, measured.robust, strict=True):
        assert set(with_it.attacks) - set(without.attacks) == {"transfer"}
        assert with_it.attack_images["transfer"] <= 2


def test_what_is_saved_is_loaded(measured: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "before.safetensors"
    save_evaluation(measured, path)
    assert summarise(load_evaluation(path), ARM, seed=0) == summarise(measured, ARM, seed=0)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"before\.safetensors is damaged"):
        load_evaluation(path)


def test_a_classifier_that_reads_only_the_shortcut_has_its_reasons_there(task: Task) -> None:
    """Positive control of the shortcut's share: images whose shortcut points at 3, explained for 3."""
    assert task.shifted is not None
    row_of_three = task.shifted.shortcut[:, 4, 24] & task.shifted.shortcut[:, 7, 27]
    chosen = row_of_three.nonzero().squeeze(1)
    only = replace(task, shifted=task.shifted.take(chosen), clean=task.clean.take(chosen))
    classifier = Classifier(replace(architecture_for(task, "mlp"), mean=(0.0,), std=(1.0,)), ReadsTheCorner()).eval()
    found = evaluate(classifier, only, settings=replace(TINY.evaluation, lime=EvaluationSettings().lime))
    assert found.shortcut_shares.mean() > 0.8


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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"linf": (), "l2": ()}, "needs a size of attack; found none"),
        ({"linf": (-0.1,)}, "epsilon must be at least 0; found -0.1"),
        ({"attack_images": 0}, "--evaluation.attack-images must be at least 1; found 0"),
        ({"explain_images": 0}, "--evaluation.explain-images must be at least 1; found 0"),
    ],
)
def test_what_could_not_be_measured_is_said_before_anything_is_trained(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        EvaluationSettings(**wrong)  # type: ignore[arg-type]


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
