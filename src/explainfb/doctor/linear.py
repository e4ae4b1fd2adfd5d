"""Softmax regression, the linear model that a network has to beat, and the pixels it sees."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from explainfb.core.types import BoolArray, FloatArray
from explainfb.tasks.task import Split

SIDE = 32
"""Larger images are averaged down to this side, in pixels."""
PART = 64
"""Images that are averaged at a time."""


def shrink(images: Tensor) -> Tensor:
    """(N, C, h, w) with h and w at most `SIDE`."""
    height, width = images.shape[2:]
    size = (min(height, SIDE), min(width, SIDE))
    return torch.cat([F.adaptive_avg_pool2d(part, size) for part in images.split(PART)])


def features(images: Tensor) -> FloatArray:
    """(N, C·h·w): the pixels as one row an image."""
    rows: FloatArray = shrink(images).flatten(1).double().numpy()
    return rows


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Softmax regression on pixels."""

    weights: FloatArray
    """(classes, C, h, w): by how much a pixel raises a class's logit; classes that were not seen have zeros."""
    model: LogisticRegression

    def right(self, split: Split) -> BoolArray:
        """(N,): which images it classifies rightly."""
        correct: BoolArray = self.model.predict(features(split.images)) == split.labels.numpy()
        return correct


def fit_linear(split: Split, classes: int) -> LinearModel:
    """Softmax regression with a little L2 (C = 0.1), stopped after 200 iterations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early on purpose: a bar needs no last digit
        model = LogisticRegression(C=0.1, max_iter=200).fit(features(split.images), split.labels.numpy())
    # of two classes scikit-learn keeps one row, for the second
    rows = model.coef_ if len(model.classes_) > 2 else [-model.coef_[0], model.coef_[0]]
    shape = shrink(split.images[:1]).shape[1:]
    weights: FloatArray = np.zeros((classes, *shape))
    for label, row in zip(model.classes_, rows, strict=True):
        weights[label] = row.reshape(shape)
    return LinearModel(weights, model)
