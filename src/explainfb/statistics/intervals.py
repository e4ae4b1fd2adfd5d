"""Intervals and tests over images, and calibration: how far a number in the results can be trusted.

Every interval is to hold the truth in 95 % of cases, those of calibration errors in at least as many. Randomness comes
from the seed that is given; equal seeds give equal intervals.
"""

import numpy as np
import scipy.stats

from explainfb.core.errors import InputError
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import FloatArray, IntArray, Interval

QUANTILES = (0.025, 0.975)
FEWEST_OF_A_GROUP = 10
"""Images that a group needs to be judged for itself."""
DRAWS_AT_ONCE = 2_000_000
"""Rows that are drawn in one piece, so that resampling many values does not fill the memory."""


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
        # how often each row was drawn: one product with the columns then sums all resamples, and no row is copied
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


def worst_group_interval(correct: FloatArray, labels: IntArray, groups: IntArray) -> Interval:
    """The mean of `correct` (n,), each 0 or 1, on the group of `groups` (n,) where it is lowest, with its interval.

    The groups of one label (n,) with fewer than ten images each are taken together, or the lowest of many small ones
    would be chance. The interval has the truth whichever group is the worst: the lowest of the groups' own lower ends,
    and of their upper ends, each exact (Clopper & Pearson 1934) and corrected for how many groups there are.
    """
    correct = np.asarray(correct, dtype=np.float64)
    check_values(correct)
    pooled = _pooled(labels, groups)
    found = [correct[pooled == group] for group in np.unique(pooled)]
    level = 1 - 0.05 / len(found)
    ends = [scipy.stats.binomtest(int(own.sum()), len(own)).proportion_ci(level) for own in found]
    low, high = (min(float(getattr(each, side)) for each in ends) for side in ("low", "high"))
    return Interval(min(float(own.mean()) for own in found), low, high)


def _pooled(labels: IntArray, groups: IntArray) -> IntArray:
    """(n,): the group of each image, those of a label with too few images taken together."""
    _, own_group, counts = np.unique(groups, return_inverse=True, return_counts=True)
    # negative numbers are no group's, so that those of a label can share one
    pooled: IntArray = np.where(counts[own_group] < FEWEST_OF_A_GROUP, -1 - labels, groups)
    return pooled


def worst_group_difference(
    after: FloatArray, before: FloatArray, labels: IntArray, groups: IntArray, *, seed: int, resamples: int = 2000
) -> Interval:
    """The lowest group's mean of `after` (n,) less that of `before` (n,), each 0 or 1, with its interval.

    Which group is the lowest may differ. Images are drawn anew within each group, the same for both (a stratified
    paired bootstrap); groups are taken together as in `worst_group_interval`.
    """
    pooled = _pooled(labels, groups)
    draws = numpy_generator(seed, "bootstrap", "worst group")
    lowest = {"after": np.full(resamples, np.inf), "before": np.full(resamples, np.inf)}
    estimate = {"after": np.inf, "before": np.inf}
    for group in np.unique(pooled):
        members = np.flatnonzero(pooled == group)
        counts = draws.multinomial(len(members), np.full(len(members), 1 / len(members)), size=resamples)
        for name, values in (("after", after), ("before", before)):
            own = np.asarray(values, dtype=np.float64)[members]
            lowest[name] = np.minimum(lowest[name], counts @ own / len(members))
            estimate[name] = min(estimate[name], float(own.mean()))
    found = estimate["after"] - estimate["before"]
    low, high = np.quantile(lowest["after"] - lowest["before"], QUANTILES)
    return Interval(found, min(float(low), found), max(float(high), found))


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
    counts = counts[counts.sum(1) > 0]  # of few images a draw may hold no comparison at all
    low, high = np.quantile(counts @ np.asarray(correct, dtype=np.float64) / counts.sum(1), QUANTILES)
    # where all are right every resample is 1, and only the plain interval says that there are few
    return Interval(plain.estimate, min(plain.low, float(low)), max(plain.high, float(high)))
