"""What is said of one person's answers: sums, the share of gold, and the habit of pressing left."""

import pytest

from crowd_answers import BOTH_BAD, BOTH_GOOD, CANT_TELL, EQUAL, GOLD, LEFT, RIGHT, answered
from explainfb.core.seeding import numpy_generator
from explainfb.preferences.agreement import JUDGEMENTS, annotator_quality, left_bias


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


def test_ties_are_told_apart() -> None:
    (ann,) = annotator_quality(
        [answered(n, each) for n, each in enumerate([BOTH_BAD, BOTH_BAD, BOTH_GOOD, EQUAL, LEFT])]
    )
    assert (ann.both_bad_share, ann.both_good_share, ann.equal_share) == (2 / 5, 1 / 5, 1 / 5)


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
