"""The explanations that LIME is compared with: random words, greedy removal, and the gradient of Parzen windows."""

from typing import Any

import numpy as np

from experiments.ribeiro_2016.text_models import OnMasks, TextModel
from explainfb.core.types import FloatArray, IntArray

WIDTHS = (0.1, 0.25, 0.5, 0.75, *range(1, 11))
"""Of Parzen windows, that the authors' program tries."""


def random_words(words: int, most: int, rng: np.random.Generator) -> IntArray:
    """(≤ most,) places among a document's words."""
    return rng.permutation(words)[:most]


def greedy_words(predict: OnMasks, words: int, most: int, *, stop: bool = True) -> IntArray:
    """The words whose removal takes the most from the predicted class, one after the other (Martens & Provost 2014).

    It ends when the prediction changes, as the paper says, or never before `most` words where `stop` is False.
    """
    kept = np.ones(words)
    sign = 1.0 if predict(kept[None])[0] > 0.5 else -1.0
    found: list[int] = []
    while len(found) < min(most, words):
        left = np.flatnonzero(kept)
        without = np.repeat(kept[None], len(left), axis=0)
        without[np.arange(len(left)), left] = 0
        values = sign * predict(without)
        best = int(np.argmin(values))
        kept[left[best]] = 0
        found.append(int(left[best]))
        if stop and (values[best] > sign * 0.5) == (sign < 0) and values[best] != sign * 0.5:
            break
    return np.array(found, dtype=np.int64)


class Parzen:
    """A classifier of Parzen windows of what another one says, explained by its gradient (Baehrens et al. 2010).

    The windows' width is the one that disagrees least with what is said of training documents, each left out in turn.
    """

    def __init__(self, model: TextModel, bag: Any, labels: IntArray) -> None:
        # of documents that the classifier was not fitted on, or a classifier that knows them all is only its labels
        self.bag, self.positive = bag.tocsc(), model.held_out(bag, labels) == 1
        self.sizes: FloatArray = np.asarray(bag.sum(axis=1)).ravel()
        overlap = (bag @ bag.T).toarray()
        squares = self.sizes[:, None] + self.sizes[None] - 2 * overlap
        np.fill_diagonal(squares, np.inf)
        self.width = min(WIDTHS, key=lambda width: ((self._share(squares, width) > 0.5) != self.positive).sum())

    def _share(self, squares: FloatArray, width: float) -> FloatArray:
        kernel = _kernel(squares, width)
        shares: FloatArray = kernel[:, self.positive].sum(axis=1) / kernel.sum(axis=1)
        return shares

    def explain(self, words: IntArray, most: int) -> tuple[float, IntArray, FloatArray]:
        """Its probability of praise, and the places and slopes of the words of the largest slopes."""
        shared = self.bag[:, words].toarray()  # (N, n)
        squares = self.sizes + len(words) - 2 * shared.sum(axis=1)
        kernel = _kernel(squares[None], self.width)[0]
        share = float(kernel[self.positive].sum() / kernel.sum())
        # d/dx of Σ₊k / Σk, where dk/dx = k · (X − x) / σ²
        pull = (shared - 1) * (kernel / kernel.sum())[:, None]
        slopes = (pull[self.positive].sum(axis=0) - share * pull.sum(axis=0)) / self.width**2
        order = np.argsort(-np.abs(slopes), kind="stable")[:most]
        return share, order, slopes[order]


def _kernel(squares: FloatArray, width: float) -> FloatArray:
    """(m, N) up to a factor for each row, which cancels: of narrow windows nothing would be left otherwise."""
    nearest = squares.min(axis=1, keepdims=True)
    kernel: FloatArray = np.exp(-(squares - nearest) / (2 * width**2))
    return kernel
