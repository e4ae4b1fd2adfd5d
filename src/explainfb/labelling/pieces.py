"""Pieces of an explanation that people point at: where each lies, in words and as a shape on the picture."""

from collections.abc import Sequence
from html import escape

import numpy as np

from explainfb.core.types import BoolArray
from explainfb.explanations.explanation import Explanation
from explainfb.labelling.stimuli import PLACES, Stimulus
from explainfb.labelling.wording import Wording

UNITS = 600
"""Units of the drawing along its width, so that numbers have the same size on every picture."""


def places(explanation: Explanation, words: Wording) -> dict[int, str]:
    """In which ninth of the picture the middle of each superpixel lies, such as `top left`."""
    height, width = explanation.segments.shape
    found = {}
    for piece in range(len(explanation.weights)):
        rows, columns = np.nonzero(explanation.segments == piece)
        row, column = (min(2, int(3 * (each.mean() + 0.5) / size)) for each, size in ((rows, height), (columns, width)))
        found[piece] = getattr(words.places, PLACES[row][column])
    return found


def svg(stimulus: Stimulus, offered: Sequence[int], chosen: frozenset[int], *, scale: float, words: Wording) -> str:
    """The explanation as a drawing on which the pieces `offered` have numbers from 1, and those `chosen` a cross.

    Each piece names itself as `data-piece`, by which a press on it is known.
    """
    segments = stimulus.explanation.segments
    height, width = segments.shape
    unit = UNITS / width
    parts = []
    for number, piece in enumerate(offered, 1):
        shape = segments == piece
        row, column = _middle(shape)
        mark = f"{number}✕" if piece in chosen else str(number)
        parts.append(
            f'<g class="piece{" chosen" if piece in chosen else ""}" data-piece="{piece}">'
            f'<path d="{_path(shape)}" transform="scale({unit:.4f})"></path>'
            f'<text x="{unit * (column + 0.5):.1f}" y="{unit * (row + 0.5):.1f}">{mark}</text></g>'
        )
    picture = stimulus.picture("overlay", scale=scale)
    smooth = ' style="image-rendering: pixelated"' if stimulus.is_tiny else ""
    return (
        f'<svg class="pieces" viewBox="0 0 {UNITS} {unit * height:.1f}" role="img" '
        f'aria-label="{escape(stimulus.describe(words))}">'
        f'<image href="{picture}" width="{UNITS}" height="{unit * height:.1f}"{smooth}></image>{"".join(parts)}</svg>'
    )


def _middle(shape: BoolArray) -> tuple[int, int]:
    """The pixel of a shape that is nearest to its centre of mass, which itself may lie outside."""
    rows, columns = np.nonzero(shape)
    nearest = int(((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2).argmin())
    return int(rows[nearest]), int(columns[nearest])


def _path(shape: BoolArray) -> str:
    """The shape as a path, run by run of each row of pixels."""
    found = []
    for row, pixels in enumerate(shape):
        steps = np.flatnonzero(np.diff(np.concatenate([[0], pixels.astype(np.int8), [0]])))
        found += [f"M{start} {row}h{end - start}v1h{start - end}z" for start, end in steps.reshape(-1, 2)]
    return "".join(found)
