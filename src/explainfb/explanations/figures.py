"""An explanation as a figure of matplotlib: the one drawing of `plots`, with a legend and its weights in figures."""

import io
from pathlib import Path

import numpy as np
from matplotlib import colors, patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from explainfb.core.types import FloatArray, IntArray
from explainfb.explanations.plots import (
    Drawable,
    Pixels,
    alone,
    at_size,
    checked,
    drawn,
    plain_pixels,
    row_scale,
    scale_colours,
    write,
)

NUMBERED = 5
"""How many superpixels have their weight in figures, where `top` does not say."""
DPI = 150
"""Of a file, at least."""
AXES_WIDTH = 2.6
"""In inches, of the explanation in a file."""


def save_figure(
    image: Tensor | Pixels, explanation: Drawable, path: Path | str | io.BytesIO, top: int | None = None
) -> None:
    """Write the image and beside it what `plot` draws of it, of the kind that the path's ending says; else PNG."""
    pixels = checked(image, explanation)
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _show(left, plain_pixels(pixels))
    left.set_title("the image", fontsize=10)
    plot(pixels, explanation, top=top, ax=right)
    # no pixel of a photograph is lost: the explanation's axes are this wide
    write(figure.savefig, path, dpi=max(DPI, max(_size(pixels)) / AXES_WIDTH))


def plot(image: Tensor | Pixels, explanation: Drawable, *, top: int | None = None, ax: Axes | None = None) -> Axes:
    """What `Explanation.plot` returns."""
    pixels = checked(image, explanation)
    if ax is None:
        import matplotlib.pyplot as plt  # sets up a window system, which a file does not need

        _, ax = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
    if top is None:
        scale = row_scale(explanation)
        _show(ax, drawn(pixels, explanation, scale))
        _scale_legend(ax, scale)
    else:
        _show(ax, alone(pixels, explanation, top))
        _outline_legend(ax, shown=len(explanation.top(top)), standing_out=len(explanation.top()))
    _number(ax, explanation, explanation.top(top or NUMBERED), beneath=top is not None)
    ax.set_title(f"{explanation.name}, probability {explanation.probability:.2f}\n{explanation.quality}", fontsize=10)
    return ax


def _show(ax: Axes, pixels: FloatArray) -> None:
    ax.imshow(pixels, interpolation="antialiased")
    ax.set_axis_off()


def _number(ax: Axes, explanation: Drawable, indices: IntArray, *, beneath: bool) -> None:
    """The weight of each of these superpixels in figures: in its middle, or `beneath` it, where it hides none of it."""
    labels = at_size(explanation.segments)
    for index in indices:
        places = np.argwhere(labels == index)
        # the piece's own pixel nearest to its middle, which a bent piece does not contain
        row, column = places[np.argmin(np.square(places - places.mean(0)).sum(1))]
        text = f"{explanation.weights[index]:+.2f}".replace("-", "\N{MINUS SIGN}")
        bottom, room = float(np.max(places[:, 0])) + 2, labels.shape[0] * 0.93
        row, edge = (
            (row, "center")
            if not beneath
            else (bottom, "top")
            if bottom < room
            else (float(np.min(places[:, 0])), "bottom")
        )
        drawn_text = ax.text(column, row, text, ha="center", va=edge, fontsize=7)
        drawn_text.set_path_effects([patheffects.withStroke(linewidth=2, foreground="white")])


def _scale_legend(ax: Axes, scale: float) -> None:
    shown = ScalarMappable(colors.Normalize(-scale, scale), colors.ListedColormap(scale_colours(255)))
    bar = ax.figure.colorbar(shown, ax=ax, shrink=0.85)
    bar.set_label("against  ←  probability that a piece adds  →  for", fontsize=8)
    bar.ax.tick_params(labelsize=8)


def _size(pixels: FloatArray) -> tuple[int, ...]:
    """Height and width of the picture that is drawn."""
    return plain_pixels(pixels).shape[:2]


def _outline_legend(ax: Axes, *, shown: int, standing_out: int) -> None:
    """With a word about what stands out from its error and is not shown."""
    against, _, for_it = scale_colours(3)
    lines = [
        Line2D([], [], color=colour, linewidth=3, label=label)
        for colour, label in ((for_it, "speaks for it"), (against, "against it"))
    ]
    ax.legend(
        handles=lines,
        title="numbers: probability that a piece adds"
        + (f"\nthe strongest {shown} of {standing_out} that stand out" if shown < standing_out else ""),
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=2,
        frameon=False,
        fontsize=8,
        title_fontsize=8,
    )
