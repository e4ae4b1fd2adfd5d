"""Why a classifier gives an image a class: the record, what can be read off it, and how it shows itself."""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from explainfb.core.errors import InputError
from explainfb.core.fields import whole_number
from explainfb.core.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import Tensor

Pixels = npt.NDArray[np.floating]
TOLD = 3
"""How many superpixels the printed line has, where nobody said."""


@dataclass(frozen=True, eq=False, repr=False)  # two arrays compare to an array, which is neither true nor false
class Explanation:
    """Why a classifier gives an image a class: one weight for each superpixel (Ribeiro et al. 2016).

    Printed, it is one line, each weight with its standard error. In a notebook it is a picture.

    >>> import numpy as np
    >>> from explainfb import Explanation
    >>> segments = np.array([[0, 0, 1], [0, 0, 1]])  # two superpixels of an image of 2×3 pixels
    >>> weights = np.array([0.5, -0.1])
    >>> shown = Explanation(4, probability=0.9, segments=segments, weights=weights, intercept=0.4, fit=0.8)
    >>> shown.heatmap()[0]
    array([ 0.5,  0.5, -0.1])
    >>> print(shown)
    class 4, probability 0.90; superpixel 0: +0.500, superpixel 1: -0.100; R² 0.80
    """

    target: int
    """The class that is explained."""
    probability: float
    """The classifier's probability of `target` on the image itself, in [0, 1]."""
    segments: IntArray
    """(H, W): which superpixel each pixel belongs to; labels 0 … d−1, each used."""
    weights: FloatArray
    """(d,): by how much showing a superpixel raises the probability of `target`, in units of probability."""
    intercept: float
    """The local model's probability when every superpixel is hidden."""
    fit: float
    """Weighted R² of the local linear model; 1 is perfect, below 0 is worse than a constant. It tells how far the
    classifier is linear here, and not how far the weights can be relied on: `standard_errors` do."""
    standard_errors: FloatArray | None = None
    """(d,) the standard error of each weight, from which masks and background images were drawn; None where unknown."""
    n_samples: int | None = None
    """How many perturbed images the classifier was asked about; None where unknown."""
    image: Pixels | None = None
    """(C, H, W) in [0, 1], C 1 or 3: the image that was explained, in the memory of the tensor that was given where
    that is on the CPU; None where it is not at hand, as after a study's explanations were read from their file."""
    class_name: str | None = None
    """What `target` is called; None where the classifier does not know."""
    shown: int | None = None
    """How many superpixels, the strongest, are told and drawn where `plot` and `save` are not told otherwise; with None
    three are told and all are drawn."""

    def __post_init__(self) -> None:
        if self.segments.ndim != 2 or self.segments.size == 0:
            raise InputError(f"Segments must have shape (H, W); found {self.segments.shape}.")
        labels = np.unique(self.segments)
        if labels[0] != 0 or labels[-1] != len(labels) - 1:
            raise InputError(
                f"Superpixels must be 0 … d−1, each used; found {len(labels)} of {labels[0]} … {labels[-1]}."
            )
        if self.weights.shape != labels.shape:
            raise InputError(f"{len(labels)} superpixels need as many weights; found shape {self.weights.shape}.")
        if not 0 <= self.probability <= 1:
            raise InputError(f"A probability must lie in [0, 1]; found {self.probability}.")
        if not np.isfinite(self.weights).all():
            raise InputError("An explanation's weights must be finite; found NaN or infinity.")
        errors = self.standard_errors
        if errors is not None and (errors.shape != self.weights.shape or not (errors >= 0).all()):
            raise InputError(f"Every weight needs a standard error of at least 0; found {errors}.")

    def __repr__(self) -> str:
        parts = [f"{self.name}, probability {self.probability:.2f}"]
        told = self.top(self.shown or TOLD)
        # what stands out is never left out without a word
        left = len(self.top()) - len(told)
        more = f" and {left} more" if left and self.standard_errors is not None else ""
        parts.append((", ".join(map(self._told, told)) or "no superpixel stands out") + more)
        parts.append(self.quality)
        if self.n_samples is not None:
            parts.append(f"{self.n_samples:,} masks of {len(self.weights)} superpixels")
        return "; ".join(parts)

    def _told(self, index: int) -> str:
        error = "" if self.standard_errors is None else f" ± {self.standard_errors[index]:.3f}"
        return f"superpixel {index}: {self.weights[index]:+.3f}{error}"

    def _repr_png_(self) -> bytes | None:
        """The picture that a notebook shows; None, so that it shows the line, where the image is not at hand."""
        if self.image is None or self.image.shape[0] not in (1, 3):
            return None
        # matplotlib and torch take seconds, which those who only read explanations should not wait for
        from explainfb.explanations.figures import save_figure

        written = io.BytesIO()
        save_figure(self.image, self, written, top=self.shown)
        return written.getvalue()

    @property
    def name(self) -> str:
        """The class that is explained, by its name or else by its number: `class newt`, `class 4`."""
        return f"class {self.target if self.class_name is None else self.class_name}"

    def heatmap(self) -> FloatArray:
        """(H, W): each pixel carries the weight of its superpixel."""
        return self.weights[self.segments]

    @property
    def stands_out(self) -> BoolArray:
        """(d,) whether a weight is at least twice its standard error; all of them where errors are unknown."""
        if self.standard_errors is None:
            return np.ones(self.weights.shape, dtype=np.bool_)
        stands_out: BoolArray = np.abs(self.weights) >= 2 * self.standard_errors
        return stands_out

    def top(self, count: int | None = None) -> IntArray:
        """The `count` superpixels of the largest absolute weight that stand out, or all that do; strongest first.

        Fewer where fewer stand out; a weight of 0 never does here. Raises `InputError` for a count below 1.
        """
        if count is not None and whole_number(count, "The number of the strongest superpixels") < 1:
            raise InputError(f"The strongest superpixels are at least 1; found {count}. None takes all that stand out.")
        strength = np.abs(self.weights)
        order = np.argsort(-strength, kind="stable")
        counted: IntArray = order[(self.stands_out & (strength > 0))[order]]
        return counted[:count]

    def only(self, superpixel: int) -> "Explanation":
        """The same explanation with the weight of one superpixel alone, as a reason of its own; the others are 0.

        Raises `InputError` for a superpixel that the image does not have.
        """
        if not 0 <= superpixel < len(self.weights):
            raise InputError(f"The explanation has superpixels 0 … {len(self.weights) - 1}; found {superpixel}.")
        weights = np.zeros_like(self.weights)
        weights[superpixel] = self.weights[superpixel]
        return replace(self, weights=weights)

    @property
    def reliability(self) -> float | None:
        """The correlation to expect between these weights and those of other masks and background images, in [0, 1].

        As in test theory: the share of the weights' variance over superpixels that is not their error's (Spearman
        1910). 1 where there is no error; None where the errors are unknown. It holds from some five masks a superpixel
        on (256 for 49: within .01 of what came); with fewer it promises too much (128: .72, and .56 came), because
        errors are then estimated too small.
        """
        if self.standard_errors is None:
            return None
        noise, total = float((self.standard_errors**2).mean()), float(self.weights.var())
        if noise == 0:
            return 1.0
        return max(0.0, 1 - noise / total) if total > 0 else 0.0

    @property
    def quality(self) -> str:
        """In words, how far the weights can be relied on and how far the classifier is linear here."""
        known = "" if self.reliability is None else f"reliability {self.reliability:.2f}, "
        return f"{known}R² {self.fit:.2f}"

    def plot(self, image: "Tensor | Pixels | None" = None, top: int | None = None, ax: "Axes | None" = None) -> "Axes":
        """Draw the explanation over `image` (C, H, W) in [0, 1], with a legend in units of probability.

        Orange speaks for the class and purple against it; what does not stand out from its error has no colour. With
        `top` the strongest so many superpixels are shown alone, in the image's own colours; without, `shown` says how
        many. Each of the strongest has its weight beside it. Without `image` it is the explanation's own. Without `ax`
        pyplot makes a new figure. Returns the axes. Raises `InputError` for an image of another shape, and where there
        is none.
        """
        from explainfb.explanations.figures import plot

        return plot(self._pixels(image), self, top=self.shown if top is None else top, ax=ax)

    def save(self, path: Path | str, image: "Tensor | Pixels | None" = None, top: int | None = None) -> None:
        """Write the image and, beside it, what `plot` draws to a file; its ending says the format: .png, .pdf, .svg.

        Raises `InputError` as `plot` does, and where the file cannot be written.
        """
        from explainfb.explanations.figures import save_figure

        save_figure(self._pixels(image), self, path, top=self.shown if top is None else top)

    def _pixels(self, image: "Tensor | Pixels | None") -> "Tensor | Pixels":
        found = self.image if image is None else image
        if found is None:
            raise InputError("This explanation was made without its image; give the image that was explained.")
        return found
