"""How far people agree, and on what they do not: known values, planted habits, and edges."""

from collections.abc import Sequence

import evalica
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowd_answers import BOTH_BAD, BOTH_GOOD, CANT_TELL, EQUAL, GOLD, LEFT, RIGHT, answered, crowd, table
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
from explainfb.store import StoredAnswer


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
        n, chance = kept.notna().sum().sum(), sum((kept == code).sum().sum() ** 2 for code in range(len(JUDGEMENTS)))
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
    assert {answer: n for answer, n in found[2].counts.items() if n} == {LEFT: 1, RIGHT: 1, CANT_TELL: 1}
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


def test_ties_of_every_kind_agree_with_each_other_and_with_nothing_else() -> None:
    """They teach the same, so that people who call a tie by another name do not disagree."""
    ties = [[EQUAL, BOTH_BAD], [BOTH_GOOD, BOTH_GOOD], [BOTH_BAD, BOTH_GOOD]]
    plain = [[EQUAL, EQUAL]] * 3
    sides = [[LEFT, LEFT], [RIGHT, LEFT], [LEFT, EQUAL]]
    told_apart, alike = (measure_agreement(table([*kind, *sides]), seed=0) for kind in (ties, plain))
    assert told_apart == alike
    assert alike is not None
    assert disagreements(table(ties)) == []
    assert disagreements(table([[BOTH_BAD, LEFT]]))[0].differing == 1
