"""The calibration error agrees with its definition, and its intervals hold the truth."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from explainfb.statistics.calibration import calibration_difference, calibration_error, calibration_noise, reliability


def drawn(n: int, sharpness: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities over five classes, and labels drawn from them."""
    generator = torch.Generator().manual_seed(seed)
    probabilities = (sharpness * torch.randn(n, 5, generator=generator)).softmax(1)
    return probabilities, torch.multinomial(probabilities, 1, generator=generator)[:, 0]


@pytest.mark.parametrize("sharpness", [0.5, 3.0])
def test_calibration_error_is_torchmetrics(sharpness: float) -> None:
    probabilities, labels = drawn(400, sharpness)
    reference = float(multiclass_calibration_error(probabilities.double(), labels, 5, 15))
    assert calibration_error(probabilities, labels, seed=0).estimate == pytest.approx(reference, abs=1e-6)  # of float32


def test_certain_predictions_are_binned_with_the_nearly_certain() -> None:
    probabilities = torch.tensor([[1.0, 0.0], [0.98, 0.02]])
    interval = calibration_error(probabilities, torch.tensor([0, 1]), seed=0)
    assert interval.estimate == pytest.approx(abs(0.5 - 0.99))
    assert reliability(probabilities, torch.tensor([0, 1])).count.tolist() == [0] * 14 + [2]


def test_calibration_interval_tells_calibrated_from_not() -> None:
    probabilities, labels = drawn(2000, 2.0)
    calibrated = calibration_error(probabilities, labels, seed=0)
    sharpened = (probabilities**4) / (probabilities**4).sum(1, keepdim=True)
    overconfident = calibration_error(sharpened, labels, seed=0)
    assert calibrated.low <= calibrated.estimate <= calibrated.high < 0.06
    assert 0.15 < overconfident.low <= overconfident.estimate <= overconfident.high
    truth = [calibration_error(sharpened[k : k + 500], labels[k : k + 500], seed=0) for k in range(0, 2000, 500)]
    assert all(interval.low <= overconfident.estimate <= interval.high for interval in truth)


def test_calibration_interval_lies_around_the_estimate_despite_the_bias_of_resampling() -> None:
    for seed in range(5):
        probabilities, labels = drawn(1000, 2.0, seed)
        sharpened = (probabilities**1.7) / (probabilities**1.7).sum(1, keepdim=True)
        interval = calibration_error(sharpened, labels, seed=0)
        low = interval.low + calibration_noise(sharpened, labels, seed=0)
        assert (low + interval.high) / 2 == pytest.approx(interval.estimate, abs=0.004)


def with_confidence(confidence: np.ndarray, classes: int = 10) -> torch.Tensor:
    """Probabilities that predict class 0 with this confidence."""
    others = np.repeat((1 - confidence)[:, None] / (classes - 1), classes - 1, axis=1)
    return torch.from_numpy(np.c_[confidence, others])


@pytest.mark.parametrize("true", [0.0, 0.02, 0.05, 0.2])
def test_calibration_intervals_hold_the_truth_wherever_it_lies(true: float) -> None:
    rng, held = np.random.default_rng(1), []
    for seed in range(60):
        confidence = 0.3 + 0.7 * rng.beta(8, 1, 450)
        labels = torch.from_numpy(np.where(rng.random(450) < np.clip(confidence - true, 0, 1), 0, 1))
        interval = calibration_error(with_confidence(confidence), labels, seed=seed, resamples=300)
        held.append(interval.low <= true <= interval.high)
    assert np.mean(held) >= 0.9


def test_no_difference_is_seen_between_two_calibrated_classifiers_of_which_one_is_less_sharp() -> None:
    rng, claimed = np.random.default_rng(2), []
    for seed in range(60):
        confidence = 0.3 + 0.7 * rng.random(450)
        labels = torch.from_numpy(np.where(rng.random(450) < confidence, 0, 1))
        sharp, dull = with_confidence(confidence), with_confidence(np.full(450, 0.65))
        interval = calibration_difference(sharp, dull, labels, seed=seed, resamples=300)
        claimed.append(not interval.low <= 0 <= interval.high)
    assert np.mean(claimed) <= 0.05


def test_calibration_noise_is_the_error_of_a_calibrated_classifier() -> None:
    rng = np.random.default_rng(3)
    confidence = 0.3 + 0.7 * rng.random(300)
    probabilities = with_confidence(confidence)
    drawn = [torch.from_numpy(np.where(rng.random(300) < confidence, 0, 1)) for _ in range(100)]
    errors = [calibration_error(probabilities, labels, seed=0, resamples=1).estimate for labels in drawn]
    assert calibration_noise(probabilities, drawn[0], seed=0) == pytest.approx(np.mean(errors), rel=0.1)


def test_reliability_adds_up_to_the_calibration_error() -> None:
    probabilities, labels = drawn(500, 2.0)
    bins = reliability(probabilities, labels)
    filled = bins.count > 0
    gap = np.abs(bins.accuracy - bins.confidence)[filled] * bins.count[filled] / bins.count.sum()
    assert gap.sum() == pytest.approx(calibration_error(probabilities, labels, seed=0).estimate, abs=1e-6)
    assert bins.count.sum() == 500
    assert np.isnan(bins.accuracy[~filled]).all()
    assert ((bins.edges[:-1] <= bins.confidence) & (bins.confidence < bins.edges[1:]))[filled].all()
