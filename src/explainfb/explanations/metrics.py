"""How good an explanation is, by a mask of where the reason should be."""

import numpy as np

from explainfb.core.types import BoolArray, Explanation
from explainfb.explanations.superpixels import coverage


def relevance_mass(explanation: Explanation, relevance: BoolArray) -> float:
    """The share in [0, 1] of the explanation's absolute weight that lies on `relevance` (H, W).

    The weight of a superpixel is spread evenly over its pixels. An explanation without any weight gets 0.
    """
    inside = coverage(relevance, explanation.segments)  # (d,)
    strength = np.abs(explanation.weights)
    total = float(strength.sum())
    return float((strength * inside).sum()) / total if total > 0 else 0.0
