"""Is one arm better than another, over seeds and images? Effect sizes first, tests corrected for how many are made.

Two things vary: which seed the whole study was run with, and which images it was measured on. A difference is called
one only when both tests say so, that is, with the larger of their p-values (an intersection–union test, Berger 1982):
a paired t-test over the seeds, and McNemar's exact test over every image of every seed. The p-values are corrected by
Holm's method (1979) for the number of contrasts. Of calibration errors, which noise makes too large, a difference has
to be larger than that noise as well.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from explainfb.core.types import FloatArray

LEVEL = 0.01


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """By how much one arm differs from another in one measure."""

    arm: str
    """What `reference` is compared with."""
    measure: str
    """The measure's key, such as `shifted_accuracy`."""
    difference: float
    """The reference less the arm, mean over the seeds."""
    low: float | None
    """The lower end of its 95 % t-interval over seeds; None for one seed."""
    high: float | None
    by_seed: tuple[float, ...]
    p_seeds: float | None
    """Of the paired t-test over seeds; None for one seed."""
    p_images: float | None
    """Of McNemar's test; None for a measure that is not a share of images."""
    p: float | None
    """The larger of the two, corrected by Holm's method; None where there was only one seed."""
    reliable: bool = True
    """False for a robust accuracy that failed a sanity check on some seed, of either arm."""
    noise: float = 0.0
    """By how much noise may have made one of two calibration errors too large: the larger of the two means over seeds;
    0 for another measure."""

    @property
    def is_significant(self) -> bool:
        """Whether it may be called a difference."""
        return self.reliable and self.p is not None and self.p < LEVEL and abs(self.difference) > self.noise


def contrast(
    arm: str,
    measure: str,
    pairs: Sequence[tuple[FloatArray, FloatArray]],
    *,
    reliable: bool = True,
    noise: float = 0.0,
) -> Contrast:
    """One contrast, its p-value not corrected yet: `pairs` has for each seed what the reference and the arm scored.

    A score is one value for each image, 0 or 1, or a single value, for which there is no test over images.
    """
    by_seed = np.array([here.mean() - there.mean() for here, there in pairs])
    p_seeds, half = _p_seeds(by_seed), half_width(by_seed)
    mean = float(by_seed.mean())
    p_images = _p_images(pairs) if len(pairs[0][0]) > 1 else None
    return Contrast(
        arm=arm,
        measure=measure,
        difference=mean,
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
        by_seed=tuple(float(each) for each in by_seed),
        p_seeds=p_seeds,
        p_images=p_images,
        p=None,
        reliable=reliable,
        noise=noise,
    )


def half_width(by_seed: FloatArray) -> float | None:
    """Half of the 95 % t-interval of the mean over seeds; None for one seed."""
    if len(by_seed) < 2:
        return None
    return float(scipy.stats.sem(by_seed) * scipy.stats.t.ppf(0.975, len(by_seed) - 1))


def _p_seeds(by_seed: FloatArray) -> float | None:
    """1 where no seed differs; the smallest positive number where all differ by the same."""
    if len(by_seed) < 2:
        return None
    if np.ptp(by_seed) == 0:  # the t-test would divide by a deviation of 0
        return 1.0 if by_seed[0] == 0 else float(np.finfo(np.float64).tiny)
    # of differences that are all but equal SciPy warns that it loses digits; p is then far below any level
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        return float(scipy.stats.ttest_1samp(by_seed, 0.0).pvalue)


def _p_images(pairs: Sequence[tuple[FloatArray, FloatArray]]) -> float:
    here, there = (np.concatenate(side) for side in zip(*pairs, strict=True))
    # only images on which the two differ tell them apart; McNemar's test asks whether both sides win as often
    only_here, only_there = int(((here == 1) & (there == 0)).sum()), int(((here == 0) & (there == 1)).sum())
    return float(mcnemar([[0, only_here], [only_there, 0]], exact=True).pvalue)


def corrected(found: Sequence[Contrast]) -> list[Contrast]:
    """With p-values by Holm's method over all of these that have one, whatever they were corrected for before."""
    tested = {
        # the larger of the two, for both must hold: so the test needs no correction for being two
        index: max(p for p in (each.p_seeds, each.p_images) if p is not None)
        for index, each in enumerate(found)
        if each.p_seeds is not None
    }
    by_holm = multipletests(list(tested.values()), method="holm")[1] if tested else []
    adjusted = dict(zip(tested, map(float, by_holm), strict=True))
    return [replace(each, p=adjusted.get(index)) for index, each in enumerate(found)]
