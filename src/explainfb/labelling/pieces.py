"""Pieces of an explanation that people point at: where each lies, in words and as a shape on the picture."""

from collections.abc import Sequence
from html import escape

import numpy as np

from explainfb.core.types import BoolArray
from explainfb.explanations.explanation import Explanation
from explainfb.labelling.stimuli import PLACES, Stimulus
from explainfb.labelling.wording import Wording


def places(explanation: Explanation, words: Wording) -> dict[int, str]:
    """In which ninth of the picture the middle of each superpixel lies, such as `top left`."""
    height, width = explanation.segments.shape
    found = {}
    for piece in range(len(explanation.weights)):
        rows, columns = np.nonzero(explanation.segments == piece)
        row, column = (min(2, int(3 * (each.mean() + 0.5) / size)) for each, size in ((rows, height), (columns, width)))
        found[piece] = getattr(words.places, PLACES[row][column])
    return found


def pressable(
    stimulus: Stimulus, offered: Sequence[int], chosen: frozenset[int], *, scale: float, words: Wording
) -> str:
    """The explanation as HTML on which the pieces `offered` have numbers from 1, and those `chosen` a cross.

    Each piece names itself as `data-piece`, by which a press on it is known. Boxes with a clipped shape and not SVG,
    which Streamlit takes out of a page.
    """
    height, width = stimulus.explanation.segments.shape
    parts = []
    for number, piece in enumerate(offered, 1):
        shape = stimulus.explanation.segments == piece
        row, column = _middle(shape)
        mark = f"{number}✕" if piece in chosen else str(number)
        parts.append(
            f'<div class="piece{" chosen" if piece in chosen else ""}" data-piece="{piece}" '
            f'style="clip-path: polygon({_polygon(shape)})"></div>'
            f'<span style="left: {100 * (column + 0.5) / width:.1f}%; top: {100 * (row + 0.5) / height:.1f}%">'
            f"{mark}</span>"
        )
    smooth = ' style="image-rendering: pixelated"' if stimulus.is_tiny else ""
    picture = stimulus.picture("overlay", scale=scale)
    alt = escape(stimulus.describe(words))
    return f'<div class="pieces"><img src="{picture}" alt="{alt}"{smooth}>{"".join(parts)}</div>'


def _middle(shape: BoolArray) -> tuple[int, int]:
    """The pixel of a shape that is nearest to its centre of mass, which itself may lie outside."""
    rows, columns = np.nonzero(shape)
    nearest = int(((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2).argmin())
    return int(rows[nearest]), int(columns[nearest])


def _polygon(shape: BoolArray) -> str:
    """The shape (H, W) as corners in percent of the picture, to which CSS clips a box: rectangle by rectangle, each
    reached from the corner of the picture and left again on the same line, which encloses nothing."""
    height, width = shape.shape
    corners = ["0% 0%"]
    for top, bottom, left, right in _rectangles(shape):
        rows, columns = (100 * top / height, 100 * bottom / height), (100 * left / width, 100 * right / width)
        around = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
        corners += [f"{columns[across]:.3f}% {rows[down]:.3f}%" for across, down in around]
        corners.append("0% 0%")
    return ", ".join(corners)


def _rectangles(shape: BoolArray) -> list[tuple[int, int, int, int]]:
    """(top, bottom, left, right) of rectangles that together are the shape: runs of a row, joined with equal ones of
    the rows below."""
    found: list[tuple[int, int, int, int]] = []
    open_runs: dict[tuple[int, int], int] = {}
    for row, pixels in enumerate([*shape, np.zeros(shape.shape[1], np.bool_)]):
        steps = np.flatnonzero(np.diff(np.concatenate([[0], pixels.astype(np.int8), [0]]))).tolist()
        runs = set(zip(steps[::2], steps[1::2], strict=True))
        found += [(top, row, *run) for run, top in open_runs.items() if run not in runs]
        open_runs = {run: open_runs.get(run, row) for run in sorted(runs)}
    return found
