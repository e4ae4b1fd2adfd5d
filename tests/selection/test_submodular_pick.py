"""SP-LIME's pick: near the best there is, and of a matrix that a person can check by eye."""

from itertools import combinations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from explainfb import InputError, submodular_pick
from explainfb.selection.submodular import coverage

MATRICES = arrays.arrays(
    np.float64,
    st.tuples(st.integers(3, 8), st.integers(2, 7)),
    elements=st.sampled_from([0.0, 0.0, 0.0, 1.0, -2.0, 0.3]),
)


@settings(max_examples=60, deadline=None)
@given(MATRICES, st.integers(1, 4))
def test_greedy_reaches_its_share_of_the_best_that_exhaustive_search_finds(weights: np.ndarray, budget: int) -> None:
    picked = submodular_pick(weights, budget)
    size = min(budget, len(weights))
    best = max(coverage(weights, [*rows]) for rows in combinations(range(len(weights)), size))
    assert coverage(weights, [*picked.indices]) >= (1 - 1 / np.e) * best - 1e-9
    assert len({*picked.indices}) == size


@settings(max_examples=30, deadline=None)
@given(MATRICES)
def test_coverage_rises_by_less_each_time_and_ends_at_all(weights: np.ndarray) -> None:
    picked = submodular_pick(weights, len(weights) + 3)
    gains = np.diff(picked.coverage, prepend=0.0)
    assert picked.coverage[-1] == pytest.approx(1)
    assert (gains >= -1e-12).all()
    assert (np.diff(gains) <= 1e-9).all()


def test_a_word_that_most_share_is_covered_by_the_first() -> None:
    """In the manner of the paper's figure 5: the second of five words is in four of five explanations."""
    weights = np.zeros((5, 5))
    for row, words in enumerate([(0, 1), (1, 2, 3), (1, 2), (1,), (4,)]):
        weights[row, words] = 1
    picked = submodular_pick(weights, 2)
    assert picked.importances.argmax() == 1
    assert picked.indices == (1, 0)  # the fifth adds as much as the first, which comes before it
    assert coverage(weights, [*picked.indices]) == pytest.approx(picked.coverage[-1] * picked.importances.sum())


def test_sparse_and_dense_signs_and_stored_zeros_are_one() -> None:
    draws = np.random.default_rng(0).normal(size=(30, 40)) * (np.random.default_rng(1).random((30, 40)) < 0.1)
    rows, columns = np.indices(draws.shape)
    # every 0 is stored, and still no part of the explanation
    sparse = scipy.sparse.csr_matrix((np.abs(draws).ravel(), (rows.ravel(), columns.ravel())))
    assert sparse.nnz == draws.size
    first, second = submodular_pick(draws, 6), submodular_pick(sparse, 6)
    assert first.indices == second.indices
    np.testing.assert_allclose(first.importances, np.sqrt(np.abs(draws).sum(0)))


@pytest.mark.parametrize(
    ("weights", "budget", "complaint"),
    [
        (np.ones(3), 1, r"matrix \(n, d'\).*found shape \(3,\)"),
        (np.ones((0, 3)), 1, r"found shape \(0, 3\)"),
        (np.array([[1.0, np.nan]]), 1, "finite"),
        (np.ones((2, 2)), 0, "found a budget of 0"),
    ],
)
def test_what_is_no_matrix_is_refused(weights: np.ndarray, budget: int, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        submodular_pick(weights, budget)
