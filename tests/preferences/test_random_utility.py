"""A simulated annotator who judges as people do: each property that its page promises, seen in its answers."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

from explainfb.core.errors import InputError
from explainfb.core.types import Answer, Comparison, ExplanationKey
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.superpixels import grid
from explainfb.preferences.gathering import ask_annotator
from explainfb.preferences.random_utility import RandomUtilityAnnotator
from explainfb.preferences.settings import RandomUtilitySettings
from explainfb.preferences.simulated import Crowd, simulated_annotator
from explainfb.store import Store
from explainfb.tasks.task import Split

COUNT = 2000
SEGMENTS = grid(8, 8, 16)
IN_TWO = np.arange(8)[None].repeat(8, 0) < 4
STILL = RandomUtilitySettings(lapse_rate=0, threshold=0)


def split(brightness: torch.Tensor | None = None) -> Split:
    images = torch.zeros(COUNT, 1, 8, 8) if brightness is None else brightness[:, None, None, None].expand(-1, 1, 8, 8)
    return Split(
        images, torch.zeros(len(images), dtype=torch.int64), torch.from_numpy(IN_TWO).expand(len(images), 8, 8)
    )


def worth(share: float) -> Explanation:
    """With this share of its weight, evenly spread, where the reason should be."""
    inside = np.bincount(SEGMENTS.ravel(), weights=IN_TWO.ravel()) > 0
    return Explanation(0, 0.5, SEGMENTS, np.where(inside, share, 1 - share) / 8, 0.0, 1.0)


def asked(number: int) -> Comparison:
    return Comparison(ExplanationKey("round-0", number), ExplanationKey("round-1", number), round=1)


def answers(settings: RandomUtilitySettings, left: Explanation, right: Explanation) -> Counter[Answer]:
    person = RandomUtilityAnnotator(split=split(), seed=0, settings=settings)
    return Counter(person.answer(asked(number), left, right) for number in range(COUNT))


@pytest.mark.parametrize("apart", [0.0, 0.1, 0.15, 0.3, 0.45])
def test_errors_follow_how_far_apart_the_two_are(apart: float) -> None:
    """As the normal distribution has it."""
    found = answers(replace(STILL, noise=0.15), worth(0.5 - apart / 2), worth(0.5 + apart / 2))
    wrong = scipy.stats.norm.cdf(-apart / 0.15)
    assert scipy.stats.binomtest(found[Answer.LEFT], COUNT, wrong).pvalue > 1e-3
    assert found[Answer.LEFT] + found[Answer.RIGHT] == COUNT


def test_what_is_felt_to_be_less_than_the_threshold_is_no_difference() -> None:
    settings = replace(STILL, noise=0.1, threshold=0.08)
    found = answers(settings, worth(0.5), worth(0.55))
    wanted = scipy.stats.norm.cdf((0.08 - 0.05) / 0.1) - scipy.stats.norm.cdf((-0.08 - 0.05) / 0.1)
    assert scipy.stats.binomtest(found[Answer.EQUAL], COUNT, wanted).pvalue > 1e-3


@pytest.mark.parametrize(("share", "answer"), [(0.9, Answer.BOTH_GOOD), (0.1, Answer.BOTH_BAD), (0.5, Answer.EQUAL)])
def test_two_that_are_alike_are_called_what_they_are(share: float, answer: Answer) -> None:
    assert answers(replace(STILL, noise=0, threshold=0.1), worth(share), worth(share + 0.02)) == {answer: COUNT}


def test_lapses_look_at_nothing() -> None:
    found = answers(replace(STILL, noise=0, lapse_rate=0.3), worth(0.9), worth(0.1))
    for answer in (Answer.RIGHT, Answer.EQUAL):
        assert scipy.stats.binomtest(found[answer], COUNT, 0.1).pvalue > 1e-3
    assert found[Answer.LEFT] == COUNT - found[Answer.RIGHT] - found[Answer.EQUAL]


@pytest.mark.parametrize(("against", "answer"), [(1.0, Answer.BOTH_GOOD), (0.5, Answer.LEFT), (0.0, Answer.LEFT)])
def test_whether_a_piece_against_the_class_is_a_reason_can_be_set(against: float, answer: Answer) -> None:
    """As instructions and practice say, where it lies is all that counts."""
    good = worth(1.0)
    turned = replace(good, weights=-good.weights)
    settings = replace(STILL, noise=0, threshold=0.1, against=against)
    assert answers(settings, good, turned) == {answer: COUNT}
    person = RandomUtilityAnnotator(split=split(), seed=0, settings=settings)
    assert person.utility(turned, 0) == pytest.approx(against)
    assert person.rightness(turned, 0).max() == pytest.approx(against)
    assert person.utility(good, 0) == 1


def test_habits_do_nothing_until_they_are_switched_on() -> None:
    same = worth(0.5)
    assert answers(replace(STILL, noise=0, left_bias=0.01), same, same) == {Answer.LEFT: COUNT}
    assert answers(replace(STILL, noise=0, left_bias=-0.01), same, same) == {Answer.RIGHT: COUNT}
    one = replace(same, weights=np.eye(16)[0])  # on one superpixel, in the corner of the better half
    other = replace(same, weights=np.eye(16)[5])  # and on one nearer to the middle
    spread = worth(1.0)
    still = RandomUtilityAnnotator(split=split(), seed=0, settings=STILL)
    assert still.utility(one, 0) == still.utility(other, 0) == pytest.approx(still.utility(spread, 0)) == 1
    tidy = replace(still, settings=replace(STILL, tidy_bias=0.2))
    assert tidy.utility(one, 0) - tidy.utility(spread, 0) == pytest.approx(0.2 * np.log(8) / np.log(16))
    middle = replace(still, settings=replace(STILL, middle_bias=0.2))
    assert middle.utility(other, 0) - middle.utility(one, 0) == pytest.approx(0.2)
    bright = replace(still, split=split(torch.tensor([0.0, 0.5])), settings=replace(STILL, bright_bias=0.2))
    assert bright.utility(one, 1) - bright.utility(one, 0) == pytest.approx(0.1)


def test_harder_answers_take_longer_and_time_varies() -> None:
    person = RandomUtilityAnnotator(split=split(), seed=0, settings=replace(STILL, seconds=3, hesitation=2))
    easy, hard = (
        np.array([person.seconds(asked(n), worth(1.0), worth(share)) for n in range(500)]) for share in (0.0, 1.0)
    )
    assert np.median(hard) == pytest.approx(3 * 3, rel=0.1)
    assert 3 < np.median(easy) < 4
    assert np.log(hard).std() == pytest.approx(person.settings.seconds_spread, rel=0.1)


def test_the_same_question_gets_the_same_answer_and_each_person_errs_alone() -> None:
    crowd = simulated_annotator(
        split(), seed=0, error_rate=1, crowd=(0.0, 0.0, 1.0), random_utility=RandomUtilitySettings(noise=0.3)
    )
    assert isinstance(crowd, Crowd)
    first, second, asleep = crowd.members
    left, right = worth(0.6), worth(0.4)
    said = [[each.answer(asked(n), left, right) for n in range(400)] for each in (first, second, asleep)]
    assert said[0] == [first.answer(asked(n), left, right) for n in reversed(range(400))][::-1]
    assert said[0] != said[1]
    assert Counter(said[2])[Answer.RIGHT] == pytest.approx(400 / 3, rel=0.3)


def test_utilities_are_noisy_where_answers_are() -> None:
    person = RandomUtilityAnnotator(split=split(), seed=0, settings=replace(STILL, noise=0.2))
    keys = [ExplanationKey("round-0", number) for number in range(COUNT)]
    said = person.utilities([worth(0.5)] * COUNT, keys)
    assert said.mean() == pytest.approx(0.5, abs=0.02)
    assert said.std() == pytest.approx(0.2 / np.sqrt(2), rel=0.1)  # so that of two, the difference has the noise


@pytest.mark.parametrize(
    "wrong",
    [{"noise": -1}, {"lapse_rate": 1.2}, {"left_bias": float("nan")}, {"seconds": -1}, {"good": "0.7"}, {"bad": None}],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=f"random_utility.{next(iter(wrong))}"):
        RandomUtilitySettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"seed": 1.5}, {"settings": 0.3}, {"name": 7}])
def test_an_annotator_of_something_else_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=f"RandomUtilityAnnotator.{next(iter(wrong))}"):
        RandomUtilityAnnotator(**{"split": split(), "seed": 0} | wrong)  # type: ignore[arg-type]


def test_nobody_judges_where_nobody_knows() -> None:
    with pytest.raises(InputError, match="use --annotator human"):
        RandomUtilityAnnotator(split=Split(torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64)), seed=0)


def test_a_round_has_as_many_answers_as_were_asked_for_each_after_its_time(tmp_path: Path) -> None:
    settings = replace(STILL, noise=0.3, seconds=4)
    crowd = simulated_annotator(split(), seed=0, error_rate=0, crowd=(0.0, 0.1, 0.2), random_utility=settings)
    assert isinstance(crowd, Crowd)
    with Store(tmp_path / "study.db") as store:
        stored = store.add_comparisons([asked(number) for number in range(20)], seed=7)
        shown = {key: worth(0.5) for each in stored for key in (each.comparison.left, each.comparison.right)}
        for _ in range(2):  # again, as after a crash
            ask_annotator(store, 1, crowd, shown, seed=7, overlap=2)
        given = store.answers()
        assert store.progress(1, overlap=2).complete
        assert len(given) == 40
        assert len({(each.comparison.id, each.annotator) for each in given}) == 40
        people = {each.name: each for each in crowd.members if isinstance(each, RandomUtilityAnnotator)}
        for each in given:
            item = each.comparison.comparison
            took = (each.responded_at - each.shown_at).total_seconds()
            assert took == pytest.approx(people[each.annotator].seconds(item, worth(0.5), worth(0.5)), abs=0.1)


def test_who_would_look_longer_than_clocks_go_looks_for_a_day(tmp_path: Path) -> None:
    person = RandomUtilityAnnotator(split=split(), seed=0, settings=replace(STILL, seconds=1e300, seconds_spread=1e300))
    with Store(tmp_path / "study.db") as store:
        item = store.add_comparisons([asked(0)], seed=7)[0].comparison
        ask_annotator(store, 1, person, {item.left: worth(0.5), item.right: worth(0.4)}, seed=7)
        (given,) = store.answers()
        assert 0 <= (given.responded_at - given.shown_at).total_seconds() < 86_401
