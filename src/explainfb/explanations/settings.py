"""How an image is explained."""

from dataclasses import dataclass
from typing import Literal, get_args

from explainfb.core.errors import InputError

Backend = Literal["closed_form", "lime"]


Sampling = Literal["lime", "kernelshap"]
Fill = Literal["zero", "mean", "blur", "noise", "data"]
Method = Literal["grid", "slic", "quickshift"]


@dataclass(frozen=True, kw_only=True)
class LimeSettings:
    """How an image is explained.

    >>> from explainfb import LimeSettings
    >>> LimeSettings(n_samples=500, fill="zero").n_segments
    49
    """

    n_samples: int = 1000
    """How many perturbed images the classifier is asked about for one explanation, at least 4; even with kernelshap."""
    sampling: Sampling = "kernelshap"
    """How the hidden superpixels are drawn: `lime`, each by the toss of a coin, as in the paper; `kernelshap`, mostly
    few or nearly all of them, in pairs that complement each other (Lundberg & Lee 2017)."""
    fill: Fill = "data"
    """What is shown in place of a hidden superpixel: black (`zero`), its mean colour (`mean`), the image without detail
    (`blur`), random pixels (`noise`), or the same place in other training images (`data`)."""
    superpixels: Method = "grid"
    """How an image is cut into superpixels: a grid of rectangles, or along its edges by SLIC (Achanta et al. 2012) or
    quickshift (Vedaldi & Soatto 2008)."""
    n_segments: int = 49
    """About how many superpixels an image is cut into."""
    alpha: float = 1.0
    """Strength of the ridge penalty on the weights, greater than 0."""
    backend: Backend = "closed_form"
    """What fits the linear model: `closed_form`, our own solution of the ridge regression, or `lime`, the package."""

    def __post_init__(self) -> None:
        choices = {"sampling": Sampling, "fill": Fill, "superpixels": Method, "backend": Backend}
        for name, choice in choices.items():
            if getattr(self, name) not in get_args(choice):
                raise InputError(f"Unknown {name} {getattr(self, name)!r}; expected {' or '.join(get_args(choice))}.")
        if self.n_samples < 4:
            raise InputError(f"{self.n_samples} masks are too few for any fit; ask for at least 4, better 1,000.")
        if self.sampling == "kernelshap" and self.n_samples % 2:
            raise InputError(
                f"kernelshap masks come in pairs; the number of masks must be even, found {self.n_samples}."
            )
        if not self.alpha > 0:
            raise InputError(f"The ridge penalty alpha must be positive; found {self.alpha}.")


PAPER = LimeSettings(sampling="lime", fill="mean")
"""The settings of Ribeiro et al. 2016."""
