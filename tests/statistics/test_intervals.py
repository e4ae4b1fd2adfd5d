"""Intervals cover what they should."""

import numpy as np
import pytest
import scipy.stats
import torch

from explainfb.core.errors import InputError
from explainfb.core.seeding import numpy_generator
from explainfb.statistics.calibration import calibration_error, reliability
from explainfb.statistics.intervals import (
    accuracy_interval,
    bootstrap_interval,
    difference_interval,
    pair_accuracy_interval,
    worst_group_interval,
)


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


def test_the_worst_group_is_the_lowest_mean_of_a_group_that_can_be_judged() -> None:
    labels = np.repeat([0, 1], [35, 50])
    groups = np.concatenate([np.repeat([0, 1, 2], [20, 9, 6]), np.repeat([3, 4], [20, 30])])
    correct = np.ones(85)
    correct[20:29] = 0  # a group of nine, judged together with the six of its label
    correct[35:45] = 0  # ten of the twenty of group 3
    assert worst_group_interval(correct, labels, groups).estimate == pytest.approx(6 / 15)
    correct[20:29] = 1
    assert worst_group_interval(correct, labels, groups).estimate == pytest.approx(0.5)


def test_the_interval_of_the_worst_group_has_the_truth_however_many_there_are() -> None:
    rng, truth = np.random.default_rng(5), np.array([0.7, 0.72, *np.full(18, 0.75)])
    groups = np.repeat(np.arange(20), 30)
    found = [worst_group_interval(rng.binomial(1, truth[groups]).astype(float), groups, groups) for _ in range(200)]
    assert np.mean([each.low <= 0.7 <= each.high for each in found]) >= 0.95
    assert np.mean([each.estimate for each in found]) < 0.65  # the lowest of twenty is lower than any truth
