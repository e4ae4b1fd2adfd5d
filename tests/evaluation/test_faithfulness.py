"""How true explanations are to a classifier stands in its evaluation, on the images that were explained."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from explainfb import EvaluationSettings, Explainer, InputError, LimeSettings, deletion
from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.training import architecture_for
from explainfb.core.types import Interval
from explainfb.evaluation.evaluator import Evaluation, evaluate, load_evaluation, save_evaluation
from explainfb.evaluation.faithfulness import measure_faithfulness
from explainfb.evaluation.summary import summarise
from explainfb.results.json_file import read_results, write_results
from explainfb.results.records import ArmDescription
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Task
from explainfb.testing.tiny import TINY
from results_example import example_results, with_arm

ARM = ArmDescription("before", "before", "", "before")
FEW = replace(TINY.evaluation, linf=(0.1,), l2=(), attack_images=2, explain_images=6, faithfulness_images=4)
NAMES = ["deletion", "insertion", "infidelity", "sensitivity"]


class ReadsTheMiddle(torch.nn.Module):
    """Sure of class 1 in so far as the middle of the image is bright, and blind to all else."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = images[:, 0, 10:18, 10:18].mean((1, 2))
        return torch.stack([torch.zeros_like(bright), 8 * bright - 2], 1)


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("digits-decoy", train_images=200)


@pytest.fixture(scope="module")
def measured(task: Task) -> Evaluation:
    return evaluate(build_classifier(architecture_for(task, "mlp")), task, settings=FEW)


def test_it_is_measured_on_some_of_the_explained_images(measured: Evaluation) -> None:
    assert measured.faithfulness is not None
    assert list(measured.faithfulness) == NAMES
    assert [values.shape for values in measured.faithfulness.values()] == [(4,)] * 4
    assert measured.shortcut_shares is not None
    assert len(measured.shortcut_shares) == 6


def test_it_changes_nothing_else(task: Task, measured: Evaluation) -> None:
    without = evaluate(
        build_classifier(architecture_for(task, "mlp")), task, settings=replace(FEW, faithfulness_images=0)
    )
    assert without.faithfulness is None
    assert np.array_equal(without.shortcut_shares, measured.shortcut_shares)
    assert summarise(without, ARM, seed=0).faithfulness is None


def test_a_task_without_a_shortcut_has_it_too(task: Task) -> None:
    clean = replace(task.clean, shortcut=None, shortcut_class=None)
    plain = replace(task, clean=clean, shifted=None, train_without_shortcut=None)
    found = evaluate(build_classifier(architecture_for(task, "mlp")), plain, settings=FEW)
    assert found.shortcut_shares is None
    assert found.faithfulness is not None
    assert len(found.faithfulness["deletion"]) == 4


def test_explanations_that_tell_what_counts_are_more_faithful_than_such_that_do_not() -> None:
    """Planted: the same explanations with their weights in another place."""
    images = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 0.2
    images[:, :, 8:20, 8:20] += 0.7
    classifier = Classifier(Architecture("middle", 2, 1, 28, 28, (0.0,), (1.0,)), ReadsTheMiddle()).eval()
    explainer = Explainer(classifier, settings=LimeSettings(n_samples=200, fill="zero"))
    true = explainer(images)
    false = [replace(each, weights=np.roll(each.weights, 10)) for each in true]
    good, bad = (measure_faithfulness(explainer, images, each, seed=0) for each in (true, false))
    assert good is not None
    assert bad is not None
    assert good["deletion"].mean() < bad["deletion"].mean()
    assert good["insertion"].mean() > bad["insertion"].mean()
    assert good["infidelity"].mean() < bad["infidelity"].mean() / 2
    assert good["sensitivity"].mean() < bad["sensitivity"].mean()
    own = deletion(classifier, images[0], true[0], fill="zero").mean()
    assert good["deletion"][0] == pytest.approx(own)


def test_an_explanation_without_any_weight_is_left_out() -> None:
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    images[:, :, 10:18, 10:18] = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    classifier = Classifier(Architecture("middle", 2, 1, 28, 28, (0.0,), (1.0,)), ReadsTheMiddle()).eval()
    explainer = Explainer(classifier, settings=LimeSettings(n_samples=100, fill="zero"))
    silent, telling = explainer(images)
    silent = replace(silent, weights=np.zeros_like(silent.weights))
    found = measure_faithfulness(explainer, images, [silent, telling], seed=0)
    assert found is not None
    assert [len(values) for values in found.values()] == [1] * 4
    assert measure_faithfulness(explainer, images[:1], [silent], seed=0) is None


def test_it_is_kept_with_the_evaluation_and_a_file_without_it_is_read(measured: Evaluation, tmp_path: Path) -> None:
    for evaluation in (measured, replace(measured, faithfulness=None)):
        save_evaluation(evaluation, tmp_path / "before.safetensors")
        again = summarise(load_evaluation(tmp_path / "before.safetensors"), ARM, seed=0)
        assert again == summarise(evaluation, ARM, seed=0)
    found = summarise(measured, ARM, seed=0).faithfulness
    assert found is not None
    assert measured.faithfulness is not None
    assert found.n == 4
    assert found.deletion.estimate == measured.faithfulness["deletion"].mean()
    assert found.deletion.low <= found.deletion.estimate <= found.deletion.high


def test_results_hold_it_and_results_without_it_are_read(tmp_path: Path) -> None:
    path, results = tmp_path / "results.json", example_results()
    write_results(results, path)
    found = json.loads(path.read_text(encoding="utf-8"))["arms"]["feedback"]["faithfulness"]
    assert found["n"] == 20
    assert found["insertion"] == {"estimate": 0.974, "low": 0.961, "high": 0.985}
    assert read_results(path) == results
    without = with_arm(results, "before", faithfulness=None)
    write_results(without, path)
    assert "faithfulness" not in json.loads(path.read_text(encoding="utf-8"))["arms"]["before"]
    assert read_results(path) == without


def test_results_that_cannot_be_so_are_refused(tmp_path: Path) -> None:
    results = example_results()
    wrong = replace(results.before.faithfulness, infidelity=Interval(-0.1, -0.2, 0.0))  # type: ignore[type-var]
    with pytest.raises(InputError, match="infidelity"):
        write_results(with_arm(results, "before", faithfulness=wrong), tmp_path / "results.json")


def test_a_negative_number_of_images_is_refused() -> None:
    with pytest.raises(InputError, match="is a number of images, or 0; found -1"):
        EvaluationSettings(faithfulness_images=-1)
