"""How far estimates are from the truth and from each other, and whether they know it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from experiments.explanation_precision.asked import Case
from experiments.explanation_precision.methods import Estimate
from explainfb.core.types import FloatArray
from explainfb.explanations.explainer import NORMAL_95
from explainfb.explanations.settings import Sampling

TRUTH_SEED = 1000


@dataclass(frozen=True, eq=False)
class Truth:
    """The mean of several explanations of very many masks, each with a control variate of its own."""

    weights: FloatArray
    """(B, d)"""
    errors: FloatArray
    """(B, d): the standard error of that mean, by how far its parts differ."""

    @property
    def relative_error(self) -> FloatArray:
        """(B,)"""
        own = np.sqrt((self.errors**2).sum(1))
        found: FloatArray = own / np.linalg.norm(centred(self.weights), axis=1)
        return found


def truths_of(case: Case, parts: int, masks: int, samplings: Sequence[Sampling]) -> dict[Sampling, Truth]:
    """From `parts` explanations of so many masks for every image."""
    found: dict[Sampling, list[list[FloatArray]]] = {sampling: [] for sampling in samplings}
    for seed in range(TRUTH_SEED, TRUTH_SEED + parts):
        for sampling in samplings:
            images = range(len(case.images))
            own = [case.explain(place, masks, sampling, seed, control=True).weights for place in images]
            found[sampling].append(own)
        case.forget(seed)
    every = {sampling: np.array(each) for sampling, each in found.items()}  # (parts, B, d)
    return {sampling: Truth(each.mean(0), each.std(0, ddof=1) / parts**0.5) for sampling, each in every.items()}


def centred(weights: FloatArray) -> FloatArray:
    """Less their mean over superpixels: values that are made to add up to f(x) − f(hidden) differ from a regression
    with a free intercept by the same number in every superpixel, and in nothing else."""
    found: FloatArray = weights - weights.mean(-1, keepdims=True)
    return found


def relative_error(weights: FloatArray, truth: FloatArray, own: FloatArray) -> float:
    """Root of the mean over seeds of |estimate − truth|² / |truth|² for weights (S, d), the truth's own error out."""
    squared = ((weights - truth) ** 2).sum(1).mean() - (own**2).sum()
    return float(np.sqrt(max(squared, 0.0)) / np.linalg.norm(truth))


def correlation(one: FloatArray, other: FloatArray) -> float:
    """0 where one of them is the same everywhere, as a method's may be that saw a single background image."""
    return float(np.corrcoef(one, other)[0, 1]) if one.std() > 0 and other.std() > 0 else 0.0


def measured(estimates: Sequence[Sequence[Estimate]], truth: Truth) -> dict[str, object]:
    """Of estimates by image and seed."""
    weights = np.array([[one.weights for one in image] for image in estimates])  # (B, S, d)
    own, known = truth.errors, truth.weights
    places = range(len(weights))
    errors = [relative_error(centred(weights[i]), centred(known[i]), own[i]) for i in places]
    pairs = list(combinations(range(weights.shape[1]), 2))
    strongest = np.abs(weights).argmax(2)
    told: dict[str, object] = {
        "passes": round(float(np.mean([one.passes for image in estimates for one in image])), 1),
        "error": [round(each, 4) for each in errors],
        "free_error": round(float(np.mean([relative_error(weights[i], known[i], own[i]) for i in places])), 4),
        "correlation": _rounded([correlation(weights[i, a], weights[i, b]) for i in places for a, b in pairs]),
        "same_strongest": _rounded([strongest[i, a] == strongest[i, b] for i in places for a, b in pairs]),
        "true_strongest": _rounded(strongest == np.abs(known).argmax(1)[:, None]),
    }
    if estimates[0][0].errors is not None:
        told |= _known_errors(estimates, weights, truth, pairs)
    return told


def _known_errors(
    estimates: Sequence[Sequence[Estimate]], weights: FloatArray, truth: Truth, pairs: Sequence[tuple[int, int]]
) -> dict[str, object]:
    """What a method says of its own error, beside what is so."""
    errors = np.array([[one.errors for one in image] for image in estimates])
    # the truth is not known exactly either
    spread = np.sqrt(errors**2 + truth.errors[:, None] ** 2)
    out = np.abs(weights) >= 2 * errors
    both = [(out[i, a], out[i, b]) for i in range(len(out)) for a, b in pairs]
    overlaps = [(one & other).sum() / max(1, (one | other).sum()) for one, other in both]
    return {
        "coverage": _rounded(np.abs(weights - truth.weights[:, None]) <= NORMAL_95 * spread),
        "stand_out": _rounded(out),
        "overlap": _rounded(overlaps),
        "reliability": _rounded([one.reliability or 0.0 for image in estimates for one in image]),
    }


def _rounded(values: object) -> float:
    return round(float(np.mean(np.asarray(values, dtype=float))), 4)
