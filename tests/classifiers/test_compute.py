"""What is counted is what arithmetic says: images forward, and gradients backward."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.compute import compute_of, counted
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import architecture_for, train
from explainfb.core.errors import InputError
from explainfb.explanations.explainer import explain
from explainfb.explanations.settings import LimeSettings
from explainfb.finetuning import baselines
from explainfb.finetuning.feedback import finetune
from explainfb.finetuning.settings import FinetuneSettings
from explainfb.results.records import Compute
from explainfb.tasks.datasets import load_task

TASK = load_task("digits-decoy", train_images=200)
SPLIT = TASK.train
SETTINGS = FinetuneSettings(steps=3, batch_size=10, explain_batch_size=5, n_samples=8, reward_weight=0.7)
LIME = LimeSettings(n_samples=20)
assert SPLIT.relevance is not None


@pytest.fixture
def classifier() -> Classifier:
    return build_classifier(architecture_for(TASK, "lenet"))


METHODS: dict[str, tuple[Callable[[Classifier], object], int, int]] = {
    "cross_entropy": (lambda c: finetune(c, SPLIT, None, lime=LIME, settings=SETTINGS), 3 * 10, 3 * 10),
    "feedback": (
        lambda c: finetune(c, SPLIT, lambda explained: explained.weights.sum(1), lime=LIME, settings=SETTINGS),
        3 * (10 + 5 * 8),
        3 * (10 + 5 * 8),
    ),
    "rrr": (
        lambda c: baselines.rrr(c, SPLIT, irrelevant=~SPLIT.relevance, strength=1.0, settings=SETTINGS, seed=0),
        3 * 10,
        3 * 3 * 10,
    ),
    "input_gradient": (
        lambda c: baselines.input_gradient(c, SPLIT, strength=1.0, settings=SETTINGS, seed=0),
        3 * 10,
        3 * 3 * 10,
    ),
    "adversarial_training": (
        lambda c: baselines.adversarial_training(
            c, SPLIT, epsilon=0.1, settings=replace(SETTINGS, adversarial_steps=4), seed=0
        ),
        3 * 10 * (4 + 1),
        3 * 10 * (4 + 1),
    ),
    "rrr on top of adversarial training": (
        lambda c: baselines.rrr(
            c,
            SPLIT,
            irrelevant=~SPLIT.relevance,
            strength=1.0,
            settings=replace(SETTINGS, adversarial_epsilon=0.1, adversarial_steps=4),
            seed=0,
        ),
        3 * 10 * (4 + 1),
        3 * 10 * (4 + 3),
    ),
    "feedback on top of adversarial training": (
        lambda c: finetune(
            c,
            SPLIT,
            lambda explained: explained.weights.sum(1),
            lime=LIME,
            settings=replace(SETTINGS, adversarial_epsilon=0.1, adversarial_steps=4, counterexample_share=1.0),
            relevance_map=lambda images, _: images[:, 0],
        ),
        3 * (10 * (4 + 1) + 5 * 8),
        3 * (10 * (4 + 1) + 5 * 8),
    ),
    "feedback with a gradient penalty": (
        lambda c: finetune(
            c,
            SPLIT,
            None,
            lime=LIME,
            settings=replace(SETTINGS, counterexample_share=1.0, gradient_penalty=1.0),
            relevance_map=lambda images, _: images[:, 0],
        ),
        3 * 10,
        3 * 3 * 10,
    ),
    "explaining": (lambda c: explain(c, SPLIT.images[:4], settings=LIME, background=SPLIT.images), 4 * (20 + 1), 0),
    "training": (
        lambda c: train(TASK, settings=TrainingSettings(steps=6, batch_size=10, validate_every=2)),
        6 * 10 + 3 * len(TASK.validation),
        6 * 10,
    ),
}


@pytest.mark.parametrize("method", METHODS)
def test_each_method_costs_what_arithmetic_says(method: str, classifier: Classifier, tmp_path: Path) -> None:
    work, forward, backward = METHODS[method]
    with counted(tmp_path / "product.safetensors"):
        work(classifier)
    assert compute_of([tmp_path / "product.safetensors"]) == Compute(forward, backward)


def test_only_classifiers_are_counted_and_only_inside(classifier: Classifier, tmp_path: Path) -> None:
    images = SPLIT.images[:7]
    with counted(tmp_path / "product"):
        torch.nn.Linear(3, 3)(torch.ones(5, 3, requires_grad=True)).sum().backward()
        with torch.no_grad():
            classifier(images)
    F.cross_entropy(classifier(images), SPLIT.labels[:7]).backward()
    assert compute_of([tmp_path / "product"]) == Compute(7, 0)


def test_a_product_that_was_not_counted_leaves_the_whole_unknown(tmp_path: Path, classifier: Classifier) -> None:
    first, second = tmp_path / "round-1.safetensors", tmp_path / "round-2.safetensors"
    for path in (first, second):
        with counted(path):
            classifier(SPLIT.images[:3])
    assert compute_of([first, second]) == Compute(6, 0)
    (tmp_path / "round-2.budget.json").unlink()
    assert compute_of([first, second]) is None


def test_work_that_fails_leaves_no_number(tmp_path: Path, classifier: Classifier) -> None:
    with pytest.raises(RuntimeError, match=r"shape|size"), counted(tmp_path / "product"):
        classifier(SPLIT.images[:3, :, :5])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", '{"forward": 3, "sideways": 4}'])
def test_damaged_numbers_are_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "round-1.budget.json").write_text(text)
    with pytest.raises(InputError, match=r"round-1\.budget\.json is damaged"):
        compute_of([tmp_path / "round-1.safetensors"])
