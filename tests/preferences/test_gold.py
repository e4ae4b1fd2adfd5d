"""Gold comparisons leave no doubt, and which side is the good one is a coin's choice."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explainfb.core.types import BAD, GOOD, Answer, BoolArray
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.metrics import relevance_mass
from explainfb.explanations.superpixels import grid
from explainfb.preferences.gold import gold_comparisons, gold_explanation

SEGMENTS = grid(16, 16, 16)


def explanation(weights: np.ndarray) -> Explanation:
    return Explanation(target=3, probability=0.7, segments=SEGMENTS, weights=weights, intercept=0.1, fit=0.5)


def relevance(rows: int) -> BoolArray:
    where = np.zeros((16, 16), dtype=np.bool_)
    where[:rows] = True
    return where


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 4, 7, 12]))
def test_the_good_side_is_better_by_far(seed: int, rows: int) -> None:
    real, where = explanation(np.random.default_rng(seed).normal(size=16)), relevance(rows)
    good, bad = (gold_explanation(real, where, good=good) for good in (True, False))
    assert relevance_mass(good, where) - relevance_mass(bad, where) >= 0.5
    for made in (good, bad):
        assert (made.weights >= 0).all()
        assert (made.target, made.probability) == (real.target, real.probability)


@pytest.mark.parametrize("good", [True, False])
def test_an_explanation_without_weight_there_still_gives_one(good: bool) -> None:
    where = relevance(8)
    weights = np.zeros(16)
    weights[8 * good : 8 + 8 * good] = 1.0  # only where the made one may not have any
    made = gold_explanation(explanation(weights), where, good=good)
    assert relevance_mass(made, where) == float(good)


def test_sides_are_drawn_by_a_coin_and_images_once() -> None:
    found = gold_comparisons(range(800), 400, 2, seed=0)
    assert sorted(key.image for item in found for key in (item.left, item.right)) == list(range(800))
    lefts = [item for item in found if item.gold is Answer.LEFT]
    assert 160 < len(lefts) < 240
    assert {(item.left.classifier, item.right.classifier, item.gold) for item in found} == {
        (GOOD, BAD, Answer.LEFT),
        (BAD, GOOD, Answer.RIGHT),
    }
    assert found == gold_comparisons(range(800), 400, 2, seed=0) != gold_comparisons(range(800), 400, 2, seed=1)


def test_fewer_images_give_fewer() -> None:
    assert len(gold_comparisons(range(7), 10, 1, seed=0)) == 3


@pytest.mark.parametrize("good", [True, False])
def test_all_that_a_gold_explanation_has_is_seen(good: bool) -> None:
    """Its weights are made up, so the errors of the real ones must not hide them; noise is not made to count."""
    weights = np.full(16, 0.02)
    weights[[1, 12]] = 0.4
    real = replace(explanation(weights), standard_errors=np.full(16, 0.05), n_samples=100)
    made = gold_explanation(real, relevance(8), good=good)
    assert made.top().tolist() == ([1] if good else [12])
    nothing = replace(real, standard_errors=np.full(16, 9.0))
    assert len(gold_explanation(nothing, relevance(8), good=good).top()) == 8
