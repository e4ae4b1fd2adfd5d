"""How an image is explained."""

from dataclasses import dataclass
from typing import Literal

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields

FIRST_SAMPLES = 256
PHOTOGRAPH = 64
"""Images at least so many pixels a side have edges along which they can be cut."""
Backend = Literal["closed_form", "lime"]
Sampling = Literal["lime", "kernelshap", "leverage", "hadamard"]
Fill = Literal["zero", "mean", "blur", "noise", "data"]
Method = Literal["grid", "slic", "quickshift"]


@dataclass(frozen=True, kw_only=True)
class LimeSettings:
    """How an image is explained.

    >>> from explainfb import LimeSettings
    >>> LimeSettings(n_samples=500, fill="zero").n_segments
    49
    """

    n_samples: int | Literal["auto"] = 1000
    """How many perturbed images the classifier is asked about for one explanation, at least 4, and even unless sampling
    is `lime`; or `auto`: as many as `precision` needs."""
    precision: float = 0.02
    """With `auto`: asking goes on until every weight is known to within this, in units of probability and with 95 %
    confidence, or the five strongest superpixels are told from the rest; more than 0."""
    most_samples: int = 4096
    """With `auto`: where asking ends in any case, at least 256."""
    sampling: Sampling = "leverage"
    """How the hidden superpixels are drawn: `lime`, each by the toss of a coin, as in the paper; `kernelshap`, mostly
    few or nearly all of them, in pairs that complement each other (Lundberg & Lee 2017); `leverage`, evenly over how
    many they are, in such pairs, for the same weights with less error (Musco & Witter 2024); `hadamard`, in balanced
    sets of such pairs, for the weights of `lime` with less error."""
    fill: Fill = "data"
    """What is shown in place of a hidden superpixel: black (`zero`), its mean colour (`mean`), the image without detail
    (`blur`), random pixels (`noise`), or the same place in other training images (`data`)."""
    control_variate: bool = False
    """With the fill `data`: distil the classifier once, for some 4,096 images and one a background image, into a model
    of such mixtures whose mean is known, and ask the classifier only where it differs: a fraction of the error at the
    same masks. It pays from some ten explanations of one classifier on."""
    superpixels: Method = "grid"
    """How an image is cut into superpixels: a grid of rectangles, or along its edges by SLIC (Achanta et al. 2012) or
    quickshift (Vedaldi & Soatto 2008)."""
    n_segments: int = 49
    """About how many superpixels an image is cut into."""
    alpha: float = 1.0
    """Strength of the ridge penalty on the weights, greater than 0."""
    passes: Literal["usual", "measured"] = "usual"
    """How many images go through the network at a time and how its weights lie in memory: `usual`, by the size of the
    images, the same everywhere; or `measured`, what is fastest on this machine, tried for some seconds when a study
    first explains and kept in its folder. Weights differ in their last bits only."""
    bfloat16: bool = False
    """Whether the network computes explanations in 16 bits, which is faster where the processor has them and slower
    where it has not, and moves weights by the rounding of its answers."""
    backend: Backend = "closed_form"
    """What fits the linear model: `closed_form`, our own solution of the ridge regression, or `lime`, the package."""

    def __post_init__(self) -> None:
        check_fields(self, "lime.")
        if self.n_samples == "auto":
            self._check_auto()
        elif self.n_samples < 4:
            raise InputError(
                f"n_samples is a number of masks, at least 4, better 1,000, or auto; found {self.n_samples!r}."
            )
        elif self.sampling != "lime" and self.n_samples % 2:
            raise InputError(
                f"{self.sampling} masks come in pairs; the number of masks must be even, found {self.n_samples}."
            )
        if self.n_segments < 2:
            raise InputError(f"An explanation needs at least 2 superpixels; found lime.n_segments {self.n_segments}.")
        if not self.alpha > 0:
            raise InputError(f"The ridge penalty alpha must be positive; found {self.alpha}.")

    def _check_auto(self) -> None:
        if not self.precision > 0:
            raise InputError(f"precision must be positive; found {self.precision}.")
        if self.most_samples < FIRST_SAMPLES:
            raise InputError(
                f"most_samples is at least {FIRST_SAMPLES}, which auto begins with; found {self.most_samples}."
            )

    @property
    def random_fill(self) -> bool:
        """Whether what hides a superpixel is drawn anew for each mask."""
        return self.fill in ("noise", "data")

    @property
    def first_samples(self) -> int:
        """How many masks are asked about before anything is looked at: all, or the first ones of `auto`."""
        return FIRST_SAMPLES if self.n_samples == "auto" else self.n_samples


def without_background(side: int) -> LimeSettings:
    """How an image whose shorter side has so many pixels is explained where there are no other images to draw from.

    Photographs are cut along their edges, as in the paper, and hidden pieces have their mean colour.
    """
    return LimeSettings(fill="mean", superpixels="slic" if side >= PHOTOGRAPH else "grid")


PAPER = LimeSettings(sampling="lime", fill="mean")
"""The settings of Ribeiro et al. 2016."""
