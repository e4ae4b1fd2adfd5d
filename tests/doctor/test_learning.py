"""Each bug is planted alone in a sound set-up, and the doctor has to name it and nothing else: learning."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from doctor_plants import SHORT, Planted, failed, half_digits, named
from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import architecture_for, fit
from explainfb.doctor import examine, examine_classifier
from explainfb.tasks.task import Split, Task


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def digits() -> Task:
    return half_digits()


def test_a_loop_that_feeds_black_images_is_found(digits: Task) -> None:
    def feeds_black(classifier: Classifier, train_split: Split, validation: Split, **options: object) -> Classifier:
        black = replace(train_split, images=torch.zeros_like(train_split.images))
        return fit(classifier, black, validation, **options)  # type: ignore[arg-type]

    findings = examine(digits, train=feeds_black, settings=SHORT)
    assert failed(findings) == {"blind does worse"}


def test_a_sum_in_place_of_a_mean_is_found(digits: Task) -> None:
    findings = examine(
        digits, loss=lambda logits, labels: F.cross_entropy(logits, labels, reduction="sum"), settings=SHORT
    )
    assert "loss at start" in failed(findings)


def test_a_biased_last_layer_is_found(digits: Task) -> None:
    def biased() -> Classifier:
        classifier = Planted(digits)
        nn.init.constant_(classifier.network[7].bias[:1].data, 5.0)
        return classifier

    assert failed(examine(digits, build=biased, settings=SHORT)) == {"loss at start"}


def test_a_learning_rate_that_is_too_low_is_found(digits: Task) -> None:
    findings = examine(digits, settings=TrainingSettings(steps=200, learning_rate=1e-4))
    assert failed(findings) == {"one batch learned"}


def test_a_training_that_diverges_is_a_finding(digits: Task) -> None:
    findings = examine(digits, settings=TrainingSettings(steps=50, learning_rate=1e30))
    assert failed(findings) == {"gradients reach parameters"}
    assert "loss was nan" in named(findings, "gradients reach parameters").seen


def test_a_network_that_a_linear_model_beats_is_found(digits: Task) -> None:
    def few_images(classifier: Classifier, train_split: Split, validation: Split, **options: object) -> Classifier:
        return fit(classifier, train_split.take(slice(40)), validation, **options)  # type: ignore[arg-type]

    findings = examine(digits, train=few_images, settings=SHORT)
    assert failed(findings) == {"simple models beaten"}


def test_a_classifier_that_learned_nothing_is_found(digits: Task) -> None:
    classifier = build_classifier(architecture_for(digits, "lenet"), 3)
    assert failed(examine_classifier(digits, classifier, settings=SHORT)) == {"blind does worse"}
