"""The doctor's two pictures: what the network is fed, and the weights of the linear model to beat."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from explainfb.core.types import FloatArray

SHEET = 32
"""Images on the contact sheet."""
COLUMNS = 8


def draw_fed_images(folder: Path, fed: Tensor, labels: Tensor, class_names: Sequence[str]) -> Path:
    """`fed-images.png`: the first images (N, C, H, W) as they enter the network, ordered by class, each with its label.

    All share one scale, from the least to the greatest number that the network is fed.
    """
    order = labels[:SHEET].argsort(stable=True)
    low, high = float(fed.min()), float(fed.max())
    figure, axes = _grid(len(order), f"What the network is fed: black is {low:.3g}, white is {high:.3g}")
    for axis, index in zip(axes, order.tolist(), strict=True):
        pixels = ((fed[index] - low) / max(high - low, 1e-12)).movedim(0, -1).numpy()
        axis.imshow(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels, cmap="gray", vmin=0, vmax=1)
        axis.set_title(class_names[int(labels[index])], fontsize=9, pad=3)
    return _save(figure, folder / "fed-images.png")


def draw_linear_weights(folder: Path, weights: FloatArray, class_names: Sequence[str], accuracy: float) -> Path:
    """`linear-weights.png`: for each class (of the first 32) the weight of each pixel, summed over the colours."""
    maps = weights[:SHEET].sum(1)  # (classes, h, w)
    largest = float(np.abs(maps).max()) or 1.0
    figure, axes = _grid(len(maps), f"What the linear model looks for; {accuracy:.1%} right on the validation images")
    for axis, weight, name in zip(axes, maps, class_names, strict=False):
        image = axis.imshow(weight, cmap="RdBu_r", vmin=-largest, vmax=largest)
        axis.set_title(name, fontsize=9, pad=3)
    bar = figure.colorbar(image, ax=axes, orientation="horizontal", aspect=50, shrink=0.6, pad=0.04)
    bar.set_label("a bright pixel here speaks against the class (−) or for it (+)", fontsize=9)
    return _save(figure, folder / "linear-weights.png")


def _grid(count: int, title: str) -> tuple[Figure, list[Axes]]:
    """`count` frameless axes, at most `COLUMNS` a row, the rows of equal length."""
    rows = math.ceil(count / COLUMNS)
    columns = math.ceil(count / rows)
    figure = Figure(figsize=(1.15 * max(columns, 5), 1.35 * rows + 1.0), layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.axis("off")
    return figure, axes[:count]


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=100)
    return path
