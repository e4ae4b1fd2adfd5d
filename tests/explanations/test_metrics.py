"""How much of an explanation lies on a mask."""

import numpy as np
import pytest

from explainfb.explanations.explanation import Explanation
from explainfb.explanations.metrics import relevance_mass

SEGMENTS = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]])
LEFT_HALF = np.array([[True, True, False, False]] * 4)
TOP_ROW = np.array([[True] * 4] + [[False] * 4] * 3)


def explanation(*weights: float) -> Explanation:
    return Explanation(
        target=0, probability=0.5, segments=SEGMENTS, weights=np.array(weights, dtype=float), intercept=0.0, fit=1.0
    )


GOOD, BAD = explanation(0.3, 0.1, -0.3, 0.1), explanation(0.1, 0.5, 0.1, -0.5)  # 0.75 and 1/6 on the left half


def test_the_share_of_an_explanation_made_by_hand() -> None:
    assert relevance_mass(GOOD, LEFT_HALF) == pytest.approx(0.75)
    assert relevance_mass(BAD, LEFT_HALF) == pytest.approx(1 / 6)
    assert relevance_mass(explanation(1, 0, 0, 0), TOP_ROW) == pytest.approx(0.5)  # half of its superpixel
    assert relevance_mass(explanation(1, -2, 3, -4), np.ones((4, 4), dtype=bool)) == pytest.approx(1)
    assert relevance_mass(explanation(1, -2, 3, -4), np.zeros((4, 4), dtype=bool)) == 0
    assert relevance_mass(explanation(0, 0, 0, 0), LEFT_HALF) == 0
