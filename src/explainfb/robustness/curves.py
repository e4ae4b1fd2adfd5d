"""Accuracy against the size of an attack, from none to where nothing is left, and what sums it up in a number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.training import predict_logits
from explainfb.core.errors import InputError
from explainfb.core.types import BoolArray, FloatArray, Norm, ThreatModel
from explainfb.robustness.accuracy import robust_accuracy
from explainfb.robustness.attacked_model import wrong_outputs
from explainfb.robustness.settings import ATTACKS, AttackSettings


@dataclass(frozen=True, eq=False)
class RobustCurve:
    """Which images hold at each size of attack, in one norm."""

    norm: Norm
    epsilons: tuple[float, ...]
    """Ascending; the first is 0, no attack at all."""
    held: BoolArray
    """(epsilons, N): whether no attack broke the image at this size or a smaller one."""
    flags: tuple[tuple[str, ...], ...]
    """For each epsilon the sanity checks that failed."""

    def __post_init__(self) -> None:
        ascending = all(small < large for small, large in zip(self.epsilons, self.epsilons[1:], strict=False))
        if len(self.epsilons) < 2 or self.epsilons[0] != 0 or not ascending:
            raise InputError(f"A curve needs ascending epsilons from 0; found {self.epsilons}.")
        if self.held.ndim != 2 or len(self.held) != len(self.epsilons) or self.held.shape[1] == 0:
            raise InputError(f"A curve needs a row of images for each epsilon; found shape {self.held.shape}.")
        if len(self.flags) != len(self.epsilons):
            raise InputError(f"A curve needs flags for each epsilon; found {len(self.flags)} for {self.held.shape[0]}.")
        if (self.held[1:] & ~self.held[:-1]).any():
            raise InputError("What breaks an image at one epsilon breaks it at every larger one; some image came back.")

    @property
    def accuracy(self) -> FloatArray:
        """(epsilons,): the share of images that hold."""
        accuracy: FloatArray = self.held.mean(1)
        return accuracy

    @property
    def distances(self) -> FloatArray:
        """(N,): how far the attacks had to go, up to the largest epsilon; 0 for an image that is wrong without any.

        Of the gap between the last epsilon at which an image holds and the first at which it does not, the middle is
        taken, so that the mean is the area under the curve by the trapezoidal rule.
        """
        widths = np.diff(self.epsilons)[:, None]
        distances: FloatArray = (widths * (self.held[:-1] + self.held[1:].astype(np.float64)) / 2).sum(0)
        return distances


def robust_curve(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    *,
    norm: Norm,
    epsilons: Sequence[float],
    settings: AttackSettings = ATTACKS,
    seed: int,
    surrogate: Classifier | None = None,
) -> RobustCurve:
    """The worst case over every attack of `settings` at each of the `epsilons`, which are greater than 0, and at 0.

    `images` is (N, C, H, W) in [0, 1], `labels` (N,). Raises `InputError` where `robust_accuracy` does.
    """
    radii = sorted(epsilons)
    records = robust_accuracy(
        classifier,
        images,
        labels,
        threat_models=[ThreatModel(norm, epsilon) for epsilon in radii],
        settings=settings,
        seed=seed,
        surrogate=surrogate,
    )
    right = (~wrong_outputs(predict_logits(classifier, images), labels.cpu())).numpy()
    held = np.stack([right, *(np.array(record.survived) for record in records)])
    return RobustCurve(norm, (0.0, *radii), held, ((), *(record.flags for record in records)))
