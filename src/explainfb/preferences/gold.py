"""Gold comparisons: made so that the answer is plain to see; they show who answers with care.

Two explanations of the study are shown, one with only the weight where a good reason would be, the other with only the
rest. The reward is never fitted to them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from explainfb.core.seeding import numpy_generator
from explainfb.core.types import GOOD, BoolArray, Comparison, ExplanationKey
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.superpixels import coverage
from explainfb.questions import QUESTIONS, Question

if TYPE_CHECKING:
    from torch import Tensor


def gold_comparisons(
    images: Sequence[int], count: int, round_number: int, *, seed: int, question: Question = QUESTIONS["compare"]
) -> list[Comparison]:
    """`count` items of as many images of `images` as the question shows, no image in two.

    Fewer where there are too few images.
    """
    generator, shows = numpy_generator(seed, "gold", round_number), question.shows
    groups = generator.permutation(np.asarray(images))[: len(images) // shows * shows].reshape(-1, shows)
    return [question.known_item([int(image) for image in group], round_number, generator) for group in groups[:count]]


def superpixels_of_gold(
    comparisons: Sequence[Comparison], explanations: Mapping[ExplanationKey, Explanation], relevance: "Tensor"
) -> list[Comparison]:
    """The same comparisons of two superpixels of one image, the left one's: the strongest of what each side would show.

    `relevance` (N, H, W) bool are the masks of the training images.
    """

    def alone(key: ExplanationKey, image: int, round_number: int) -> ExplanationKey:
        whole = explanations[ExplanationKey(f"round-{round_number - 1}", image)]
        made = gold_explanation(whole, relevance[image].numpy(), good=key.classifier == GOOD)
        return ExplanationKey(key.classifier, image, int(np.argmax(made.weights)))

    return [
        replace(each, left=alone(each.left, image, each.round), right=alone(each.right, image, each.round))
        for each in comparisons
        for image in (each.left.image,)
    ]


def gold_explanation(explanation: Explanation, relevance: BoolArray, *, good: bool) -> Explanation:
    """`explanation` with its weight, all of it in favour, only on superpixels that lie mostly on `relevance` (H, W).

    With `good` false, only on the others. Where such superpixels have no weight, they get the same.
    """
    inside = coverage(relevance, explanation.segments)  # (d,)
    # by the most or the least relevant superpixel where none, or all, lie mostly on it
    wanted = inside >= min(0.5, np.max(inside)) if good else inside < max(0.5, np.min(inside) + 1e-9)
    # as in the other pictures, nothing within its noise has a colour
    strength = np.abs(explanation.weights) * explanation.stands_out
    weights = strength * wanted
    if not weights.any():
        weights = (strength.sum() or 1.0) * wanted / wanted.sum()
    # the errors are of the real weights, and what was made up must be seen wherever it lies
    return replace(explanation, weights=weights, standard_errors=None, n_samples=None)
