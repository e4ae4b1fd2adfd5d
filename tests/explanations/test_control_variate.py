"""Explanations with a control variate: the same weights as without, and far less of chance in them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from explainfb import Explainer, InputError, LimeSettings, load_task
from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.core.seeding import torch_generator
from explainfb.core.types import FloatArray
from explainfb.explanations import control_variate
from explainfb.explanations.control_variate import fit_control_variate
from explainfb.explanations.explanation import Explanation

TASK = load_task("digits-decoy")
SMALL = torch.nn.functional.avg_pool2d(TASK.train.images[:301], 2)  # 14×14, for speed
BACKGROUND, IMAGE = SMALL[:200], SMALL[300]
PLAIN = LimeSettings(n_samples=256, n_segments=16)
CONTROLLED = replace(PLAIN, control_variate=True)
MANY = replace(PLAIN, n_samples=100_000)


class Additive(torch.nn.Module):
    """Three classes by the place of what is bright: a model that the control variate can be equal to."""

    def __init__(self, curved: float) -> None:
        super().__init__()
        generator = torch_generator(0, "additive")
        self.first = torch.nn.Parameter(torch.randn(196, 3, generator=generator) / 2)
        self.second = torch.nn.Parameter(torch.randn(196, 3, generator=generator) / 2)
        self.curved = curved

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.flatten(1)
        return pixels @ self.first + self.curved * (pixels @ self.second).square()


def classifier_of(curved: float) -> Classifier:
    shell = build_classifier(Architecture("lenet", 3, 1, 14, 14, (0.0,), (1.0,)))
    return Classifier(shell.architecture, Additive(curved)).eval()


def weights_by_seed(classifier: Classifier, settings: LimeSettings, seeds: int) -> FloatArray:
    found = [explained(classifier, settings, seed).weights for seed in range(seeds)]
    return np.stack(found)


def explained(classifier: Classifier, settings: LimeSettings, seed: int) -> Explanation:
    explainer = Explainer(classifier, settings=settings, background=BACKGROUND, seed=seed)
    return explainer(IMAGE[None], targets=[1])[0]


@pytest.fixture(autouse=True)
def _from_fewer_mixtures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the time, and still far more mixtures than masks; what is asserted does not depend on how many."""
    monkeypatch.setattr(control_variate, "MIXTURES", 1024)
    monkeypatch.setattr(control_variate, "MOST_KNOWN", 2**13)


@pytest.fixture(scope="module")
def truth() -> dict[float, Explanation]:
    return {curved: explained(classifier_of(curved), MANY, 77) for curved in (0.0, 0.3)}


def biased(found: FloatArray, truth: Explanation) -> FloatArray:
    """Whether the mean of weights (seeds, d) is further from the truth than their scatter and the truth's own error
    explain: more than 4.5 standard errors, which 12 seeds reach by chance for 1 superpixel in 1,000."""
    assert truth.standard_errors is not None
    error = np.hypot(found.std(0, ddof=1) / np.sqrt(len(found)), truth.standard_errors)
    far: FloatArray = np.abs(found.mean(0) - truth.weights) > 4.5 * error
    return far


@pytest.mark.parametrize("curved", [0.0, 0.3])
def test_weights_are_those_of_very_many_masks_with_a_fraction_of_the_error(
    curved: float, truth: dict[float, Explanation]
) -> None:
    """Where the distilled model is right and where it is not: no bias, and less error either way."""
    classifier = classifier_of(curved)
    plain, controlled = (weights_by_seed(classifier, settings, 12) for settings in (PLAIN, CONTROLLED))
    assert not biased(controlled, truth[curved]).any()
    ratio = controlled.var(0, ddof=1).mean() / plain.var(0, ddof=1).mean()
    assert ratio < (0.4 if curved == 0 else 0.7)


def test_a_useless_control_variate_does_no_harm_but_to_precision(truth: dict[float, Explanation]) -> None:
    """A planted bug: the classifier's answers on the backgrounds are exchanged, and the distilled model is nonsense."""
    classifier = classifier_of(0.0)
    found = []
    for seed in range(12):
        explainer = Explainer(classifier, settings=CONTROLLED, background=BACKGROUND, seed=seed)
        assert explainer.control is not None
        wrong = explainer.control.maps._replace(pixels=-explainer.control.maps.pixels.flip(0))
        explainer.control = replace(explainer.control, maps=wrong, _known={})
        found.append(explainer(IMAGE[None], targets=[1])[0].weights)
    assert not biased(np.stack(found), truth[0.0]).any()


@pytest.mark.parametrize("settings", [PLAIN, CONTROLLED, replace(PLAIN, fill="zero"), replace(PLAIN, sampling="lime")])
def test_standard_errors_are_those_that_seeds_show(settings: LimeSettings) -> None:
    classifier = classifier_of(0.3)
    found = [explained(classifier, settings, seed) for seed in range(20)]
    seen = np.stack([item.weights for item in found]).std(0, ddof=1)
    said = np.stack([item.standard_errors for item in found if item.standard_errors is not None])
    assert said.shape == (20, 16)
    assert np.sqrt((said**2).mean() / (seen**2).mean()) == pytest.approx(1, abs=0.2)


def test_reliability_is_the_correlation_of_two_seeds() -> None:
    classifier = classifier_of(0.3)
    found = [explained(classifier, CONTROLLED, seed) for seed in range(12)]
    between = np.corrcoef(np.stack([item.weights for item in found]))[np.triu_indices(12, 1)].mean()
    said = np.mean([item.reliability for item in found if item.reliability is not None])
    assert said == pytest.approx(between, abs=0.05)


def test_superpixels_that_differ_from_image_to_image_are_controlled_as_well() -> None:
    generator = torch_generator(0, "coloured")
    blocks = torch.rand(100, 3, 5, 6, generator=generator)
    background = (blocks.repeat_interleave(8, 2).repeat_interleave(8, 3) * 0.9).clamp(0, 1)
    shell = build_classifier(Architecture("lenet", 3, 3, 40, 48, (0.5,) * 3, (0.25,) * 3))
    settings = replace(CONTROLLED, superpixels="slic")
    explainer = Explainer(shell, settings=settings, background=background)
    one, two = explainer(background[:2])
    assert not np.array_equal(one.segments, two.segments)
    for item, image in ((one, background[0]), (two, background[1])):
        [alone] = explainer(image[None])
        np.testing.assert_array_equal(item.weights, alone.weights)


def test_the_distilled_model_says_how_much_it_explains() -> None:
    exact, curved = (
        fit_control_variate(classifier_of(value), BACKGROUND, settings=CONTROLLED).explained for value in (0.0, 0.3)
    )
    assert 0.99 < exact <= 1
    assert curved < exact


def test_the_control_variate_needs_background_images() -> None:
    with pytest.raises(InputError, match="give some training images as background"):
        Explainer(classifier_of(0.0), settings=CONTROLLED)(IMAGE[None])


def test_auto_asks_until_the_weights_are_known() -> None:
    classifier = classifier_of(0.3)
    settings = replace(PLAIN, n_samples="auto", precision=0.03, fill="data")
    found = explained(classifier, settings, 0)
    assert found.n_samples is not None
    assert found.standard_errors is not None
    assert found.n_samples > 256
    strength = np.sort(np.abs(found.weights))[::-1]
    known = 1.96 * found.standard_errors.max() <= 0.03
    apart = strength[4] - strength[5] > 1.96 * found.standard_errors.min()
    assert known or apart or found.n_samples == settings.most_samples
    assert explained(classifier, replace(settings, most_samples=300), 0).n_samples == 300
    assert explained(classifier, replace(settings, fill="zero", n_segments=4), 0).n_samples == 14  # all there are
