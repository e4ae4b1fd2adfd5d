"""What a question is, and how those who only pretend to look answer one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from explainfb.core.types import BAD, GOOD, Answer, Asked, BoolArray, Comparison, ExplanationKey, FloatArray, Preference
from explainfb.explanations.explanation import Explanation
from explainfb.rewards.dataset import AnswerBatch


@dataclass(frozen=True)
class Reply:
    """What is said to a question."""

    answer: Answer
    said: str | None = None
    """What the answer alone does not tell, in the question's own words."""
    ease: float = 0.0
    """How far apart what had to be told apart was, in utility: of a simulated annotator, who is slower where it is
    little."""
    presses: int = 1
    """How many buttons it took."""


@dataclass(frozen=True)
class Look:
    """One look of a simulated annotator at what is shown, with all that keeps it from seeing the truth."""

    draw: np.random.Generator
    noise: float = 0.0
    """The standard deviation of what is felt of one utility."""
    error_rate: float = 0.0
    """The probability with which a decision is turned round."""
    lapsed: bool = False
    """Whether nobody looked, so that a coin decides."""

    def decide(self, values: FloatArray, threshold: float) -> BoolArray:
        """(n,) which of the values (n,) seem to lie above the threshold."""
        felt = values + self.noise * self.draw.standard_normal(len(values))
        turned, coin = self.draw.random(len(values)) < self.error_rate, self.draw.random(len(values)) < 0.5
        found: BoolArray = coin if self.lapsed else (felt > threshold) ^ turned
        return found

    def order(self, values: FloatArray) -> FloatArray:
        """(n,) the values (n,) as they seem; the other way round where the decision is turned round."""
        felt = values + self.noise * self.draw.standard_normal(len(values))
        turned, coin = self.draw.random() < self.error_rate, self.draw.random(len(values))
        return coin if self.lapsed else -felt if turned else felt


class Judge(Protocol):
    """A simulated annotator."""

    @property
    def name(self) -> str:
        """By which the answers are told apart."""

    def answer(self, comparison: Comparison, left: Explanation, right: Explanation) -> Answer:
        """Which of two is better."""

    def utility(self, explanation: Explanation, image: int) -> float:
        """How good an explanation is, in [0, 1]."""

    def rightness(self, explanation: Explanation, image: int) -> FloatArray:
        """(d,) in [0, 1]: how far each of its superpixels lies where a reason should be."""

    def look(self, item: Comparison) -> Look:
        """The same look each time the same is asked."""


class Question(ABC):
    """One kind of question; all that differs between kinds stands in its file."""

    name: Asked
    shows: int
    """How many explanations are shown at once."""
    needs_maps: bool = False
    """Whether only an additive reward, which has maps of the image, can be learned from the answers."""

    @abstractmethod
    def batch(self, preferences: Sequence[Preference], place: Mapping[ExplanationKey, int]) -> AnswerBatch:
        """The answers, none of them can't tell, with their likelihood; `place` is the index of each explanation."""

    @abstractmethod
    def reply(self, judge: Judge, item: Comparison, shown: Sequence[Explanation]) -> Reply:
        """What a simulated annotator says of the explanations `shown`."""

    def known_item(self, images: Sequence[int], round_number: int, draw: np.random.Generator) -> Comparison:
        """An item whose answer is known, about as many images as are shown: usually one explanation, good or bad."""
        good = bool(draw.integers(2))
        key = ExplanationKey(GOOD if good else BAD, images[0])
        return Comparison.about([key], round_number, asked=self.name, gold=Answer.YES if good else Answer.NO)
