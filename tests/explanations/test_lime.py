"""What an explanation depends on and what not, which class it explains, and what it costs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.networks import Architecture
from explainfb.explanations.explainer import explain, sample_perturbations
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.settings import LimeSettings
from lime_example import BACKGROUND, CLASSIFIER, IMAGES, QUICK, Recorder, random, same, small_classifier


@pytest.mark.parametrize("fill", ["zero", "mean", "blur", "noise", "data"])
@pytest.mark.parametrize("sampling", ["lime", "kernelshap"])
def test_an_explanation_depends_on_the_seed_and_the_image_alone(sampling, fill) -> None:
    asked = replace(QUICK, sampling=sampling, fill=fill)

    def run(order: list[int], seed: int = 0) -> list[Explanation]:
        return explain(CLASSIFIER, IMAGES[order], settings=asked, background=BACKGROUND, seed=seed)

    [alone], [again], batch, turned, [other] = run([2]), run([2]), run([0, 1, 2, 3, 4]), run([4, 2]), run([2], seed=1)
    assert all(same(alone, explanation) for explanation in (again, batch[2], turned[1]))
    assert not same(alone, other)


def test_the_global_random_states_are_left_alone() -> None:
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    explain(CLASSIFIER, IMAGES, settings=replace(QUICK, fill="noise"))
    explain(CLASSIFIER, IMAGES, settings=replace(QUICK, backend="lime"), background=BACKGROUND)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_a_classifier_left_in_training_mode_is_explained_in_evaluation_mode() -> None:
    architecture = CLASSIFIER.architecture
    classifier = Classifier(architecture, nn.Sequential(nn.Dropout(0.5), CLASSIFIER.network)).train()
    [left_training] = explain(classifier, IMAGES[:1], settings=QUICK, background=BACKGROUND)
    [evaluated] = explain(CLASSIFIER, IMAGES[:1], settings=QUICK, background=BACKGROUND)
    assert same(left_training, evaluated)


def test_several_classes_cost_one_pass() -> None:
    classifier = small_classifier((1, 12, 10))
    seen = Recorder(classifier)
    near = sample_perturbations(classifier, IMAGES[0], settings=QUICK, background=BACKGROUND)
    several = [near.explain(target) for target in range(3)]
    assert sum(seen.sizes) == QUICK.n_samples + 1
    apart = explain(classifier, IMAGES[[0, 0, 0]], targets=torch.arange(3), settings=QUICK, background=BACKGROUND)
    assert all(same(one, other) for one, other in zip(several, apart, strict=True))
    np.testing.assert_allclose(sum(item.weights for item in several), 0, atol=1e-6)  # probabilities add up to 1


def test_the_predicted_class_is_explained_unless_another_is_asked_for() -> None:
    explanations = explain(CLASSIFIER, IMAGES, settings=QUICK, background=BACKGROUND)
    with torch.no_grad():
        probabilities = CLASSIFIER(IMAGES).softmax(1)
    assert [item.target for item in explanations] == probabilities.argmax(1).tolist()
    np.testing.assert_allclose([item.probability for item in explanations], probabilities.amax(1), atol=1e-6)


def test_a_thousand_masks_of_a_large_image_never_hold_more_than_a_few_dozen() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 2))
    classifier = Classifier(Architecture("tiny", 2, 3, 224, 224, (0.5,) * 3, (0.5,) * 3), network)
    seen = Recorder(classifier)
    images = random(1, 3, 224, 224, name="large")
    explain(classifier, images, settings=LimeSettings(fill="mean", n_segments=196))
    assert sum(seen.sizes) == 1001
    assert max(seen.sizes) <= 36
