"""What was picked, and how it shows itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from explainfb.core.errors import InputError
from explainfb.core.types import FloatArray
from explainfb.explanations.explanation import Explanation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 4
"""Explanations beside each other in the picture."""


@dataclass(frozen=True, eq=False)
class Pick:
    """The explanations that together show the most of a classifier, in the order in which they were chosen.

    >>> import numpy as np
    >>> from explainfb import submodular_pick
    >>> picked = submodular_pick(np.array([[1.0, 0.0], [0.0, 4.0]]), budget=1)
    >>> picked.indices, picked.importances.tolist(), picked.coverage.round(2).tolist()
    ((1,), [1.0, 2.0], [0.67])
    """

    indices: tuple[int, ...]
    """Of the explanations that were chosen from, the most telling first."""
    coverage: FloatArray
    """(B,): the share of all importance that the first 1 … B of them cover, in [0, 1], never falling."""
    importances: FloatArray
    """(d',): of each interpretable component, √Σ|weight| over all explanations that were chosen from."""
    explanations: tuple[Explanation, ...] = ()
    """(B): those that were picked, with their images; none where the pick was of a plain matrix."""

    def plot(self) -> "Figure":
        """A figure of matplotlib: the explanations as `Explanation.plot` draws them, and what each of them adds.

        Raises `InputError` where the pick was of a plain matrix, which has no images.
        """
        if not self.explanations:
            raise InputError("This pick was made of a matrix, without images; explainfb.pick makes one with them.")
        from matplotlib.figure import Figure

        rows = -(-len(self.explanations) // COLUMNS)
        columns = min(COLUMNS, len(self.explanations))
        figure = Figure(figsize=(4.2 * columns, 4.1 * rows), layout="constrained")
        cells = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for cell in cells:
            cell.set_axis_off()
        added = np.diff(self.coverage, prepend=0.0)
        for cell, index, explanation, share in zip(cells, self.indices, self.explanations, added, strict=False):
            explanation.plot(ax=cell)
            cell.set_title(f"image {index}: {explanation.name}, {explanation.probability:.2f}\nadds {share:.0%}")
        figure.suptitle(f"Look at these first: they show {self.coverage[-1]:.0%} of what the classifier goes by")
        return figure

    def save(self, path: Path | str) -> None:
        """Write what `plot` draws to a file; its ending says the format: .png, .pdf, .svg.

        Raises `InputError` as `plot` does, and where the file cannot be written.
        """
        from explainfb.explanations.plots import write

        write(self.plot().savefig, path, dpi=100)
