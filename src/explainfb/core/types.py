"""The records that all packages share: frozen, and checked when they are made."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import numpy.typing as npt

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields

if TYPE_CHECKING:
    # not at run time: the store and the commands about people use these records, and start seconds sooner without torch
    from torch import Tensor

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Norm = Literal["linf", "l2"]
Asked = Literal["compare", "yes-no", "point", "rank", "clips"]
"""What can be asked of explanations that are shown: `explainfb.questions` has all that is known of each."""


def check_images(images: "Tensor") -> None:
    """Raise `InputError` unless `images` is a float tensor (N, C, H, W), finite and inside [0, 1]."""
    if images.ndim != 4 or not images.is_floating_point():
        raise InputError(
            f"Images must be a float tensor of shape (N, C, H, W); found {images.dtype} of shape {tuple(images.shape)}."
        )
    if images.numel() == 0:
        return
    low, high = (float(bound) for bound in images.aminmax())
    if not (np.isfinite(low) and np.isfinite(high)):
        broken = int((~images.isfinite()).flatten(1).any(1).nonzero()[0])
        raise InputError(f"Image {broken} contains NaN or infinity; every pixel must be a number in [0, 1].")
    if low < 0 or high > 1:
        raise InputError(f"Pixels must lie in [0, 1]; found [{low:g}, {high:g}]. Divide 8-bit pictures by 255.")


GOOD, BAD = "gold-good", "gold-bad"
"""What takes the place of the classifier's name in the key of a gold explanation."""


@dataclass(frozen=True, order=True)
class ExplanationKey:
    """Where an explanation is found: which classifier of the run, and which training image.

    >>> from explainfb import ExplanationKey
    >>> str(ExplanationKey("round-0", image=7)), str(ExplanationKey("round-0", image=7, superpixel=12))
    ('round-0/7', 'round-0/7#12')
    """

    classifier: str
    """Such as `round-0`."""
    image: int
    """Index into the task's training images."""
    superpixel: int | None = None
    """The one superpixel of it that is shown, as a reason alone; None shows the whole explanation."""

    def __str__(self) -> str:
        return f"{self.classifier}/{self.image}" + ("" if self.superpixel is None else f"#{self.superpixel}")

    @property
    def gold(self) -> bool:
        """Whether it was made to check the annotator, and no classifier gave it."""
        return self.classifier in (GOOD, BAD)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `str`."""
        explanation, _, superpixel = text.partition("#")
        classifier, _, image = explanation.rpartition("/")
        return cls(classifier, int(image), int(superpixel) if superpixel else None)

    @property
    def whole(self) -> Self:
        """The explanation that the superpixel is of."""
        return replace(self, superpixel=None)


class Answer(StrEnum):
    """What a person can say of what is shown: of a comparison one of the first five, and can't tell of anything.

    >>> from explainfb import Answer
    >>> Answer.LEFT.share_left, Answer.BOTH_BAD.share_left, Answer.CANT_TELL.share_left
    (1.0, 0.5, None)
    """

    LEFT = "left"
    RIGHT = "right"
    EQUAL = "equal"
    """No difference, without a word on whether they are good."""
    BOTH_GOOD = "both_good"
    BOTH_BAD = "both_bad"
    CANT_TELL = "cant_tell"
    YES = "yes"
    """A single explanation rests on the right place, or no piece of it was pointed at."""
    NO = "no"
    """It does not, or pieces were pointed at."""
    RANKED = "ranked"
    """The best and the worst of several were named."""

    @property
    def share_left(self) -> float | None:
        """The probability that the left one is better, as the reward model is taught it; None teaches nothing."""
        if self.is_tie:
            return 0.5
        return {Answer.LEFT: 1.0, Answer.RIGHT: 0.0}.get(self)

    @property
    def is_tie(self) -> bool:
        """Whether neither is said to be better: no difference, both good, both bad."""
        return self in (Answer.EQUAL, Answer.BOTH_GOOD, Answer.BOTH_BAD)


ANSWERS_TO: dict[Asked, tuple[Answer, ...]] = {
    "compare": tuple(Answer)[:6],
    "yes-no": (Answer.YES, Answer.NO, Answer.CANT_TELL),
    "point": (Answer.YES, Answer.NO, Answer.CANT_TELL),
    "rank": (Answer.RANKED, Answer.CANT_TELL),
    # left, right, equal, can't tell: those of Christiano et al. (2017)
    "clips": (Answer.LEFT, Answer.RIGHT, Answer.EQUAL, Answer.CANT_TELL),
}
"""What can be said to each question."""


@dataclass(frozen=True)
class Comparison:
    """What is asked about at once: two explanations in the order in which they are shown, or one, or several.

    >>> from explainfb import Comparison, ExplanationKey
    >>> asked = Comparison(ExplanationKey("round-0", 3), ExplanationKey("round-0", 8), round=1)
    >>> str(asked.left), str(asked.right)
    ('round-0/3', 'round-0/8')
    >>> len(Comparison.about([asked.left], round=1, asked="yes-no").shown)
    1
    """

    left: ExplanationKey
    right: ExplanationKey
    """The same as the left one where a single explanation is shown."""
    round: int
    """The round, from 1, that asks it."""
    gold: Answer | None = None
    """The known answer of an item that checks the annotator; None for an ordinary comparison."""
    asked: Asked = "compare"
    """What is asked of them."""
    others: tuple[ExplanationKey, ...] = ()
    """Those that are shown after the first two."""

    def __post_init__(self) -> None:
        if self.asked not in ANSWERS_TO:
            raise InputError(f"What is asked is one of {', '.join(ANSWERS_TO)}; found {self.asked!r}.")
        if self.asked in ("yes-no", "point"):
            if self.left != self.right or self.others:
                raise InputError(f"{self.asked} asks about one explanation; found {self.left} and {self.right}.")
        elif len({self.left, self.right, *self.others}) < 2 + len(self.others):
            raise InputError(f"A comparison needs two different explanations; found {self.left} twice.")

    @classmethod
    def about(
        cls, shown: Sequence[ExplanationKey], round: int, *, asked: Asked = "compare", gold: Answer | None = None
    ) -> Self:
        """What is asked of the explanations `shown`, one or more, in that order."""
        left, right, *others = [*shown, shown[0]] if len(shown) == 1 else shown
        return cls(left, right, round, gold, asked, tuple(others))

    @property
    def shown(self) -> tuple[ExplanationKey, ...]:
        """All that are shown, in their order."""
        return (self.left,) if self.left == self.right else (self.left, self.right, *self.others)


@dataclass(frozen=True)
class Preference:
    """One answer to one comparison.

    >>> from datetime import UTC, datetime
    >>> from explainfb import Answer, Comparison, ExplanationKey, Preference
    >>> asked = Comparison(ExplanationKey("round-0", 3), ExplanationKey("round-0", 8), round=1)
    >>> shown, pressed = (datetime(2026, 5, 4, 12, 0, second, tzinfo=UTC) for second in (0, 3))
    >>> given = Preference(asked, Answer.LEFT, "Ada", seed=0, shown_at=shown, responded_at=pressed)
    >>> given.answer.value, (given.responded_at - given.shown_at).seconds
    ('left', 3)
    """

    comparison: Comparison
    answer: Answer
    annotator: str
    seed: int
    """The seed of the study that drew the comparison and the order in which it was shown."""
    shown_at: datetime
    responded_at: datetime
    said: str | None = None
    """What else was said: the pieces pointed at, or the best and the worst; the question's own words."""


@dataclass(frozen=True, order=True)
class ThreatModel:
    """What an attacker may do: move an image of [0, 1] pixels by at most `epsilon` in `norm`.

    >>> from explainfb import ThreatModel
    >>> ThreatModel("linf", 0.1)
    ThreatModel(norm='linf', epsilon=0.1)
    """

    norm: Norm
    epsilon: float

    def __post_init__(self) -> None:
        check_fields(self, "ThreatModel.")
        if not self.epsilon >= 0:
            raise InputError(f"epsilon must be at least 0; found {self.epsilon}.")
        if self.norm == "linf" and self.epsilon > 1:
            raise InputError(
                f"epsilon in L∞ is a change of pixels in [0, 1]; found {self.epsilon:g}. If it is of pixels from 0 to "
                f"255, give {self.epsilon:g} / 255."
            )


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval.

    >>> from explainfb import Interval
    >>> Interval(estimate=0.9, low=0.87, high=0.93).low
    0.87
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class CrossCheck:
    """What another library's attack left standing, beside what ours left of the same images.

    >>> from explainfb import CrossCheck
    >>> check = CrossCheck("AutoAttack", accuracy=0.54, ours=0.56, n=50)
    >>> round((check.ours - check.accuracy) * check.n)  # images that AutoAttack broke and ours did not
    1
    """

    attack: str
    accuracy: float
    ours: float
    n: int
    """How many images both attacked."""


@dataclass(frozen=True)
class RobustAccuracy:
    """The share of images that no attack of the threat model could make the classifier get wrong.

    >>> from explainfb import Interval, RobustAccuracy, ThreatModel
    >>> found = RobustAccuracy(ThreatModel("linf", 0.1), Interval(0.4, 0.33, 0.47), n=200, flags=("more_steps_help",))
    >>> found.reliable
    False
    """

    threat_model: ThreatModel
    accuracy: Interval
    n: int
    """How many images were attacked."""
    attacks: dict[str, float] = field(default_factory=dict)
    """The accuracy left by each attack alone; `accuracy` is their worst case image by image. For an attack that ran on
    some of the correctly classified images it is the clean accuracy times the share of those that held."""
    flags: tuple[str, ...] = ()
    """Sanity checks that failed; empty for a number that can be relied on."""
    survived: tuple[bool, ...] = ()
    """Image by image, whether no attack succeeded; what pairs two classifiers that were attacked on the same images."""
    attack_images: dict[str, int] = field(default_factory=dict)
    """How many images each attack ran on: all that are classified correctly, or for slow ones a few of these."""
    cross_check: CrossCheck | None = None
    """A second opinion, which is no part of `accuracy`."""

    @property
    def reliable(self) -> bool:
        return not self.flags


@dataclass(frozen=True)
class OutOfBagTest:
    """How many answers that it did not see a member predicts, and how easily a coin's are predicted as well."""

    right: int
    asked: int
    p_value: float
    """The probability in [0, 1] with which at least one of the ensemble's members does as well on a coin's answers, or
    a bound above it."""
