"""Which of two explanations is better? Bradley & Terry (1952), as `explainfb.rewards` has it."""

from collections.abc import Mapping, Sequence

import numpy as np

from explainfb.core.types import BAD, GOOD, Answer, Asked, Comparison, ExplanationKey, Preference
from explainfb.explanations.explanation import Explanation
from explainfb.questions.question import Judge, Question, Reply
from explainfb.rewards.dataset import PreferenceBatch, batch_preferences


class Comparing(Question):
    """Two explanations beside each other."""

    name: Asked = "compare"
    shows = 2

    def batch(self, preferences: Sequence[Preference], place: Mapping[ExplanationKey, int]) -> PreferenceBatch:
        return batch_preferences(preferences, place)

    def reply(self, judge: Judge, item: Comparison, shown: Sequence[Explanation]) -> Reply:
        left, right = shown
        return Reply(judge.answer(item, left, right))

    def known_item(self, images: Sequence[int], round_number: int, draw: np.random.Generator) -> Comparison:
        good, bad = ExplanationKey(GOOD, images[0]), ExplanationKey(BAD, images[1])
        if draw.integers(2):
            return Comparison(good, bad, round_number, Answer.LEFT)
        return Comparison(bad, good, round_number, Answer.RIGHT)
