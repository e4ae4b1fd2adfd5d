"""What is said of the people who answered: known values, planted habits, and edges."""

from collections.abc import Sequence
from datetime import timedelta

import evalica
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explainfb.core.seeding import numpy_generator
from explainfb.core.types import Answer
from explainfb.preferences.agreement import (
    FEWEST_COMPARISONS,
    JUDGEMENTS,
    annotator_quality,
    disagreements,
    left_bias,
    measure_agreement,
)
from explainfb.store import StoredAnswer, StoredComparison
from store_backends import NOON, comparison

LEFT, RIGHT, EQUAL, CANT_TELL = Answer
GOLD = 100_000
"""Comparisons from this number on are gold items whose known answer is right."""


def answered(
    number: int,
    answer: Answer | None,
    annotator: str = "Ann",
    *,
    round: int = 1,
    seconds: float = 3,
    current: bool = True,
    surplus: bool = False,
) -> StoredAnswer:
    item = comparison(number, round=round, gold=RIGHT if number >= GOLD else None)
    return StoredAnswer(
        id=0,
        comparison=StoredComparison(round * 1_000_000 + number, item),
        annotator=annotator,
        answer=answer,
        seed=7,
        shown_left=item.left,
        shown_right=item.right,
        shown_at=NOON,
        responded_at=NOON + timedelta(seconds=seconds),
        recorded_at=NOON,
        app_version="1.0",
        comment=None,
        supersedes=None,
        surplus=surplus,
        current=current,
    )


def table(units: Sequence[Sequence[Answer | None]]) -> list[StoredAnswer]:
    """Row by row the answers to one comparison; the people are the columns."""
    return [
        answered(number, answer, f"person {column}")
        for number, row in enumerate(units)
        for column, answer in enumerate(row)
        if answer is not None
    ]


def crowd(comparisons: int, people: int, noise: float, *, seed: int = 0) -> list[StoredAnswer]:
    """Everyone sees the better side, drawn by chance; at the rate `noise` an answer is drawn by chance instead."""
    draw = numpy_generator(seed, "crowd")
    better = draw.integers(0, 2, comparisons)
    chance = draw.integers(0, 3, (comparisons, people))
    codes = np.where(draw.random((comparisons, people)) < noise, chance, better[:, None])
    return table([[JUDGEMENTS[code] for code in row] for row in codes])


def test_a_persons_answers_are_summed_up() -> None:
    answers = [
        answered(0, LEFT, seconds=1),
        answered(1, LEFT, seconds=2, surplus=True),
        answered(2, RIGHT, seconds=9),
        answered(3, EQUAL, seconds=100),
        answered(4, CANT_TELL, seconds=2),
        answered(5, LEFT, current=False, seconds=1000),
        answered(5, None, seconds=1000),
        answered(GOLD, RIGHT, seconds=2),
        answered(GOLD + 1, LEFT, seconds=3),
        answered(GOLD + 2, CANT_TELL, seconds=3),
        answered(0, RIGHT, "Zoë", round=2, seconds=0.5),
    ]
    ann, zoe = annotator_quality(answers)
    assert (ann.annotator, ann.round, ann.answers, ann.seconds) == ("Ann", None, 8, 2.5)
    assert (ann.cant_tell_share, ann.equal_share) == (2 / 8, 1 / 8)
    assert (ann.gold_answered, ann.gold_correct) == (3, 1)
    assert ann.left_share is not None
    assert ann.left_share.estimate == 2 / 3
    assert (zoe.annotator, zoe.answers, zoe.gold_answered, zoe.gold_share) == ("Zoë", 1, 0, None)


def test_rounds_are_told_apart_on_wish() -> None:
    answers = [answered(0, LEFT, name, round=round) for round in (10, 2) for name in ("b", "a")]
    found = annotator_quality([*answers, answered(1, RIGHT, "a", round=2)], by_round=True)
    assert [(each.annotator, each.round, each.answers) for each in found] == [
        ("a", 2, 2),
        ("a", 10, 1),
        ("b", 2, 1),
        ("b", 10, 1),
    ]


def test_the_share_of_gold_has_wilsons_interval() -> None:
    answers = [answered(GOLD + number, RIGHT if number < 8 else LEFT) for number in range(10)]
    (found,) = annotator_quality(answers)
    assert found.gold_share is not None
    # z = 1.959964: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n) with p = .8, n = 10
    assert (found.gold_share.low, found.gold_share.high) == pytest.approx((0.490163, 0.943318), abs=1e-6)
    assert found.left_share is None
    (perfect,) = annotator_quality(answers[:8])
    assert perfect.gold_share is not None
    assert perfect.gold_share.low < perfect.gold_share.estimate == perfect.gold_share.high == 1


def test_alpha_is_krippendorffs_own_example() -> None:
    """Two observers and ten units with two values: α = .095 (Krippendorff 2011, computing alpha, section A)."""
    first, second = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    found = measure_agreement(
        table([[JUDGEMENTS[a], JUDGEMENTS[b]] for a, b in zip(first, second, strict=True)]), seed=0
    )
    assert found is not None
    assert found.alpha == pytest.approx(0.095, abs=5e-4)
    assert (found.comparisons, found.answers, found.people) == (10, 20, 2)
    assert found.same == pytest.approx(0.6)


def test_alpha_by_hand_with_missing_answers() -> None:
    """α = 1 − (n − 1) (n − Σ o_kk) / (n² − Σ n_k²), where a comparison of m answers adds n_k (n_k − 1) / (m − 1)."""
    answers = table([[LEFT, LEFT, None], [LEFT, LEFT, RIGHT], [RIGHT, CANT_TELL, EQUAL], [LEFT, None, None]])
    found = measure_agreement(answers, seed=0)
    assert found is not None
    # left left · left left right · right equal: n = 7, n_k = 4, 2, 1, Σ o_kk = 2 + 2 / 2
    assert found.alpha == pytest.approx(1 - 6 * (7 - 3) / (49 - 16 - 4 - 1))
    assert (found.comparisons, found.answers, found.people, found.same) == (3, 7, 3, pytest.approx(3 / 7))
    assert found.interval is None


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.none() | st.sampled_from(JUDGEMENTS), min_size=4, max_size=4), min_size=1, max_size=20))
def test_alpha_is_evalicas_and_follows_from_the_share_of_same_pairs(units: list[list[Answer | None]]) -> None:
    found = measure_agreement(table(units), seed=0, resamples=50)
    codes = pd.DataFrame([[np.nan if each is None else JUDGEMENTS.index(each) for each in row] for row in units]).T
    kept = codes.loc[:, codes.notna().sum() > 1]
    if kept.empty:
        assert found is None
        return
    assert found is not None
    if len(set(kept.stack().dropna())) == 1:
        assert (found.alpha, found.interval, found.same) == (None, None, 1)
    else:
        assert found.alpha == pytest.approx(evalica.alpha(kept).alpha)
        n, chance = kept.notna().sum().sum(), sum((kept == code).sum().sum() ** 2 for code in range(3))
        assert found.alpha == pytest.approx(1 - (n - 1) * n * (1 - found.same) / (n**2 - chance))


def test_a_resample_that_draws_each_comparison_once_has_the_alpha_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "explainfb.preferences.agreement.resampled_sums", lambda columns, seed, resamples: columns.sum(0)[None]
    )
    found = measure_agreement(crowd(12, 3, 0.4), seed=0)
    assert found is not None
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (pytest.approx(found.alpha), pytest.approx(found.alpha))


def test_the_interval_is_that_of_resampled_comparisons() -> None:
    answers = crowd(60, 3, 0.4)
    found = measure_agreement(answers, seed=1)
    assert found is not None
    assert found.alpha is not None
    assert found.interval is not None
    draw = numpy_generator(99, "check")
    codes = np.array([JUDGEMENTS.index(each.answer) for each in answers if each.answer]).reshape(60, 3)
    slow = [evalica.alpha(pd.DataFrame(codes[draw.integers(0, 60, 60)].T)).alpha for _ in range(400)]
    assert (found.interval.low, found.interval.high) == pytest.approx(np.quantile(slow, (0.025, 0.975)), abs=0.03)
    assert measure_agreement(answers, seed=1) == found != measure_agreement(answers, seed=2)


def test_the_interval_covers_the_alpha_of_many_comparisons() -> None:
    truth = measure_agreement(crowd(20_000, 2, 0.5), seed=0, resamples=10)
    assert truth is not None
    assert truth.alpha is not None
    hits = 0
    for seed in range(100):
        found = measure_agreement(crowd(80, 2, 0.5, seed=seed + 1), seed=seed, resamples=400)
        assert found is not None
        assert found.interval is not None
        hits += found.interval.low <= truth.alpha <= found.interval.high
    assert 86 <= hits <= 99


def test_agreement_tells_chance_from_care_and_contradiction() -> None:
    def alpha(answers: Sequence[StoredAnswer]) -> float:
        found = measure_agreement(answers, seed=0, resamples=50)
        assert found is not None
        assert found.alpha is not None
        return found.alpha

    assert alpha(crowd(300, 3, 0)) == 1
    assert 0.5 < alpha(crowd(300, 3, 0.1)) < 0.9
    assert abs(alpha(crowd(1000, 3, 1))) < 0.05
    assert alpha(table([[LEFT, RIGHT], [RIGHT, LEFT]] * 50)) < -0.9


def test_what_agreement_leaves_out() -> None:
    same = [answered(number, LEFT, name) for number in range(12) for name in "ab"]
    found = measure_agreement(same, seed=0)
    assert found is not None
    assert (found.alpha, found.interval, found.same) == (None, None, 1)  # one kind of answer: 0 / 0
    gold = [answered(GOLD + number, each, name) for number in range(12) for name in "ab" for each in (RIGHT,)]
    assert measure_agreement(gold, seed=0) is None
    both = measure_agreement(same + gold, seed=0, gold=True)
    assert both is not None
    assert (both.comparisons, both.alpha) == (24, 1)
    assert measure_agreement([*same[::2], *(answered(number, CANT_TELL, "b") for number in range(12))], seed=0) is None
    replaced = [answered(number, RIGHT, "b", current=False) for number in range(12)]
    assert measure_agreement(same[::2] + replaced, seed=0) is None
    surplus = measure_agreement(
        [*same[::2], *(answered(number, RIGHT, "b", surplus=True) for number in range(12))], seed=0
    )
    assert surplus is not None
    assert surplus.same == 0


def test_few_comparisons_get_no_interval() -> None:
    for count in (FEWEST_COMPARISONS - 1, FEWEST_COMPARISONS):
        found = measure_agreement(table([[LEFT, RIGHT], *[[LEFT, LEFT]] * (count - 1)]), seed=0)
        assert found is not None
        assert found.alpha is not None
        assert (found.interval is None) == (count < FEWEST_COMPARISONS)


def test_one_who_presses_left_is_found_and_a_fair_one_is_not() -> None:
    fair = [answered(number, each) for number, each in enumerate([LEFT, RIGHT] * 50)]
    presser = [answered(number, LEFT if number % 4 else RIGHT) for number in range(100)]
    found = left_bias(presser)
    assert found is not None
    assert (found.left, found.right, found.share.estimate) == (75, 25, 0.75)
    assert found.p_value < 1e-5
    assert 0.5 < found.share.low < 0.75 < found.share.high
    even = left_bias(fair)
    assert even is not None
    assert (even.p_value, even.share.estimate) == (1, 0.5)
    assert even.share.low < 0.5 < even.share.high


def test_left_bias_is_the_exact_test_and_leaves_gold_out() -> None:
    gold = [answered(GOLD + number, RIGHT) for number in range(20)]
    other = [answered(90, EQUAL), answered(91, CANT_TELL), answered(92, RIGHT, current=False), answered(92, None)]
    found = left_bias([answered(number, LEFT) for number in range(5)] + gold + other)
    assert found is not None
    assert (found.left, found.right) == (5, 0)
    assert found.p_value == pytest.approx(2 / 2**5)
    assert (found.share.low, found.share.high) == (pytest.approx(0.025 ** (1 / 5)), 1)


def test_a_fair_crowd_is_rarely_called_biased() -> None:
    draw = numpy_generator(0, "coins")
    coins = [
        [answered(number, JUDGEMENTS[side]) for number, side in enumerate(row)]
        for row in draw.integers(0, 2, (200, 60))
    ]
    found = [left_bias(each) for each in coins]
    assert sum(each is not None and each.p_value < 0.05 for each in found) <= 18


def test_disagreements_come_most_divided_first() -> None:
    answers = table(
        [
            [LEFT, LEFT, LEFT],
            [LEFT, RIGHT, None],
            [LEFT, LEFT, RIGHT],
            [LEFT, CANT_TELL, CANT_TELL],
            [LEFT, RIGHT, EQUAL],
            [RIGHT, LEFT, CANT_TELL],
        ]
    )
    found = disagreements([*answers, answered(0, RIGHT, "person 3", current=False)])
    assert [each.comparison.comparison.left.image for each in found] == [4, 1, 5, 2]
    assert [each.differing for each in found] == [1, 1, 1, pytest.approx(2 / 3)]
    assert found[2].counts == {LEFT: 1, RIGHT: 1, EQUAL: 0, CANT_TELL: 1}
    assert disagreements(answers, 2) == found[:2]
    assert disagreements(answers, 0) == []


@pytest.mark.parametrize(
    "answers", [[], [answered(0, None)], [answered(0, LEFT, current=False)]], ids=["none", "taken back", "replaced"]
)
def test_without_answers_nothing_is_said(answers: list[StoredAnswer]) -> None:
    assert annotator_quality(answers) == []
    assert measure_agreement(answers, seed=0) is None
    assert left_bias(answers) is None
    assert disagreements(answers) == []


def test_one_person_who_cannot_tell() -> None:
    answers = [answered(number, CANT_TELL) for number in (0, 1, GOLD)]
    (found,) = annotator_quality(answers)
    assert (found.cant_tell_share, found.left_share, found.gold_correct) == (1, None, 0)
    assert measure_agreement(answers, seed=0) is None
    assert left_bias(answers) is None
    assert disagreements(answers) == []
