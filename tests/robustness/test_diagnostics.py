"""An attack is judged by the images that it ran on."""

import numpy as np
import pytest

from explainfb.robustness.diagnostics import Broken, only_by


def test_an_expensive_attack_is_judged_by_the_images_it_ran_on() -> None:
    """Of ten images two are wrong to begin with; the attack ran on four of the others and broke one."""
    rows = np.array([[True, True, True, *[False] * 7]])
    tried = np.array([False, False, True, True, True, True, *[False] * 4])
    assert Broken(rows, tried).accuracy_alone(0, 0.8) == pytest.approx(0.8 * 3 / 4)


def test_what_one_attack_alone_broke_is_counted_on_the_images_it_ran_on() -> None:
    strong = Broken(np.array([[True, False, False, False]]), np.ones(4, dtype=bool))
    weak = Broken(np.array([[True, True, True, False]]), np.array([True, True, False, False]))
    broken = {"pgd": strong, "square": weak}
    assert only_by("square", ["pgd"], broken, 0) == (1, 2)
    assert only_by("pgd", ["square"], broken, 0) == (0, 4)
