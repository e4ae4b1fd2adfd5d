"""What is measured on a classifier."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.training import architecture_for
from explainfb.core.errors import InputError
from explainfb.evaluation.evaluator import Evaluation, evaluate, load_evaluation, save_evaluation
from explainfb.evaluation.settings import EvaluationSettings
from explainfb.evaluation.summary import summarise
from explainfb.results.records import ArmDescription
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Task
from explainfb.testing.tiny import TINY

ARM = ArmDescription("before", "before", "", "before")


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
