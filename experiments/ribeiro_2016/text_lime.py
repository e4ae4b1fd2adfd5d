"""LIME on bags of words in closed form, for thousands of perturbed documents at once.

What `lime.lime_text.LimeTextExplainer` does with a bag of words: of the n words of a document a uniformly drawn number
1 … n is left out; with k words kept a copy lies D = 100 · (1 − √(k/n)) from the document (cosine distance, times 100)
and counts π = √exp(−D²/25²); K words are selected; and a ridge regression of the classifier's probability on them, with
an intercept, gives their weights. Here the copies are rows of 0 and 1 that no text is made of, the distance needs no
vector, since it depends on k and n alone, and the weighted normal equations are formed once for all classifiers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import lars_path_gram

from explainfb.core.types import FloatArray, IntArray

KERNEL_WIDTH = 25.0
RIDGE, SELECTION_RIDGE = 1.0, 0.01
"""What lime adds to the diagonal: for the weights that are told, and where all words' weights select some."""
PATH_STEPS = 3
"""Of the lasso's path so many times K steps are followed: the last point with no more than K words lies there, since a
word rarely leaves once it has come in."""
Masks = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class LocalModel:
    """What LIME says of one document."""

    intercept: float
    words: IntArray
    """(≤ K,) which of the document's words, the largest weight first."""
    weights: FloatArray
    """(≤ K,)"""


def draw_masks(words: int, samples: int, rng: np.random.Generator) -> Masks:
    """(samples, words) of 0 and 1: the document itself, then copies from which 1 … `words` words were left out.

    In 32 bits, in which the sums over them are formed too: that halves the time, and moves weights by less than 10⁻⁵.
    """
    left_out = rng.integers(1, words + 1, size=samples - 1)
    keys = rng.random((samples - 1, words), dtype=np.float32)
    # the words of the smallest keys are left out: faster than drawing them row by row
    largest = np.take_along_axis(np.sort(keys, axis=1), left_out[:, None] - 1, axis=1)
    return np.concatenate([np.ones((1, words), dtype=np.float32), (keys > largest).astype(np.float32)])


class Neighbourhood:
    """The perturbed copies of one document, ready for any classifier's probabilities.

    `published` fits as the program does that the paper's authors published with it, which differs from the package
    `lime`: copies count by π², no ridge penalty is taken, and in place of an intercept stands the plain mean of all
    probabilities. So it looks nearer to the document.
    """

    def __init__(self, masks: Masks, *, published: bool = False) -> None:
        self.masks, self.published = masks, published
        """(m, n)"""
        similarity = np.sqrt(
            masks.mean(axis=1, dtype=np.float64)
        )  # the cosine of a row with k ones and one with n is √(k/n)
        distance = 100 * (1 - similarity)
        kernel = np.sqrt(np.exp(-(distance**2) / KERNEL_WIDTH**2))
        self.weights: FloatArray = kernel**2 if published else kernel
        self.share: FloatArray = self.weights / self.weights.sum()
        self.means: FloatArray = np.zeros(masks.shape[1]) if published else self._sums(self.share)
        scaled = masks - self.means.astype(masks.dtype)
        scaled *= np.sqrt(self.weights).astype(masks.dtype)[:, None]
        self.gram: FloatArray = (scaled.T @ scaled).astype(np.float64)  # (n, n)

    def fit(self, outputs: FloatArray, most: int = 10, *, by: str = "lasso_path") -> LocalModel:
        """The local model of probabilities (m,) in at most `most` words.

        They are selected `by` the lasso's path, the paper's K-lasso, or by the `highest_weights` of a ridge regression
        on all words, which `lime` does where it is not told otherwise.
        """
        mean = float(outputs.mean() if self.published else self.share @ outputs)
        weighted = self.weights * (outputs - mean)
        target = self._sums(weighted) - self.means * weighted.sum()  # (n,)
        chosen = self._on_path(target, most) if by == "lasso_path" else self._highest(target, most)
        penalty = 0.0 if self.published else RIDGE
        weights = _ridge(self.gram[np.ix_(chosen, chosen)], target[chosen], penalty)
        order = np.argsort(-np.abs(weights), kind="stable")
        intercept = mean - float(self.means[chosen] @ weights)
        return LocalModel(intercept, chosen[order], weights[order])

    def _sums(self, values: FloatArray) -> FloatArray:
        """(n,): of each word the sum of values (m,) over the copies that have it."""
        return np.asarray(values.astype(self.masks.dtype) @ self.masks, dtype=np.float64)

    def _on_path(self, target: FloatArray, most: int) -> IntArray:
        if not np.abs(target).max() > 1e-10:  # a constant classifier
            return np.arange(0)
        _, _, coefficients = lars_path_gram(
            Xy=target, Gram=self.gram, n_samples=len(self.masks), max_iter=PATH_STEPS * most, method="lasso"
        )
        counts = (coefficients != 0).sum(axis=0)
        last = int(np.flatnonzero(counts <= most)[-1])
        found: IntArray = np.flatnonzero(coefficients[:, last])
        return found

    def _highest(self, target: FloatArray, most: int) -> IntArray:
        weights = _ridge(self.gram, target, SELECTION_RIDGE)
        found: IntArray = np.argsort(-np.abs(weights), kind="stable")[:most]
        return found


def _ridge(gram: FloatArray, target: FloatArray, alpha: float) -> FloatArray:
    if not len(target):
        return np.zeros(0)
    solved: Any = np.linalg.solve(gram + alpha * np.eye(len(target)), target)
    return np.asarray(solved, dtype=np.float64)
