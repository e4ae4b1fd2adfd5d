"""Intervals and tests over images, and calibration: how far a number in the results can be trusted.

Every interval is to hold the truth in 95 % of cases, those of calibration errors in at least as many. Randomness comes
from the seed that is given; equal seeds give equal intervals.
"""

from dataclasses import dataclass

import numpy as np
import scipy.stats
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from explainfb.errors import InputError
from explainfb.seeds import numpy_generator
from explainfb.types import FloatArray, IntArray, Interval

BINS = 15
QUANTILES = (0.025, 0.975)
DRAWS_AT_ONCE = 2_000_000


@dataclass(frozen=True, eq=False)
class Reliability:
    """What a reliability diagram draws (Guo et al. 2017): images binned by the confidence of their prediction."""

    edges: FloatArray
    """(bins + 1,): the bins' borders, from 0 to 1."""
    confidence: FloatArray
    """(bins,): mean confidence in [0, 1]; NaN where a bin is empty."""
    accuracy: FloatArray
    """(bins,): share of right predictions in [0, 1]; NaN where a bin is empty."""
    count: IntArray
    """(bins,): how many images."""


def check_values(values: FloatArray) -> None:
    """Raise `InputError` unless `values` is a non-empty vector of finite numbers."""
    if values.ndim != 1 or len(values) == 0:
        raise InputError(f"Statistics need a vector with one value for each image; found shape {values.shape}.")
    if not np.isfinite(values).all():
        raise InputError(f"Value {int(np.argmin(np.isfinite(values)))} is NaN or infinite; remove what broke it.")


def resampled_sums(columns: FloatArray, seed: int, resamples: int) -> FloatArray:
    """(resamples, k): column sums of `columns` (n, k), each over n rows drawn with replacement."""
    n = len(columns)
    generator = numpy_generator(seed, "bootstrap")
    chunk = max(1, DRAWS_AT_ONCE // n)
    sums = []
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        draws = generator.integers(0, n, size=(rows, n)) + n * np.arange(rows)[:, None]
        counts = np.bincount(draws.ravel(), minlength=rows * n).reshape(rows, n)
        sums.append(counts @ columns)
    return np.concatenate(sums)


def bootstrap_interval(values: FloatArray, *, seed: int, resamples: int = 2000) -> Interval:
    """The mean of `values` (n,), one for each image, with its percentile bootstrap interval (Efron 1979).

    Raises `InputError` when `values` is empty or not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    check_values(values)
    means = resampled_sums(values[:, None], seed, resamples)[:, 0] / len(values)
    low, high = np.quantile(means, QUANTILES)
    return Interval(float(values.mean()), float(low), float(high))


def difference_interval(after: FloatArray, before: FloatArray, *, seed: int, resamples: int = 2000) -> Interval:
    """The mean of `after − before`, both (n,) over the same images, with its paired bootstrap interval.

    Pairing takes the difficulty of each image out, which is most of the variance. Raises `InputError` when the two
    do not have the same length.
    """
    after, before = np.asarray(after, dtype=np.float64), np.asarray(before, dtype=np.float64)
    if after.shape != before.shape:
        raise InputError(f"A paired difference needs the same images twice; found {after.shape} and {before.shape}.")
    return bootstrap_interval(after - before, seed=seed, resamples=resamples)


def accuracy_interval(correct: FloatArray, *, seed: int, resamples: int = 2000) -> Interval:
    """The mean of `correct` (n,), each 0 or 1, with its interval: bootstrap, or Wilson's near 0 and 1.

    With fewer than ten right or ten wrong the bootstrap is too narrow, and of zero width when all are alike.
    Wilson's score interval (1927) keeps close to 95 % there and inside [0, 1] (Brown, Cai & DasGupta 2001); the exact
    interval of Clopper and Pearson is wider than it need be.
    """
    correct = np.asarray(correct, dtype=np.float64)
    check_values(correct)
    if not np.isin(correct, (0.0, 1.0)).all():
        raise InputError(f"An accuracy is over values 0 and 1; found {correct[~np.isin(correct, (0.0, 1.0))][0]:g}.")
    right = int(correct.sum())
    if min(right, len(correct) - right) >= 10:
        return bootstrap_interval(correct, seed=seed, resamples=resamples)
    wilson = scipy.stats.binomtest(right, len(correct)).proportion_ci(method="wilson")
    estimate = right / len(correct)
    return Interval(estimate, min(float(wilson.low), estimate), max(float(wilson.high), estimate))


def pair_accuracy_interval(
    correct: FloatArray, left: IntArray, right: IntArray, *, seed: int, resamples: int = 2000
) -> Interval:
    """The mean of `correct` (n,), each 0 or 1, over comparisons of images `left` and `right` (n,), with its interval.

    Comparisons that share an image are not independent, so images are drawn, and a comparison counts as often as both
    of its images were (Owen 2007, the pigeonhole bootstrap). Never narrower than `accuracy_interval`.
    """
    plain = accuracy_interval(correct, seed=seed, resamples=resamples)
    images, index = np.unique(np.concatenate([left, right]), return_inverse=True)
    first, second = index[: len(left)], index[len(left) :]
    drawn = numpy_generator(seed, "bootstrap", "images").multinomial(
        len(images), np.full(len(images), 1 / len(images)), size=resamples
    )
    counts = np.where(first == second, drawn[:, first], drawn[:, first] * drawn[:, second])
    counts = counts[counts.sum(1) > 0]
    low, high = np.quantile(counts @ np.asarray(correct, dtype=np.float64) / counts.sum(1), QUANTILES)
    return Interval(plain.estimate, min(plain.low, float(low)), max(plain.high, float(high)))


def check_probabilities(probabilities: Tensor, labels: Tensor) -> None:
    """Raise `InputError` unless `probabilities` (N, classes) are a distribution in each row and `labels` fit them."""
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or len(labels) == 0:
        raise InputError(
            f"Calibration needs probabilities (N, classes) and labels (N,), N at least 1; "
            f"found {tuple(probabilities.shape)} and {tuple(labels.shape)}."
        )
    sums = probabilities.double().sum(1)
    if not bool(((probabilities >= 0).all(1) & ((sums - 1).abs() < 1e-3)).all()):
        raise InputError("Calibration needs probabilities that are at least 0 and sum to 1; apply softmax to logits.")


def confidence_bins(probabilities: Tensor, labels: Tensor, bins: int) -> tuple[FloatArray, FloatArray, IntArray]:
    """Confidence, correctness and bin of each image, each (N,); bin b holds [b, b + 1) / bins, the last one also 1."""
    confidence, predicted = below_one(probabilities).max(1)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    index = torch.bucketize(confidence, edges, right=True) - 1
    return confidence.numpy(), (predicted == labels.cpu()).double().numpy(), index.numpy()


def below_one(probabilities: Tensor) -> Tensor:
    """float64 on the CPU, a 1 moved just below: torchmetrics gives a confidence of exactly 1 a bin of its own."""
    return probabilities.detach().cpu().double().clamp(max=1 - 2**-53)


def calibration_error(
    probabilities: Tensor, labels: Tensor, *, seed: int, bins: int = BINS, resamples: int = 2000
) -> Interval:
    """Expected calibration error (Naeini et al. 2015; Guo et al. 2017) of the predicted class, in [0, 1].

    `probabilities` is (N, classes), `labels` (N,). The estimate is torchmetrics', which noise in the bins makes too
    large: by nothing where the error is large, and by `calibration_noise` where there is none. A resample adds as much
    once more, so the bootstrap interval is moved down by its mean excess; its lower end lies lower by
    `calibration_noise`, and both in [0, 1]. Raises `InputError` when rows are no distributions.
    """
    check_probabilities(probabilities, labels)
    confidence, correct, index = confidence_bins(probabilities, labels, bins)
    gaps = np.eye(bins)[index] * (correct - confidence)[:, None]
    errors = np.abs(resampled_sums(gaps, seed, resamples)).sum(1) / len(gaps)
    classes = probabilities.shape[1]
    estimate = float(multiclass_calibration_error(below_one(probabilities), labels.cpu(), classes, bins, norm="l1"))
    low, high = np.quantile(errors, QUANTILES) - (errors.mean() - estimate)
    low -= calibration_noise(probabilities, labels, seed=seed, bins=bins)
    return Interval(estimate, float(np.clip(low, 0, estimate)), float(np.clip(high, estimate, 1)))


def calibration_noise(
    probabilities: Tensor, labels: Tensor, *, seed: int, bins: int = BINS, resamples: int = 200
) -> float:
    """The error that would be measured on average, on as many images, of a classifier as confident and calibrated.

    Each prediction is right with a probability of its confidence (the consistency resampling of Bröcker & Smith 2007).
    """
    confidence, _, index = confidence_bins(probabilities, labels, bins)
    generator, members = numpy_generator(seed, "calibration noise"), np.eye(bins)[index]
    right = generator.random((resamples, len(confidence))) < confidence
    return float(np.abs((right - confidence) @ members).sum(1).mean() / len(confidence))


def calibration_difference(
    after: Tensor, before: Tensor, labels: Tensor, *, seed: int, bins: int = BINS, resamples: int = 2000
) -> Interval:
    """Expected calibration error of `after` less that of `before`, both (N, classes) over the same images.

    The bootstrap draws the same images for both. Either error may be too large by up to its `calibration_noise`, and
    each end of the interval allows for that. Raises `InputError` when rows are no distributions.
    """
    columns, estimates, noises = [], [], []
    for probabilities in (after, before):
        check_probabilities(probabilities, labels)
        confidence, correct, index = confidence_bins(probabilities, labels, bins)
        columns.append(np.eye(bins)[index] * (correct - confidence)[:, None])
        estimates.append(float(np.abs(columns[-1].mean(0)).sum()))
        noises.append(calibration_noise(probabilities, labels, seed=seed, bins=bins))
    sums = resampled_sums(np.concatenate(columns, axis=1), seed, resamples) / len(labels)
    errors = np.abs(sums[:, :bins]).sum(1) - np.abs(sums[:, bins:]).sum(1)
    estimate = estimates[0] - estimates[1]
    low, high = np.quantile(errors, QUANTILES) - (errors.mean() - estimate)
    return Interval(estimate, min(float(low) - noises[0], estimate), max(float(high) + noises[1], estimate))


def reliability(probabilities: Tensor, labels: Tensor, *, bins: int = BINS) -> Reliability:
    """The bins of `calibration_error`, for the reliability diagram. `probabilities` is (N, classes), `labels` (N,).

    Raises `InputError` when rows are no distributions.
    """
    check_probabilities(probabilities, labels)
    confidence, correct, index = confidence_bins(probabilities, labels, bins)
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(index, confidence, bins) / count
        accuracy = np.bincount(index, correct, bins) / count
    return Reliability(np.linspace(0, 1, bins + 1), mean_confidence, accuracy, count.astype(np.int64))
