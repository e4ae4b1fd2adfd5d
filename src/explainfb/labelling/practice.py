"""Drawn examples on which people learn what is asked of them, before they are asked it."""

from dataclasses import dataclass

import numpy as np

from explainfb.core.types import Answer, BoolArray, FloatArray
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.superpixels import grid
from explainfb.labelling.stimuli import Stimulus

SIZE = 48
"""Pixels to a side."""
CELLS = 8
"""Superpixels to a side."""
SPEAKS_FOR = 0.06
"""The weight of a superpixel that counted, in units of probability."""


@dataclass(frozen=True, eq=False)
class Example:
    """Two explanations of which anyone can say which is better, and why."""

    name: str
    left: Stimulus
    right: Stimulus
    answer: Answer
    because: str
    """What to tell whoever answered, after `answer`."""

    @property
    def left_is_good(self) -> bool:
        """What to expect of a rating of the left one alone."""
        return self.answer is not Answer.RIGHT


def worked_example() -> Example:
    """The one that the instructions explain."""
    image, shape = _picture("circle")
    return Example(
        "worked example",
        _stimulus(image, "circle", shape),
        _stimulus(image, "circle", _corner()),
        Answer.LEFT,
        "On the left the classifier looked at the circle itself. On the right it looked at the white mark in the "
        "corner, which has nothing to do with being a circle.",
    )


def practice_examples() -> list[Example]:
    """Three, each with another answer."""
    triangle, triangle_shape = _picture("triangle")
    cross, cross_shape = _picture("cross")
    square, square_shape = _picture("square")
    circle, circle_shape = _picture("circle")
    return [
        Example(
            "the shape, not the mark",
            _stimulus(triangle, "triangle", _corner()),
            _stimulus(triangle, "triangle", triangle_shape),
            Answer.RIGHT,
            "The right one points at the triangle. The left one points at the mark in the corner, which is no reason "
            "to call this a triangle.",
        ),
        Example(
            "purple on the shape",
            _stimulus(cross, "cross", cross_shape),
            _stimulus(cross, "cross", _corner(), against=cross_shape),
            Answer.LEFT,
            "The left one counts the cross as a reason for “cross”. In the right one the cross is purple: it speaks "
            "against “cross”, although it is one.",
        ),
        Example(
            "both on the shape",
            _stimulus(square, "square", square_shape),
            _stimulus(circle, "circle", circle_shape),
            Answer.EQUAL,
            "Both point at the shape itself. The pictures may differ; only the reasons are compared.",
        ),
    ]


def _picture(shape: str) -> tuple[FloatArray, BoolArray]:
    """A drawn image (3, H, W) in [0, 1] with a white mark in its corner, and where its shape is (H, W)."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE] - (SIZE - 1) / 2
    arm, reach = SIZE / 12, SIZE / 3.4
    inside = np.maximum(abs(rows), abs(columns)) < reach
    shapes = {
        "circle": rows**2 + columns**2 < reach**2,
        "triangle": (abs(rows) < reach) & (abs(columns) < (rows + reach) / 2),
        "cross": inside & ((abs(rows) < arm) | (abs(columns) < arm)),
        "square": inside,
    }
    found = shapes[shape]
    image = np.full((3, SIZE, SIZE), 0.15)
    image[:, found] = np.array([[0.35], [0.65], [0.75]])
    image[:, :8, :8] = 1.0
    return image, found


def _corner() -> BoolArray:
    """Where the mark is."""
    where = np.zeros((SIZE, SIZE), dtype=np.bool_)
    where[:8, :8] = True
    return where


def _stimulus(image: FloatArray, name: str, counted: BoolArray, against: BoolArray | None = None) -> Stimulus:
    segments = grid(SIZE, SIZE, CELLS * CELLS)
    sizes = np.bincount(segments.ravel())
    weights = SPEAKS_FOR * np.bincount(segments.ravel(), weights=counted.ravel()) / sizes
    if against is not None:
        weights -= SPEAKS_FOR * np.bincount(segments.ravel(), weights=against.ravel()) / sizes
    explanation = Explanation(target=0, probability=0.9, segments=segments, weights=weights, intercept=0.1, fit=1.0)
    return Stimulus(image, explanation, name)
