"""Which comparisons are asked."""

from dataclasses import dataclass
from typing import Literal

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields

Choice = Literal["disagreement", "random"]
Compared = Literal["explanations", "superpixels"]


@dataclass(frozen=True, kw_only=True)
class QuerySettings:
    """Which comparisons are asked.

    >>> from explainfb import QuerySettings
    >>> QuerySettings(strategy="random").held_out
    0.1
    """

    compared: Compared = "explanations"
    """What a comparison shows: whole `explanations`, of two images or of two classifiers, or two `superpixels` of one
    explanation, each alone, as two reasons for one answer."""
    strongest: int = 6
    """Among so many of the strongest superpixels that stand out, at least 2, the two of one explanation are drawn."""
    strategy: Choice = "disagreement"
    """Which candidates are asked: those that the ensemble's members disagree on most, or any, at random."""
    candidates: int = 10
    """How many candidates are drawn for each comparison that is asked, at least 1."""
    same_image: float = 0.5
    """The share of draws, in [0, 1], that from the second round on compare two classifiers on one image; the others
    compare two images. An image has only one such pair, so they are soon used up: at .5 they are nearly half of what
    `random` asks, and about one in fifteen of the candidates that `disagreement` chooses from."""
    most_per_image: int | None = None
    """In how many comparisons of a round an image may be while another is in none, at least 1. None is 4 where people
    are asked, and no bound where a simulated annotator is."""
    ranked: int = 5
    """With --question rank, so many explanations are shown at once, from 4 to 6."""
    images: float = 1.0
    """How many images a round explains for each comparison that it asks, in (0, 1]. At .5 each is in twice as many
    comparisons, and twice the masks (`lime.n_samples`) take as many passes. Of questions about one explanation at a
    time each is about another image, whatever this is."""
    held_out: float = 0.1
    """The share of images, and of comparisons, in (0, 1), that the reward is never fitted to and is judged by."""

    def __post_init__(self) -> None:
        check_fields(self, "queries.")
        if self.candidates < 1:
            raise InputError(f"--queries.candidates must be at least 1; found {self.candidates}.")
        if self.strongest < 2:
            raise InputError(f"--queries.strongest is at least 2, for a comparison; found {self.strongest}.")
        if not 4 <= self.ranked <= 6:
            raise InputError(f"--queries.ranked is 4, 5 or 6 explanations; found {self.ranked}.")
        if self.most_per_image is not None and self.most_per_image < 1:
            raise InputError(f"--queries.most-per-image must be at least 1; found {self.most_per_image}.")
        if not 0 <= self.same_image <= 1:
            raise InputError(f"--queries.same-image is a share in [0, 1]; found {self.same_image}.")
        if not 0 < self.images <= 1:
            raise InputError(f"--queries.images is a number in (0, 1]; found {self.images}.")
        if not 0 < self.held_out < 1:
            raise InputError(f"The share of held-out comparisons lies between 0 and 1; found {self.held_out}.")


@dataclass(frozen=True, kw_only=True)
class RandomUtilitySettings:
    """How a simulated annotator judges who is told to judge as people do. Utilities are shares of weight in [0, 1].

    >>> from explainfb import RandomUtilitySettings
    >>> RandomUtilitySettings(noise=0.3, left_bias=0.05).threshold
    0.05
    """

    noise: float = 0.15
    """The standard deviation, at least 0, of what is felt of a difference: without a threshold, two that are as far
    apart as this are confused once in six looks, those twice as far once in forty-four."""
    threshold: float = 0.05
    """A smaller felt difference, at least 0, is none."""
    good: float = 0.7
    """Where neither is better and both are worth more than this, both are called good."""
    bad: float = 0.3
    """Where neither is better and both are worth less than this, both are called bad."""
    lapse_rate: float = 0.03
    """The share of answers, in [0, 1], given without looking; of a crowd, each member's rate stands in its place."""
    left_bias: float = 0.0
    """By how much more the left one seems worth; below 0, the right one."""
    tidy_bias: float = 0.0
    """What an explanation gains that rests on few superpixels."""
    bright_bias: float = 0.0
    """What an explanation of a bright picture gains over one of a dark picture."""
    middle_bias: float = 0.0
    """What weight in the middle of the picture gains."""
    against: float = 1.0
    """What weight against the class is worth where the reason should be, in [0, 1] of what weight for it is. At 1 its
    place alone counts, as instructions and practice tell people; at 0 it is no reason, wherever it lies."""
    seconds: float = 2.0
    """How long an easy comparison takes, at least 0. On digits a round's take 5 in mean; people took 3 to 5 for two
    short clips (Christiano et al. 2017)."""
    hesitation: float = 2.0
    """By which multiple of that an answer is slowed where both are alike, at least 0."""
    seconds_spread: float = 0.4
    """How far the time varies from answer to answer: the standard deviation of its logarithm, at least 0."""

    def __post_init__(self) -> None:
        check_fields(self, "random_utility.")
        for name in ("noise", "threshold", "seconds", "hesitation", "seconds_spread"):
            if getattr(self, name) < 0:
                raise InputError(f"random_utility.{name} is a number of at least 0; found {getattr(self, name)}.")
        if not 0 <= self.lapse_rate <= 1:
            raise InputError(f"random_utility.lapse_rate is a share in [0, 1]; found {self.lapse_rate}.")
        if not 0 <= self.against <= 1:
            raise InputError(f"random_utility.against is a share in [0, 1]; found {self.against}.")


@dataclass(frozen=True, kw_only=True)
class CareSettings:
    """When the answers of a person are flagged on the researchers' page, and what follows of itself.

    >>> from explainfb import CareSettings
    >>> CareSettings(act="end").right
    0.5
    """

    act: Literal["flag", "end", "leave_out"] = "flag"
    """What follows of itself: nothing but the flag; the visit ends with thanks and its answers stay; or it ends and its
    answers are left out of the fit, on record."""
    known_answers: int = 4
    """After so many items with a known answer, at least 1, …"""
    right: float = 0.5
    """… a smaller share of right ones, in [0, 1], is flagged."""
    answers: int = 20
    """After so many answers, at least 1, pace and sides are looked at."""
    seconds: float = 1.0
    """A median time under this is flagged, at least 0."""
    one_sided: float = 0.9
    """A larger share of one side among left and right, in [0.5, 1], is flagged."""

    def __post_init__(self) -> None:
        check_fields(self, "care.")
        for name, low, high in (("right", 0, 1), ("one_sided", 0.5, 1), ("seconds", 0, float("inf"))):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"care.{name} is a number in [{low}, {high}]; found {getattr(self, name)}.")
        for name in ("known_answers", "answers"):
            if getattr(self, name) < 1:
                raise InputError(f"care.{name} is at least 1; found {getattr(self, name)}.")
