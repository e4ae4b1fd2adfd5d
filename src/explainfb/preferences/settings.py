"""Which comparisons are asked."""

from dataclasses import dataclass
from typing import Literal

from explainfb.core.errors import InputError

Choice = Literal["disagreement", "random"]


@dataclass(frozen=True, kw_only=True)
class QuerySettings:
    """Which comparisons are asked."""

    strategy: Choice = "disagreement"
    """Those that the reward models disagree on most, or any."""
    candidates: int = 10
    """How many times as many candidates as comparisons the choice is made among."""
    same_image: float = 0.5
    """How often a draw from the second round on compares two classifiers on one image; otherwise it is two images. An
    image has one such pair and many of the other kind, so they are soon used up: at .5 nearly half of what `random`
    asks are such pairs, and about one in fifteen of the candidates that `disagreement` chooses from."""
    held_out: float = 0.1
    """The share of images, and of comparisons, that the reward is never fitted to and is judged by."""

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise InputError(f"--queries.candidates must be at least 1; found {self.candidates}.")
        if not 0 <= self.same_image <= 1:
            raise InputError(f"--queries.same-image is a share in [0, 1]; found {self.same_image}.")
        if not 0 < self.held_out < 1:
            raise InputError(f"The share of held-out comparisons lies between 0 and 1; found {self.held_out}.")
