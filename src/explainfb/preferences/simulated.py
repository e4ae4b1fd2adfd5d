"""Simulated annotators, who know where the reason should be and are sometimes wrong.

The masks stand in for a person's judgement; nothing else that learns may read them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields
from explainfb.core.seeding import numpy_generator
from explainfb.core.types import Answer, Comparison, ExplanationKey, FloatArray
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.metrics import relevance_mass
from explainfb.explanations.superpixels import coverage
from explainfb.preferences.random_utility import RandomUtilityAnnotator
from explainfb.preferences.settings import RandomUtilitySettings
from explainfb.questions.question import Look
from explainfb.tasks.task import Split, Task


@dataclass(frozen=True, kw_only=True)
class SimulatedAnnotator:
    """Prefers the explanation with the larger share of its weight where the reason should be.

    >>> import numpy as np
    >>> from explainfb import Comparison, Explanation, ExplanationKey, SimulatedAnnotator, load_task
    >>> train = load_task("digits-decoy").train
    >>> relevant = train.relevance[0].numpy().astype(np.int64)  # two superpixels: 1 where the digit is, 0 elsewhere
    >>> good, bad = (Explanation(0, 1.0, relevant, np.array(weights), 0.0, 1.0) for weights in ([0.0, 1.0], [1.0, 0.0]))
    >>> asked = Comparison(ExplanationKey("round-0", 0), ExplanationKey("round-1", 0), round=1)
    >>> SimulatedAnnotator(split=train, seed=0, error_rate=0).answer(asked, good, bad).value
    'left'
    """

    split: Split
    """The images that are compared, with their relevance masks."""
    seed: int
    error_rate: float = 0.1
    """The probability of the opposite answer, where the two are not called equal."""
    margin: float = 0.02
    """Shares that differ by less are called equal."""
    name: str = "simulated"

    def __post_init__(self) -> None:
        check_fields(self, "SimulatedAnnotator.")
        if self.split.relevance is None:
            raise InputError(
                "A simulated annotator needs to know where the reason should be, and this task has no relevance masks; "
                "use --annotator human, or put masks beside the images."
            )
        if not 0 <= self.error_rate <= 1:
            raise InputError(f"An error rate lies in [0, 1]; found {self.error_rate}.")

    def utility(self, explanation: Explanation, image: int) -> float:
        assert self.split.relevance is not None
        return relevance_mass(explanation, self.split.relevance[image].numpy())

    def rightness(self, explanation: Explanation, image: int) -> FloatArray:
        """(d,) in [0, 1]: the share of each superpixel that lies where the reason should be."""
        assert self.split.relevance is not None
        return coverage(self.split.relevance[image].numpy(), explanation.segments)

    def look(self, item: Comparison) -> Look:
        """What is decided on it is turned round with probability `error_rate`."""
        draw = numpy_generator(self.seed, "annotator", self.name, item.asked, *item.shown)
        return Look(draw, error_rate=self.error_rate)

    def utilities(self, explanations: Sequence[Explanation], keys: Sequence[ExplanationKey]) -> FloatArray:
        """(E,) the utility that the annotator gives each explanation.

        With probability `error_rate` it is that of another explanation, drawn at random. So the distribution stays as
        it is, and at 1 nothing of the judgement is left; answers to comparisons would all be turned round.
        """
        true = np.array([self.utility(shown, key.image) for shown, key in zip(explanations, keys, strict=True)])
        said = true.copy()
        for index, key in enumerate(keys):
            generator = numpy_generator(self.seed, "annotator", self.name, "utility", key)
            if generator.random() < self.error_rate and len(keys) > 1:
                said[index] = true[(index + int(generator.integers(1, len(keys)))) % len(keys)]
        return said

    def answer(self, comparison: Comparison, left: Explanation, right: Explanation) -> Answer:
        """The same comparison always gets the same answer, in whatever order comparisons are asked."""
        difference = self.utility(left, comparison.left.image) - self.utility(right, comparison.right.image)
        if abs(difference) < self.margin:
            return Answer.EQUAL
        better, worse = (Answer.LEFT, Answer.RIGHT) if difference > 0 else (Answer.RIGHT, Answer.LEFT)
        chance = numpy_generator(self.seed, "annotator", self.name, comparison.left, comparison.right).random()
        return worse if chance < self.error_rate else better


@dataclass(frozen=True, kw_only=True)
class CoinAnnotator:
    """Answers left or right by a coin: the placebo of the `random_answers` arm."""

    seed: int
    name: str = "coin"

    def utility(self, explanation: Explanation, image: int) -> float:
        return 0.5

    def rightness(self, explanation: Explanation, image: int) -> FloatArray:
        """(d,) nothing is seen."""
        return np.full(len(explanation.weights), 0.5)

    def look(self, item: Comparison) -> Look:
        return Look(numpy_generator(self.seed, "annotator", self.name, item.asked, *item.shown), lapsed=True)

    def utilities(self, explanations: Sequence[Explanation], keys: Sequence[ExplanationKey]) -> FloatArray:
        """(E,) a utility in [0, 1] for each explanation, drawn at random."""
        return np.array([numpy_generator(self.seed, "annotator", self.name, "utility", key).random() for key in keys])

    def answer(self, comparison: Comparison, left: Explanation, right: Explanation) -> Answer:
        coin = numpy_generator(self.seed, "annotator", self.name, comparison.left, comparison.right).random()
        return Answer.LEFT if coin < 0.5 else Answer.RIGHT


Person = SimulatedAnnotator | RandomUtilityAnnotator | CoinAnnotator
"""One who answers."""


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Several simulated annotators, who share the comparisons: each goes to one or more of them, drawn at random."""

    members: tuple[Person, ...]
    seed: int

    def who_answer(self, comparison: Comparison, overlap: int = 1) -> list[Person]:
        """The `overlap` different members who answer the comparison, whatever the order in which comparisons are asked.

        Raises `InputError` where there are fewer members.
        """
        if overlap > len(self.members):
            raise InputError(
                f"{overlap} different simulated annotators are to answer each comparison and there are "
                f"{len(self.members)}; give --crowd as many error rates as --overlap asks for."
            )
        generator = numpy_generator(self.seed, "crowd", comparison.left, comparison.right)
        first = int(generator.integers(len(self.members)))
        others = [member for place, member in enumerate(self.members) if place != first]
        chosen = generator.permutation(len(others))[: overlap - 1]
        return [self.members[first], *(others[place] for place in chosen)]

    def utilities(self, explanations: Sequence[Explanation], keys: Sequence[ExplanationKey]) -> FloatArray:
        """A crowd is only asked to compare. Raises `InputError`."""
        raise InputError("A reward is learned from the utilities of one simulated annotator; leave --crowd out.")


Annotator = Person | Crowd


def simulated_annotator(
    split: Split,
    *,
    seed: int,
    error_rate: float,
    crowd: Sequence[float] = (),
    name: str = "simulated",
    random_utility: RandomUtilitySettings | None = None,
) -> Annotator:
    """One simulated annotator called `name`, or a crowd, NAME-1 and so on, with an error rate each.

    With `random_utility` they judge as people do, and the rates of a crowd are those of their lapses.
    """

    def person(name: str, rate: float | None = None) -> Person:
        if random_utility is None:
            return SimulatedAnnotator(
                split=split, seed=seed, error_rate=error_rate if rate is None else rate, name=name
            )
        settings = random_utility if rate is None else replace(random_utility, lapse_rate=rate)
        return RandomUtilityAnnotator(split=split, seed=seed, settings=settings, name=name)

    if not crowd:
        return person(name)
    members = [person(f"{name}-{number}", rate) for number, rate in enumerate(crowd, 1)]
    return Crowd(members=tuple(members), seed=seed)


def coin_annotator(*, seed: int, overlap: int = 1) -> Annotator:
    """As many coins as answers are wanted of each comparison."""
    if overlap == 1:
        return CoinAnnotator(seed=seed)
    return Crowd(members=tuple(CoinAnnotator(seed=seed, name=f"coin-{n}") for n in range(1, overlap + 1)), seed=seed)


def check_annotator(task: Task) -> None:
    """Raise `InputError` when a simulated annotator would not know what to answer on this task."""
    SimulatedAnnotator(split=task.train, seed=0)
