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
    """How an image is explained."""

    n_samples: int = 1000
    """How many perturbed images the classifier is asked about."""
    sampling: Sampling = "kernelshap"
    """`lime`: every superpixel hidden by a coin, as in the paper; `kernelshap`: most or few of them hidden."""
    fill: Fill = "data"
    """What is shown in place of a hidden superpixel."""
    superpixels: Method = "grid"
    n_segments: int = 49
    """About how many superpixels an image is cut into."""
    alpha: float = 1.0
    """Strength of the ridge penalty."""
    backend: Backend = "closed_form"
    """`lime` fits with the package of that name."""

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
