"""Calibration: how far a classifier's confidence can be trusted (Guo et al. 2017)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import FloatArray, IntArray, Interval
from explainfb.statistics.intervals import QUANTILES, resampled_sums

BINS = 15


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
    confidence, predicted = probabilities.detach().cpu().double().max(1)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    # a certain prediction would have a bin of its own behind the last
    index = (torch.bucketize(confidence, edges, right=True) - 1).clamp(max=bins - 1)
    return confidence.numpy(), (predicted == labels.cpu()).double().numpy(), index.numpy()


def signed_gaps(probabilities: Tensor, labels: Tensor, bins: int) -> FloatArray:
    """(N, bins): correctness less confidence of each image, in the column of its bin.

    The calibration error of any of the rows is the sum of the absolute sums of their columns, over how many they are.
    """
    confidence, correct, index = confidence_bins(probabilities, labels, bins)
    gaps: FloatArray = np.eye(bins)[index] * (correct - confidence)[:, None]
    return gaps


def calibration_error(
    probabilities: Tensor, labels: Tensor, *, seed: int, bins: int = BINS, resamples: int = 2000
) -> Interval:
    """Expected calibration error (Naeini et al. 2015; Guo et al. 2017) of the predicted class, in [0, 1].

        Σ_b |Σ_{n in bin b} (correct_n − confidence_n)| / N

    `probabilities` is (N, classes), `labels` (N,). Noise in the bins makes it too large: by nothing where the error is
    large, and by `calibration_noise` where the classifier is calibrated. A resample adds as much once more, so the
    bootstrap interval is moved down by its mean excess. Its lower end is then lowered by `calibration_noise`, and both
    ends are kept in [0, 1]. Raises `InputError` when rows are no distributions.
    """
    check_probabilities(probabilities, labels)
    gaps = signed_gaps(probabilities, labels, bins)
    errors = np.abs(resampled_sums(gaps, seed, resamples)).sum(1) / len(gaps)  # a resample is a sum of rows
    estimate = float(np.abs(gaps.mean(0)).sum())
    low, high = np.quantile(errors, QUANTILES) - (errors.mean() - estimate)
    # on average noise makes the estimate too large and never too small: only the lower end gives way
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
        columns.append(signed_gaps(probabilities, labels, bins))
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
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin is the NaN that is promised
        mean_confidence = np.bincount(index, confidence, bins) / count
        accuracy = np.bincount(index, correct, bins) / count
    return Reliability(np.linspace(0, 1, bins + 1), mean_confidence, accuracy, count.astype(np.int64))
