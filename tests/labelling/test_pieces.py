"""Pieces of an explanation as shapes that can be pressed on."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.path import Path

from explainfb.labelling.pieces import _polygon, _rectangles


@given(arrays(np.bool_, (7, 5)))
def test_rectangles_cover_a_shape_once(shape: np.ndarray) -> None:
    covered = np.zeros(shape.shape, dtype=np.int64)
    for top, bottom, left, right in _rectangles(shape):
        covered[top:bottom, left:right] += 1
    assert (covered == shape).all()


@given(arrays(np.bool_, (4, 6), elements=st.booleans()))
def test_the_clipped_box_has_the_shape(shape: np.ndarray) -> None:
    corners = [tuple(map(float, re.findall(r"[\d.]+", corner))) for corner in _polygon(shape).split(",")]
    outline = Path(np.array(corners + corners[:1]))
    rows, columns = np.mgrid[:4, :6]
    # beside the middles, through which lines from the corner may go
    inside = np.stack([100 * (columns + 0.43) / 6, 100 * (rows + 0.61) / 4], -1).reshape(-1, 2)
    assert (outline.contains_points(inside).reshape(4, 6) == shape).all()
