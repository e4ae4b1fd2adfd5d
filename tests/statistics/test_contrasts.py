"""Contrasts at the edge of what floating-point numbers tell apart."""

import numpy as np

from explainfb.statistics.contrasts import contrast


def test_differences_that_are_all_but_equal_are_told_without_a_warning() -> None:
    """SciPy warns of lost digits there, and the suite turns warnings into errors."""
    pairs = [(np.array([here]), np.array([0.0])) for here in (0.1, 0.1, np.nextafter(0.1, 1))]
    found = contrast("other", "ece", pairs)
    assert found.p_seeds is not None
    assert found.p_seeds < 1e-9
