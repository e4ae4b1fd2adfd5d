"""How people answered: their pace, their gold items, their agreement, and whether a side attracts them.

Everything here counts the current answers: what was replaced or taken back is left out. Surplus answers count, since
they tell as much about the person as any other; so do those of annotators left out of the fit, unless the caller
leaves them out. Sides are those shown: a comparison is shown to everyone in the same order.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import evalica
import numpy as np
import pandas as pd
import scipy.stats

from explainfb.core.types import Answer, FloatArray, IntArray, Interval
from explainfb.statistics.intervals import QUANTILES, resampled_sums
from explainfb.store import StoredAnswer, StoredComparison

JUDGEMENTS = (Answer.LEFT, Answer.RIGHT, Answer.EQUAL, Answer.YES, Answer.NO)
"""What can be agreed on: left, right, or that neither is better, of which no difference, both good and both bad are one
value, as they teach the same; of a single explanation, yes or no. Can't tell is a missing one, and so is a ranking."""
FEWEST_COMPARISONS = 10
"""With fewer, a bootstrap over comparisons is far too narrow and no interval is given."""


@dataclass(frozen=True)
class AnnotatorQuality:
    """How one person answered, in one round or in all."""

    annotator: str
    round: int | None
    """None for all rounds together."""
    answers: int
    seconds: float
    """The median time from seeing a comparison to answering it."""
    cant_tell_share: float
    """The share of answers, in [0, 1], that were can't tell."""
    equal_share: float
    """The share of answers, in [0, 1], that were no difference."""
    both_good_share: float
    """The share of answers, in [0, 1], that were both good."""
    both_bad_share: float
    """The share of answers, in [0, 1], that were both bad."""
    gold_answered: int
    """Items with a known answer."""
    gold_correct: int
    """Those answered as known; can't tell is never correct unless it is the known answer."""
    gold_share: Interval | None
    """The share of gold items answered correctly with Wilson's interval (1927); None without any."""
    left_share: Interval | None
    """The share of left among left and right, gold left out, with Wilson's interval; None without any."""


@dataclass(frozen=True)
class Agreement:
    """How far people agree on the comparisons that at least two of them judged."""

    alpha: float | None
    """Krippendorff's alpha: 1 is agreement, 0 is what chance gives, below 0 is contradiction.

    None when everyone gave one and the same answer: alpha is 0 / 0 then.
    """
    interval: Interval | None
    """Alpha with its 95 % bootstrap interval over comparisons; None where alpha is, or with too few comparisons.

    The people are taken as they are, so it says nothing of other people; it has no width where no pair differs.
    """
    same: float
    """The share of pairs of answers to the same comparison that are the same, each answer weighted alike."""
    comparisons: int
    """Comparisons that at least two people judged."""
    answers: int
    """Judgements of these comparisons."""
    people: int
    """Those who gave them."""


@dataclass(frozen=True)
class LeftBias:
    """Left against right; sides are drawn by chance, so a share far from one half is a habit and no judgement."""

    left: int
    right: int
    share: Interval
    """The share of left with the exact interval of Clopper and Pearson (1934)."""
    p_value: float
    """Of the exact two-sided binomial test of one half."""


@dataclass(frozen=True)
class Disagreement:
    """A comparison on which people differ."""

    comparison: StoredComparison
    counts: Mapping[Answer, int]
    """How many gave each answer; every answer is there."""
    differing: float
    """The share in (0, 1] of pairs of judgements that differ; can't tell is not counted among them."""


def annotator_quality(answers: Sequence[StoredAnswer], *, by_round: bool = False) -> list[AnnotatorQuality]:
    """One record a person, ordered by name; `by_round` gives one a person and round, ordered by both."""
    groups: dict[tuple[str, int | None], list[StoredAnswer]] = defaultdict(list)
    for answer in _current(answers):
        groups[answer.annotator, answer.comparison.comparison.round if by_round else None].append(answer)
    return [_quality(*key, groups[key]) for key in sorted(groups, key=lambda key: (key[0], key[1] or 0))]


def _current(answers: Sequence[StoredAnswer]) -> list[StoredAnswer]:
    return [answer for answer in answers if answer.current and answer.answer is not None]


def _quality(annotator: str, round: int | None, answers: Sequence[StoredAnswer]) -> AnnotatorQuality:
    given = Counter(answer.answer for answer in answers)
    gold = [answer.is_as_known for answer in answers if _is_gold(answer)]
    left, right = _sides(answers)
    return AnnotatorQuality(
        annotator=annotator,
        round=round,
        answers=len(answers),
        seconds=_usual_seconds(answers),
        cant_tell_share=given[Answer.CANT_TELL] / len(answers),
        equal_share=given[Answer.EQUAL] / len(answers),
        both_good_share=given[Answer.BOTH_GOOD] / len(answers),
        both_bad_share=given[Answer.BOTH_BAD] / len(answers),
        gold_answered=len(gold),
        gold_correct=sum(gold),
        gold_share=_share(sum(gold), len(gold), "wilson"),
        left_share=_share(left, left + right, "wilson"),
    )


def _usual_seconds(answers: Sequence[StoredAnswer]) -> float:
    """The median time taken, of those that are none below nothing: a clock was set back while they were given."""
    taken = [(answer.responded_at - answer.shown_at).total_seconds() for answer in answers]
    return median([seconds for seconds in taken if seconds >= 0] or [0.0])


def _is_gold(answer: StoredAnswer) -> bool:
    return answer.comparison.comparison.gold is not None


def _sides(answers: Sequence[StoredAnswer]) -> tuple[int, int]:
    """How often left and right were answered to comparisons that are no gold items."""
    given = Counter(answer.answer for answer in answers if not _is_gold(answer))
    return given[Answer.LEFT], given[Answer.RIGHT]


def _share(count: int, of: int, method: Literal["wilson", "exact"]) -> Interval | None:
    if of == 0:
        return None
    found = scipy.stats.binomtest(count, of).proportion_ci(method=method)
    estimate = count / of
    return Interval(estimate, min(float(found.low), estimate), max(float(found.high), estimate))


def left_bias(answers: Sequence[StoredAnswer]) -> LeftBias | None:
    """Whether left is answered as often as right, gold left out; None when neither was answered.

    The test takes answers as independent, so among several people one who always presses the same key can make it
    small; `AnnotatorQuality.left_share` tells who.
    """
    left, right = _sides(_current(answers))
    share = _share(left, left + right, "exact")
    if share is None:
        return None
    return LeftBias(left, right, share, float(scipy.stats.binomtest(left, left + right).pvalue))


def measure_agreement(
    answers: Sequence[StoredAnswer], *, seed: int, gold: bool = False, resamples: int = 2000
) -> Agreement | None:
    """Krippendorff's alpha for nominal data (Krippendorff 2018) by `evalica`; None when no two people judged the same.

    Left, right and neither (no difference, both good, both bad) are the values, can't tell is missing. Items with a
    known answer are easier than others and are left out unless `gold`. The interval draws comparisons with replacement
    `resamples` times; resamples with one and the same answer throughout, whose alpha is 0 / 0, are left out of it.
    """
    judged = [
        each for each in _current(answers) if _judgement(each.answer) is not None and (gold or not _is_gold(each))
    ]
    judges = Counter(each.comparison.id for each in judged)
    paired = [each for each in judged if judges[each.comparison.id] > 1]
    if not paired:
        return None
    counts = _counts(paired)
    agreeing = counts * (counts - 1) / (counts.sum(1, keepdims=True) - 1)
    sums = np.column_stack([counts, agreeing.sum(1)])  # (comparisons, values + 1)
    # of one and the same answer throughout, alpha is 0 / 0
    alpha = None if np.count_nonzero(counts.sum(0)) == 1 else float(evalica.alpha(_matrix(paired)).alpha)
    return Agreement(
        alpha=alpha,
        interval=None if alpha is None else _interval(alpha, sums, seed, resamples),
        same=float(sums[:, -1].sum() / counts.sum()),
        comparisons=len(counts),
        answers=len(paired),
        people=len({each.annotator for each in paired}),
    )


def _counts(answers: Sequence[StoredAnswer]) -> FloatArray:
    """(comparisons, values): how many people gave each of `JUDGEMENTS`."""
    _, index = np.unique([each.comparison.id for each in answers], return_inverse=True)
    kinds = len(JUDGEMENTS)
    flat = np.bincount(index * kinds + _codes(answers), minlength=(int(np.max(index)) + 1) * kinds)
    return flat.reshape(-1, kinds).astype(np.float64)


def _codes(answers: Sequence[StoredAnswer]) -> IntArray:
    found = [_judgement(each.answer) for each in answers]
    return np.array([JUDGEMENTS.index(each) for each in found if each is not None], dtype=np.int64)


def _judgement(answer: Answer | None) -> Answer | None:
    """Which of `JUDGEMENTS` an answer is; None for one that judges nothing."""
    if answer in (None, Answer.CANT_TELL, Answer.RANKED):
        return None
    return Answer.EQUAL if answer is not None and answer.is_tie else answer


def _matrix(answers: Sequence[StoredAnswer]) -> pd.DataFrame:
    """(people, comparisons): the index into `JUDGEMENTS`, NaN where a person did not judge."""
    people, rows = np.unique([each.annotator for each in answers], return_inverse=True)
    comparisons, columns = np.unique([each.comparison.id for each in answers], return_inverse=True)
    matrix = np.full((len(people), len(comparisons)), math.nan)
    matrix[rows, columns] = _codes(answers)
    return pd.DataFrame(matrix)


def _interval(alpha: float, columns: FloatArray, seed: int, resamples: int) -> Interval | None:
    """`columns` (comparisons, values + 1): answers of each kind to a comparison, and pairs that agree, weighted."""
    # alpha is a function of these sums alone, so that a resample needs no call of evalica
    if len(columns) < FEWEST_COMPARISONS:
        return None
    drawn = resampled_sums(columns, seed, resamples)
    values, agreeing = drawn[:, :-1], drawn[:, -1]
    n = values.sum(1)
    chance = n**2 - (values**2).sum(1)
    varied = chance > 0
    alphas = 1 - (n - 1)[varied] * (n - agreeing)[varied] / chance[varied]
    low, high = np.quantile(alphas, QUANTILES) if len(alphas) else (alpha, alpha)
    return Interval(alpha, min(float(low), alpha), max(float(high), alpha))


def disagreements(answers: Sequence[StoredAnswer], limit: int = 20) -> list[Disagreement]:
    """The comparisons on which people differ most, at most `limit`, gold items among them.

    Those with the largest share of differing pairs come first; of the same share, those with more judgements, then
    those asked first. Comparisons on which nobody differs are not listed.
    """
    given: dict[StoredComparison, Counter[Answer]] = defaultdict(Counter)
    for each in _current(answers):
        assert each.answer is not None
        given[each.comparison][each.answer] += 1
    found = [Disagreement(item, {each: n[each] for each in Answer}, _differing(n)) for item, n in given.items()]
    found.sort(key=lambda each: (-each.differing, -sum(_judged(each.counts)), each.comparison.id))
    return [each for each in found[:limit] if each.differing > 0]


def _differing(counts: Mapping[Answer, int]) -> float:
    """The share of pairs of judgements that differ; 0 with fewer than two."""
    judged = _judged(counts)
    pairs = math.comb(sum(judged), 2)
    return 0.0 if pairs == 0 else 1 - sum(math.comb(count, 2) for count in judged) / pairs


def _judged(counts: Mapping[Answer, int]) -> list[int]:
    """How many gave each of `JUDGEMENTS`."""
    return [sum(counts[answer] for answer in Answer if _judgement(answer) is kind) for kind in JUDGEMENTS]
