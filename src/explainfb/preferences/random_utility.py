"""A simulated annotator who judges as people do: surely where two explanations are far apart, by chance where not.

A random utility model (Thurstone 1927) with what experiments on choice find besides: a threshold below which people see
no difference (Glenn & David 1960), answers at a lapse (Wichmann & Hill 2001), habits, and harder choices taking longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import Answer, Comparison, ExplanationKey, FloatArray
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.metrics import relevance_mass
from explainfb.explanations.superpixels import coverage
from explainfb.preferences.settings import RandomUtilitySettings
from explainfb.questions.question import Look, Reply
from explainfb.tasks.task import Split

LAPSES = (Answer.LEFT, Answer.RIGHT, Answer.EQUAL)
"""What is pressed without looking, each as often."""
SECONDS_A_PRESS = 0.9
"""Of each button after the first, as of a piece that is pointed at: what people took to point at each further object of
a kind (Bearman et al. 2016)."""


@dataclass(frozen=True, kw_only=True)
class RandomUtilityAnnotator:
    """Prefers the explanation with more of its weight where the reason should be, the more surely the more it is.

    >>> import numpy as np
    >>> from explainfb import Comparison, Explanation, ExplanationKey, RandomUtilityAnnotator, load_task
    >>> train = load_task("digits-decoy").train
    >>> relevant = train.relevance[0].numpy().astype(np.int64)  # two superpixels: 1 where the digit is, 0 elsewhere
    >>> good, bad = (Explanation(0, 1.0, relevant, np.array(weights), 0.0, 1.0) for weights in ([0.0, 1.0], [1.0, 0.0]))
    >>> asked = Comparison(ExplanationKey("round-0", 0), ExplanationKey("round-1", 0), round=1)
    >>> person = RandomUtilityAnnotator(split=train, seed=0)
    >>> person.answer(asked, good, bad).value, person.seconds(asked, good, bad) < person.seconds(asked, good, good)
    ('left', True)
    """

    split: Split
    """The images that are compared, with their relevance masks."""
    seed: int
    settings: RandomUtilitySettings = field(default_factory=RandomUtilitySettings)
    name: str = "simulated"

    def __post_init__(self) -> None:
        check_fields(self, "RandomUtilityAnnotator.")
        if self.split.relevance is None:
            raise InputError(
                "A simulated annotator needs to know where the reason should be, and this task has no relevance masks; "
                "use --annotator human, or put masks beside the images."
            )

    def utility(self, explanation: Explanation, image: int) -> float:
        """The relevance mass in [0, 1], and what habits add to it."""
        assert self.split.relevance is not None
        settings = self.settings
        found = relevance_mass(explanation, self.split.relevance[image].numpy())
        if settings.against < 1:
            strength = np.abs(explanation.weights)
            found = float(strength @ self.rightness(explanation, image)) / (float(strength.sum()) or 1.0)
        if settings.tidy_bias:
            found += settings.tidy_bias * _tidiness(explanation)
        if settings.bright_bias:
            brightness = self.split.images[image].mean(0).numpy()
            found += settings.bright_bias * float(brightness.mean())
        if settings.middle_bias:
            found += settings.middle_bias * relevance_mass(explanation, _middle(explanation.segments.shape))
        return found

    def rightness(self, explanation: Explanation, image: int) -> FloatArray:
        """(d,) in [0, 1]: the share of each superpixel that lies where the reason should be; less of one that speaks
        against the class, as the settings say."""
        assert self.split.relevance is not None
        found = coverage(self.split.relevance[image].numpy(), explanation.segments)
        return np.where(explanation.weights < 0, self.settings.against * found, found)

    def look(self, item: Comparison) -> Look:
        """With the noise of one look, which is what two of them differ by less its half."""
        draw = self._draw(item.asked, *item.shown)
        lapsed = bool(draw.random() < self.settings.lapse_rate)
        return Look(draw, noise=self.settings.noise / np.sqrt(2), lapsed=lapsed)

    def utilities(self, explanations: Sequence[Explanation], keys: Sequence[ExplanationKey]) -> FloatArray:
        """(E,) the utility that the annotator gives each explanation, with the noise of one look at it."""
        return np.array(
            [
                self.utility(shown, key.image)
                + self.settings.noise / np.sqrt(2) * self._draw("utility", key).standard_normal()
                for shown, key in zip(explanations, keys, strict=True)
            ]
        )

    def answer(self, comparison: Comparison, left: Explanation, right: Explanation) -> Answer:
        """The same comparison always gets the same answer, in whatever order comparisons are asked."""
        draw = self._draw(comparison.left, comparison.right)
        lapse, which, noise = draw.random(), int(draw.integers(len(LAPSES))), draw.standard_normal()
        if lapse < self.settings.lapse_rate:
            return LAPSES[which]
        felt = self._difference(comparison, left, right) + self.settings.noise * noise
        if abs(felt) < self.settings.threshold:
            return self._tie(comparison, left, right)
        return Answer.LEFT if felt > 0 else Answer.RIGHT

    def seconds(self, comparison: Comparison, left: Explanation, right: Explanation) -> float:
        """How long the answer takes: longest where the two are alike, and never the same twice."""
        return self._seconds(abs(self._difference(comparison, left, right)), comparison.left, comparison.right)

    def seconds_of(self, item: Comparison, reply: Reply) -> float:
        """The same for another question: as long for each picture as in a comparison, and more for each more button."""
        looked = self._seconds(reply.ease, item.asked, *item.shown) * len(item.shown) / 2
        return looked + SECONDS_A_PRESS * (reply.presses - 1)

    def _seconds(self, difference: float, *what: object) -> float:
        settings = self.settings
        slowed = 1 + settings.hesitation / (1 + difference / max(settings.noise, 1e-9))
        noise = self._draw("seconds", *what).standard_normal()
        return float(settings.seconds * slowed * np.exp(settings.seconds_spread * noise))

    def _difference(self, comparison: Comparison, left: Explanation, right: Explanation) -> float:
        first, second = (
            self.utility(shown, key.image) for shown, key in ((left, comparison.left), (right, comparison.right))
        )
        return first - second + self.settings.left_bias

    def _tie(self, comparison: Comparison, left: Explanation, right: Explanation) -> Answer:
        """Both are called good or bad where both are, and not different where they lie between."""
        worth = [self.utility(left, comparison.left.image), self.utility(right, comparison.right.image)]
        if min(worth) > self.settings.good:
            return Answer.BOTH_GOOD
        return Answer.BOTH_BAD if max(worth) < self.settings.bad else Answer.EQUAL

    def _draw(self, *what: object) -> np.random.Generator:
        return numpy_generator(self.seed, "annotator", self.name, *what)


def _tidiness(explanation: Explanation) -> float:
    """1 where one superpixel has all the weight, 0 where all have the same."""
    strength = np.abs(explanation.weights)
    if len(strength) < 2 or strength.sum() == 0:
        return 0.0
    shares = strength[strength > 0] / strength.sum()
    return 1 - float(-(shares * np.log(shares)).sum() / np.log(len(strength)))


def _middle(shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """(H, W): the middle half of the rows and of the columns."""
    height, width = shape
    found = np.zeros(shape, dtype=np.bool_)
    found[height // 4 : height - height // 4, width // 4 : width - width // 4] = True
    return found
