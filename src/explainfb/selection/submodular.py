"""SP-LIME: the few rows of a matrix of explanations that together show the most important components.

Ribeiro, Singh, Guestrin 2016, section 4, equations 3 and 4, algorithm 2:

    I_j = √Σ_i |W_ij|        c(V) = Σ_j 1[some i ∈ V has W_ij ≠ 0] · I_j        pick: the V of B rows with the most c(V)

c is monotone and submodular, so that taking the row that adds the most, B times over, reaches at least 1 − 1/e of the
best coverage (Nemhauser et al. 1978).
"""

from typing import TypeAlias

import numpy as np
import scipy.sparse

from explainfb.core.errors import InputError
from explainfb.core.types import FloatArray
from explainfb.selection.picked import Pick

Weights: TypeAlias = "FloatArray | scipy.sparse.sparray | scipy.sparse.spmatrix"


def submodular_pick(weights: Weights, budget: int) -> Pick:
    """The `budget` rows of an explanation matrix that cover the most important components, in the order of choice.

    `weights` (n, d'), dense or sparse, has one explanation a row and one interpretable component a column, such as a
    word or a place in the image; 0 where a component is not part of that explanation. A component's importance is the
    square root of the sum of its absolute weights, and a set of rows covers each component that any of them has. Where
    several rows add as much, the first is taken. All rows are picked where there are no more than `budget`. Raises
    `InputError` for what is no matrix, weights that are not finite, and a budget below 1.

    >>> import numpy as np
    >>> from explainfb import submodular_pick
    >>> weights = np.array([[9.0, 4.0, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, -4.0]])
    >>> picked = submodular_pick(weights, budget=2)
    >>> picked.indices, picked.importances
    ((0, 2), array([4.24264069, 2.        , 2.        ]))
    >>> picked.coverage.round(2)
    array([0.76, 1.  ])
    """
    importances, rows = _importances_and_rows(weights)
    if budget < 1:
        raise InputError(f"A pick has at least one explanation; found a budget of {budget}.")
    left, chosen, covered = importances.copy(), [], []
    free = np.ones(rows.shape[0], dtype=np.bool_)
    for _ in range(min(budget, rows.shape[0])):
        gains = np.where(free, rows @ left, -1.0)
        best = int(np.argmax(gains))
        chosen.append(best)
        free[best] = False
        left[rows.indices[rows.indptr[best] : rows.indptr[best + 1]]] = 0.0
        covered.append(importances.sum() - left.sum())
    total = importances.sum()
    return Pick(tuple(chosen), np.array(covered) / total if total > 0 else np.ones(len(chosen)), importances)


def coverage(weights: Weights, rows: list[int]) -> float:
    """c(V): the importance of all components that some of these rows of `weights` (n, d') have."""
    importances, shown = _importances_and_rows(weights)
    return float(importances[np.unique(shown[rows].indices)].sum())


def _importances_and_rows(weights: Weights) -> tuple[FloatArray, scipy.sparse.csr_array]:
    """(d',) and, of 0 and 1, (n, d'): which explanation has which component."""
    # a copy: what is stored as 0 is taken out below
    given = scipy.sparse.csr_array(weights, dtype=np.float64, copy=True) if np.ndim(weights) == 2 else None
    if given is None or given.shape[0] == 0:
        raise InputError(f"Explanations must be a matrix (n, d') with a row each; found shape {np.shape(weights)}.")
    if not np.isfinite(given.data).all():
        raise InputError("An explanation's weights must be finite; found NaN or infinity.")
    given.eliminate_zeros()
    importances = np.sqrt(np.bincount(given.indices, weights=np.abs(given.data), minlength=given.shape[1]))
    given.data[:] = 1.0
    return importances, given
