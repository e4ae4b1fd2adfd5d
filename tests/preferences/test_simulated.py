from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch

from explainfb.core.errors import InputError
from explainfb.core.types import Answer, Comparison, ExplanationKey
from explainfb.explanations.explanation import Explanation
from explainfb.preferences.simulated import (
    CoinAnnotator,
    Crowd,
    SimulatedAnnotator,
    check_annotator,
    coin_annotator,
    simulated_annotator,
)
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split

SEGMENTS = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]])
LEFT_HALF = np.array([[True, True, False, False]] * 4)
TOP_ROW = np.array([[True] * 4] + [[False] * 4] * 3)


def explanation(*weights: float) -> Explanation:
    return Explanation(
        target=0, probability=0.5, segments=SEGMENTS, weights=np.array(weights, dtype=float), intercept=0.0, fit=1.0
    )


def split(count: int = 2000) -> Split:
    relevance = torch.from_numpy(LEFT_HALF).expand(count, -1, -1)
    return Split(torch.zeros(count, 1, 4, 4), torch.zeros(count, dtype=torch.int64), relevance)


def comparison(image: int, other: str = "round-1") -> Comparison:
    return Comparison(ExplanationKey("round-0", image), ExplanationKey(other, image), round=1)


GOOD, BAD = explanation(0.3, 0.1, -0.3, 0.1), explanation(0.1, 0.5, 0.1, -0.5)  # 0.75 and 1/6 on the left half


def test_without_errors_the_better_one_wins_on_either_side() -> None:
    annotator = SimulatedAnnotator(split=split(), seed=0, error_rate=0)
    assert annotator.answer(comparison(0), GOOD, BAD) is Answer.LEFT
    assert annotator.answer(comparison(0), BAD, GOOD) is Answer.RIGHT


def test_each_side_is_judged_by_its_own_image() -> None:
    relevance = torch.from_numpy(np.stack([LEFT_HALF, ~LEFT_HALF]))
    two = Split(torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64), relevance)
    asked = Comparison(ExplanationKey("round-0", 0), ExplanationKey("round-0", 1), round=1)
    annotator = SimulatedAnnotator(split=two, seed=0, error_rate=0)
    assert annotator.answer(asked, GOOD, GOOD) is Answer.LEFT
    assert annotator.answer(asked, BAD, BAD) is Answer.RIGHT


@pytest.mark.parametrize("error_rate", [0.1, 0.3])
def test_errors_are_as_frequent_as_they_should_be(error_rate: float) -> None:
    annotator = SimulatedAnnotator(split=split(), seed=0, error_rate=error_rate)
    answers = [annotator.answer(comparison(image), GOOD, BAD) for image in range(2000)]
    assert set(answers) == {Answer.LEFT, Answer.RIGHT}
    assert scipy.stats.binomtest(answers.count(Answer.RIGHT), 2000, error_rate).pvalue > 1e-3


def test_near_equal_ones_are_called_equal() -> None:
    annotator = SimulatedAnnotator(split=split(), seed=0, error_rate=0.5, margin=0.02)
    one, near, further = explanation(0.5, 0.5, 0, 0), explanation(0.515, 0.485, 0, 0), explanation(0.53, 0.47, 0, 0)
    assert {annotator.answer(comparison(image), one, near) for image in range(50)} == {Answer.EQUAL}
    assert {annotator.answer(comparison(image), near, one) for image in range(50)} == {Answer.EQUAL}
    assert Answer.EQUAL not in {annotator.answer(comparison(image), one, further) for image in range(50)}


@pytest.mark.parametrize("kind", ["simulated", "coin"])
def test_answers_do_not_depend_on_the_order_of_the_questions(kind: str) -> None:
    def make(seed: int) -> SimulatedAnnotator | CoinAnnotator:
        return CoinAnnotator(seed=seed) if kind == "coin" else SimulatedAnnotator(split=split(), seed=seed)

    asked = [comparison(image) for image in range(200)]
    forwards = [make(0).answer(item, GOOD, BAD) for item in asked]
    backwards = [make(0).answer(item, GOOD, BAD) for item in reversed(asked)]
    assert forwards == backwards[::-1]
    assert forwards != [make(1).answer(item, GOOD, BAD) for item in asked]
    assert forwards != [make(0).answer(comparison(image, "round-2"), GOOD, BAD) for image in range(200)]


def test_a_coin_says_left_half_of_the_time_whatever_is_shown() -> None:
    for shown in ((GOOD, BAD), (BAD, GOOD)):
        answers = [CoinAnnotator(seed=0).answer(comparison(image), *shown) for image in range(2000)]
        assert set(answers) == {Answer.LEFT, Answer.RIGHT}
        assert scipy.stats.binomtest(answers.count(Answer.LEFT), 2000, 0.5).pvalue > 1e-3


def test_a_task_whose_masks_nobody_knows_needs_people() -> None:
    task = load_task("digits")
    check_annotator(task)
    unknown = replace(task, train=Split(task.train.images, task.train.labels))
    with pytest.raises(InputError, match="no relevance masks; use --annotator human"):
        check_annotator(unknown)


@pytest.mark.parametrize("error_rate", [-0.1, 1.1])
def test_an_impossible_error_rate_is_refused(error_rate: float) -> None:
    with pytest.raises(InputError, match=r"An error rate lies in \[0, 1\]"):
        SimulatedAnnotator(split=split(2), seed=0, error_rate=error_rate)


RATES = (0.0, 0.3, 1.0)


def a_crowd(seed: int) -> Crowd:
    found = simulated_annotator(split(), seed=seed, error_rate=0.7, crowd=RATES)
    assert isinstance(found, Crowd)
    return found


def test_a_crowd_shares_the_comparisons_and_each_errs_as_it_should() -> None:
    crowd, right = a_crowd(0), {}
    for image in range(2000):
        (person,) = crowd.who_answer(comparison(image))
        right.setdefault(person.name, []).append(person.answer(comparison(image), GOOD, BAD) is Answer.LEFT)
    assert sorted(right) == ["simulated-1", "simulated-2", "simulated-3"]
    for name, rate in zip(sorted(right), RATES, strict=True):
        assert scipy.stats.binomtest(len(right[name]), 2000, 1 / 3).pvalue > 1e-3
        assert scipy.stats.binomtest(sum(right[name]), len(right[name]), 1 - rate).pvalue > 1e-3


def test_who_is_asked_depends_on_the_comparison_and_the_seed_alone() -> None:
    def names(seed: int, images: range) -> dict[int, str]:
        return {image: a_crowd(seed).who_answer(comparison(image))[0].name for image in images}

    assert names(0, range(200)) == names(0, range(199, -1, -1))
    assert names(0, range(200)) != names(1, range(200))


def test_without_a_crowd_there_is_one_annotator_with_its_old_name() -> None:
    alone = simulated_annotator(split(), seed=0, error_rate=0.2)
    assert alone == SimulatedAnnotator(split=alone.split, seed=0, error_rate=0.2)
    assert coin_annotator(seed=0) == CoinAnnotator(seed=0)
    assert (alone.name, CoinAnnotator(seed=0).name) == ("simulated", "coin")


KEYS = [ExplanationKey("round-0", image) for image in range(1000)]
SHOWN = [explanation(image, 1000 - image, 0, 0) for image in range(1000)]  # worth image / 1000


@pytest.mark.parametrize("error_rate", [0.0, 0.3, 1.0])
def test_who_errs_gives_an_explanation_the_worth_of_another(error_rate: float) -> None:
    annotator = SimulatedAnnotator(split=split(), seed=0, error_rate=error_rate)
    said, true = annotator.utilities(SHOWN, KEYS), np.arange(1000) / 1000
    wrong = ~np.isclose(said, true)
    assert scipy.stats.binomtest(int(wrong.sum()), 1000, error_rate).pvalue > 1e-3
    assert np.isclose(said[:, None], true).any(1).all()
    if error_rate == 1:
        assert abs(scipy.stats.spearmanr(said, true).statistic) < 0.1  # nothing is left of it, and nothing turned round


def test_a_coin_says_any_worth_and_a_crowd_none() -> None:
    said = CoinAnnotator(seed=0).utilities(SHOWN, KEYS)
    assert scipy.stats.kstest(said, "uniform").pvalue > 1e-3
    assert said[:10].tolist() == CoinAnnotator(seed=0).utilities(SHOWN[:10], KEYS[:10]).tolist()
    with pytest.raises(InputError, match="leave --crowd out"):
        a_crowd(0).utilities(SHOWN, KEYS)


def test_as_many_different_members_answer_as_are_asked() -> None:
    for overlap in (1, 2, 3):
        names = [[each.name for each in a_crowd(0).who_answer(comparison(image), overlap)] for image in range(300)]
        assert {len(set(each)) for each in names} == {overlap}
        counts = np.unique(np.concatenate(names), return_counts=True)[1]
        assert counts == pytest.approx(np.full(3, 100 * overlap), rel=0.2)
    with pytest.raises(InputError, match="4 different simulated annotators"):
        a_crowd(0).who_answer(comparison(0), 4)
    assert isinstance(coins := coin_annotator(seed=0, overlap=2), Crowd)
    assert (
        len({each.answer(comparison(n), GOOD, BAD) for n in range(9) for each in coins.who_answer(comparison(n), 2)})
        == 2
    )
