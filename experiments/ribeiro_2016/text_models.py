"""Classifiers of bags of words that answer for thousands of copies of one document at once.

`of(words)` takes a document's words and gives a function of masks (m, n), 1 where a word is kept, to the probability of
praise (m,): what the classifier says of the documents that the masks leave, without ever making them.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from scipy.special import expit
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from explainfb.core.types import FloatArray, IntArray

OnMasks = Callable[[Any], FloatArray]


class TextModel(Protocol):
    """A fitted classifier of bags of words."""

    @property
    def estimator(self) -> Any:
        """scikit-learn's, fitted."""

    def held_out(self, bag: Any, labels: IntArray) -> IntArray:
        """What it predicts of each training document (N,), fitted on four fifths without it."""

    def of(self, words: IntArray) -> OnMasks:
        """What it says of copies of the document with these words (n,) as columns of the bag."""


class Linear:
    """Logistic regression."""

    def __init__(self, estimator: Any, bag: Any, labels: IntArray) -> None:
        self.estimator = estimator.fit(bag, labels)

    def held_out(self, bag: Any, labels: IntArray) -> IntArray:
        return np.asarray(cross_val_predict(clone(self.estimator), bag, labels, cv=5))

    def of(self, words: IntArray) -> OnMasks:
        weights, intercept = self.estimator.coef_[0, words], self.estimator.intercept_[0]
        return lambda masks: np.asarray(expit(masks @ weights + intercept))


class Trees:
    """A decision tree or a forest, without the branches that this document's words cannot reach.

    A word that a document lacks always leads to the left. What is left of a tree is evaluated for all masks together:
    value = left + kept · (right − left).
    """

    def __init__(self, estimator: Any, bag: Any, labels: IntArray) -> None:
        self.estimator = estimator.fit(bag, labels)
        trees = getattr(estimator, "estimators_", [estimator])
        self.trees = [_tree(each.tree_) for each in trees]

    def held_out(self, bag: Any, labels: IntArray) -> IntArray:
        if getattr(self.estimator, "oob_score", False):  # what the trees say that did not see a document
            return np.asarray(self.estimator.oob_decision_function_.argmax(axis=1))
        return np.asarray(cross_val_predict(clone(self.estimator), bag, labels, cv=5))

    def of(self, words: IntArray) -> OnMasks:
        place = {int(word): index for index, word in enumerate(words)}
        pruned = [_pruned(tree, place, 0) for tree in self.trees]

        def predict(masks: FloatArray) -> FloatArray:
            columns = np.ascontiguousarray(masks.T)
            total = np.zeros(len(masks))
            for tree in pruned:
                total += _value(tree, columns)
            return total / len(pruned)

        return predict


Node = float | tuple[int, Any, Any]
"""A leaf's probability, or a word's place, what follows without it and what follows with it."""


def _tree(tree: Any) -> tuple[list[int], list[int], list[int], list[float]]:
    values = tree.value[:, 0, :]
    positive = values[:, 1] / values.sum(axis=1)
    return tree.feature.tolist(), tree.children_left.tolist(), tree.children_right.tolist(), positive.tolist()


def _pruned(tree: Any, place: dict[int, int], node: int) -> Node:
    feature, left, right, positive = tree
    while left[node] != -1:
        if feature[node] in place:
            without, kept = _pruned(tree, place, left[node]), _pruned(tree, place, right[node])
            return without if without == kept else (place[feature[node]], without, kept)
        node = left[node]
    return float(positive[node])


def _value(node: Node, columns: FloatArray) -> FloatArray | float:
    if isinstance(node, float):
        return node
    word, left, right = node
    without = _value(left, columns)
    found: FloatArray = without + columns[word] * (_value(right, columns) - without)
    return found


class Neighbours:
    """The five nearest documents; of those as near the one that comes first in the training set."""

    def __init__(self, estimator: Any, bag: Any, labels: IntArray) -> None:
        self.estimator = estimator.fit(bag, labels)
        self.bag, self.labels = bag.tocsc(), labels
        self.sizes: FloatArray = np.asarray(bag.sum(axis=1)).ravel()

    def held_out(self, bag: Any, labels: IntArray) -> IntArray:
        return np.asarray(cross_val_predict(clone(self.estimator), bag, labels, cv=5))

    def of(self, words: IntArray) -> OnMasks:
        shared = self.bag[:, words].toarray().T.astype(np.float32)  # (n, N)
        count, nearest = len(self.labels), self.estimator.n_neighbors
        # |x − z|² = |x| + |z| − 2 x·z, and the place in the training set where that is the same; whole numbers below
        # 2²⁴, which 32 bits hold exactly
        first = (self.sizes * count + np.arange(count)).astype(np.float32)
        positive = self.labels == 1

        def predict(masks: FloatArray) -> FloatArray:
            found = np.empty(len(masks))
            for start in range(0, len(masks), 1000):
                part = masks[start : start + 1000].astype(np.float32)
                order = first - (2 * count) * (part @ shared)
                chosen = np.argpartition(order, nearest - 1, axis=1)[:, :nearest]
                found[start : start + 1000] = positive[chosen].mean(axis=1)
            return found

        return predict


class Svm:
    """A support vector machine with Gaussian kernel; Platt's sigmoid of held-out margins makes them probabilities."""

    def __init__(self, estimator: Any, bag: Any, labels: IntArray) -> None:
        self.gamma = float(estimator.gamma)
        self.bag, self.sizes = bag.tocsc(), np.asarray(bag.sum(axis=1)).ravel()
        # the same kernel, formed once for all folds: a tenth of the time
        squares = self.sizes[:, None] + self.sizes[None] - 2 * (bag @ bag.T).toarray()
        kernel = np.exp(-self.gamma * squares)
        self.estimator = clone(estimator).set_params(kernel="precomputed")
        margins = cross_val_predict(self.estimator, kernel, labels, cv=5, method="decision_function")
        self.predicted: IntArray = (margins > 0).astype(np.int64)
        platt = LogisticRegression().fit(margins[:, None], labels)
        self.slope, self.offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
        self.estimator.fit(kernel, labels)
        self.vectors = self.bag[self.estimator.support_]
        self.dual: FloatArray = self.estimator.dual_coef_[0] * np.exp(-self.gamma * self.sizes[self.estimator.support_])

    def held_out(self, bag: Any, labels: IntArray) -> IntArray:
        return self.predicted

    def of(self, words: IntArray) -> OnMasks:
        shared = self.vectors[:, words].toarray().T.astype(np.float32)  # (n, S)

        def predict(masks: FloatArray) -> FloatArray:
            margins = np.empty(len(masks))
            for start in range(0, len(masks), 1000):
                part = masks[start : start + 1000].astype(np.float32)
                kernel = np.exp((2 * self.gamma) * (part @ shared))
                own = np.exp(-self.gamma * part.sum(axis=1))
                margins[start : start + 1000] = own * (kernel @ self.dual) + self.estimator.intercept_[0]
            return np.asarray(expit(self.slope * margins + self.offset))

        return predict


def paper_models(trees: int = 1000) -> dict[str, Callable[[Any, IntArray, int], TextModel]]:
    """The classifiers of section 5.3, as the authors' program sets them."""
    return {
        "logistic regression": lambda bag, labels, _: Linear(LogisticRegression(max_iter=1000), bag, labels),
        "nearest neighbours": lambda bag, labels, _: Neighbours(KNeighborsClassifier(), bag, labels),
        "random forest": lambda bag, labels, seed: Trees(
            RandomForestClassifier(n_estimators=trees, max_depth=5, oob_score=True, random_state=seed), bag, labels
        ),
        "SVM": lambda bag, labels, _: Svm(SVC(kernel="rbf", C=10, gamma=0.001), bag, labels),
    }


def sparse_logistic(bag: Any, labels: IntArray, every: Any, most: int = 10) -> Linear:
    """With an L1 penalty, the weakest that leaves at most `most` used words in any document of `every`."""
    strength = 0.1
    while True:
        estimator = LogisticRegression(l1_ratio=1.0, C=strength, solver="liblinear", random_state=0)
        found = Linear(estimator, bag, labels)
        used = (every != 0).astype(int) @ (estimator.coef_[0] != 0).astype(int)
        if used.max() <= most:
            return found
        strength *= 0.9


def small_tree(bag: Any, labels: IntArray, every: Any, seed: int, most: int = 10) -> Trees:
    """A decision tree, the deepest that uses at most `most` of a document's words for any document of `every`."""
    depth = None
    while True:
        estimator = DecisionTreeClassifier(max_depth=depth, random_state=seed)
        found = Trees(estimator, bag, labels)
        if max(len(words_on_path(found, row)) for row in rows_of(every)) <= most:
            return found
        depth = (depth or estimator.get_depth()) - 1


def rows_of(bag: Any) -> list[IntArray]:
    """The words of each document."""
    bag = bag.tocsr()
    bag.sort_indices()
    return [bag.indices[start:end].astype(np.int64) for start, end in zip(bag.indptr, bag.indptr[1:], strict=False)]


def words_on_path(model: Trees, words: IntArray) -> set[int]:
    """The words of a document that its way through the first tree asks about."""
    feature, left, right, _ = model.trees[0]
    there, node, found = {int(word) for word in words}, 0, set()
    while left[node] != -1:
        kept = feature[node] in there
        if kept:
            found.add(feature[node])
        node = right[node] if kept else left[node]
    return found
