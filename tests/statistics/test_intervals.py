"""Intervals cover what they should, calibration agrees with its definition, the permutation test keeps its level."""

import numpy as np
import pytest
import scipy.stats
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from explainfb.core.errors import InputError
from explainfb.core.seeding import numpy_generator
from explainfb.statistics.calibration import calibration_difference, calibration_error, calibration_noise, reliability
from explainfb.statistics.intervals import (
    accuracy_interval,
    bootstrap_interval,
    difference_interval,
    pair_accuracy_interval,
)


def drawn(n: int, sharpness: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities over five classes, and labels drawn from them."""
    generator = torch.Generator().manual_seed(seed)
    probabilities = (sharpness * torch.randn(n, 5, generator=generator)).softmax(1)
    return probabilities, torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def test_bootstrap_equals_scipys() -> None:
    values = np.random.default_rng(1).exponential(size=200)
    reference = scipy.stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=2)
    ours = bootstrap_interval(values, seed=0, resamples=20_000)
    assert ours.estimate == values.mean()
    assert (ours.low, ours.high) == pytest.approx(reference.confidence_interval, abs=0.005)


def test_bootstrap_covers_the_mean_in_95_of_100() -> None:
    rng = np.random.default_rng(3)
    intervals = [bootstrap_interval(rng.normal(size=60), seed=k, resamples=500) for k in range(400)]
    assert 0.91 <= np.mean([i.low <= 0 <= i.high for i in intervals]) <= 0.98


def test_same_seed_same_interval_and_no_global_state() -> None:
    values = np.random.default_rng(4).random(50)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_many_values_are_resampled_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(5).random(300)
    whole = bootstrap_interval(values, seed=0, resamples=400)
    monkeypatch.setattr("explainfb.statistics.intervals.DRAWS_AT_ONCE", 1000)
    pieces = bootstrap_interval(values, seed=0, resamples=400)
    assert (pieces.low, pieces.high) == pytest.approx((whole.low, whole.high), abs=1e-12)


def test_pairing_takes_the_images_difficulty_out() -> None:
    rng = np.random.default_rng(6)
    before = rng.normal(0, 10, 200)
    after = before + rng.normal(0.5, 0.5, 200)
    paired = difference_interval(after, before, seed=0)
    assert 0.3 < paired.low < 0.5 < paired.high < 0.7
    unpaired = difference_interval(after, rng.permutation(before), seed=0)
    assert unpaired.high - unpaired.low > 5 * (paired.high - paired.low)


@pytest.mark.parametrize(("right", "n"), [(0, 100), (100, 100), (3, 300), (297, 300), (1, 1)])
def test_accuracy_near_0_and_1_has_wilsons_interval(right: int, n: int) -> None:
    interval = accuracy_interval(np.r_[np.ones(right), np.zeros(n - right)], seed=0)
    wilson = scipy.stats.binomtest(right, n).proportion_ci(method="wilson")
    assert interval.estimate == right / n
    assert (interval.low, interval.high) == pytest.approx((wilson.low, wilson.high), abs=1e-12)
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1
    assert interval.high - interval.low > 0.01


def test_accuracy_in_the_middle_is_bootstrapped() -> None:
    correct = np.r_[np.ones(60), np.zeros(40)]
    assert accuracy_interval(correct, seed=7) == bootstrap_interval(correct, seed=7)


@pytest.mark.parametrize("sharpness", [0.5, 3.0])
def test_calibration_error_is_torchmetrics(sharpness: float) -> None:
    probabilities, labels = drawn(400, sharpness)
    reference = float(multiclass_calibration_error(probabilities.double(), labels, 5, 15))
    assert calibration_error(probabilities, labels, seed=0).estimate == pytest.approx(reference, abs=1e-12)


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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_interval(np.array([]), seed=0), "one value for each image"),
        (lambda: bootstrap_interval(np.array([1.0, np.nan]), seed=0), "Value 1 is NaN"),
        (lambda: difference_interval(np.ones(3), np.ones(4), seed=0), "same images twice"),
        (lambda: accuracy_interval(np.array([0.0, 0.5]), seed=0), "found 0.5"),
        (lambda: calibration_error(torch.randn(5, 3), torch.zeros(5, dtype=torch.long), seed=0), "apply softmax"),
        (lambda: reliability(torch.full((5, 2), 0.5), torch.zeros(4, dtype=torch.long)), "N at least 1"),
    ],
)
def test_bad_input_is_named(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()  # type: ignore[operator]


def test_comparisons_that_share_an_image_tell_less() -> None:
    """40 comparisons of one image each way, all wrong where it takes part: as wide as the few images make it."""
    generator = numpy_generator(3, "pairs")
    right = generator.integers(1, 30, 80)
    shared = np.where(np.arange(80) < 40, 0, generator.integers(1, 30, 80))
    correct = (shared != 0).astype(np.float64)
    apart = pair_accuracy_interval(correct, np.arange(100, 180), np.arange(200, 280), seed=0)
    together = pair_accuracy_interval(correct, shared, right, seed=0)
    assert together.estimate == apart.estimate == 0.5
    assert together.high - together.low > 1.8 * (apart.high - apart.low)


def test_the_interval_of_pairs_is_never_narrower_than_that_of_independent_ones() -> None:
    correct = np.ones(6)
    found = pair_accuracy_interval(correct, np.arange(6), np.arange(6), seed=0)
    assert found == accuracy_interval(correct, seed=0)
