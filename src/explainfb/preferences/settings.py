"""Which comparisons are asked."""

from dataclasses import dataclass
from typing import Literal

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields

Choice = Literal["disagreement", "random"]


@dataclass(frozen=True, kw_only=True)
class QuerySettings:
    """Which comparisons are asked.

    >>> from explainfb import QuerySettings
    >>> QuerySettings(strategy="random").held_out
    0.1
    """

    strategy: Choice = "disagreement"
    """Which candidates are asked: those that the ensemble's members disagree on most, or any, at random."""
    candidates: int = 10
    """How many candidates are drawn for each comparison that is asked, at least 1."""
    same_image: float = 0.5
    """The share of draws, in [0, 1], that from the second round on compare two classifiers on one image; the others
    compare two images. An image has only one such pair, so they are soon used up: at .5 they are nearly half of what
    `random` asks, and about one in fifteen of the candidates that `disagreement` chooses from."""
    held_out: float = 0.1
    """The share of images, and of comparisons, in (0, 1), that the reward is never fitted to and is judged by."""

    def __post_init__(self) -> None:
        check_fields(self, "queries.")
        if self.candidates < 1:
            raise InputError(f"--queries.candidates must be at least 1; found {self.candidates}.")
        if not 0 <= self.same_image <= 1:
            raise InputError(f"--queries.same-image is a share in [0, 1]; found {self.same_image}.")
        if not 0 < self.held_out < 1:
            raise InputError(f"The share of held-out comparisons lies between 0 and 1; found {self.held_out}.")
