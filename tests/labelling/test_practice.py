"""The examples on which people learn what is asked of them, and those that a study puts in their place."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explainfb.core.errors import InputError
from explainfb.core.types import Answer, ExplanationKey
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.metrics import relevance_mass
from explainfb.explanations.superpixels import grid
from explainfb.labelling.practice import NAMES, Practice, make_practice, read_practice
from explainfb.labelling.stimuli import Stimulus
from explainfb.labelling.wording_files import wording_in
from explainfb.preferences.settings import QuerySettings
from explainfb.study.settings import StudySettings
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Task

WORDS, SETTINGS = wording_in("en"), StudySettings()
WEIGHTS = np.random.default_rng(0).normal(size=49) * 0.1
COMPARED = [each for each in Answer if each not in (Answer.YES, Answer.NO, Answer.RANKED)]
REAL = [Explanation(0, 0.9, grid(28, 28, 49), np.roll(WEIGHTS, turn), 0.1, 0.9) for turn in range(6)]


@pytest.fixture(scope="module")
def digits() -> Task:
    return load_task("digits-decoy")


@pytest.fixture(scope="module")
def elsewhere(digits: Task) -> Task:
    """A task of which nobody knows what its shortcut is, in colour."""
    splits = {
        name: replace(split, images=split.images.repeat(1, 3, 1, 1), relevance=None, shortcut=None)
        for name in ("train", "validation", "clean")
        if (split := getattr(digits, name))
    }
    return Task("folder", ("cat",) * 10, **splits)


def sides(practice: Practice) -> list[Stimulus]:
    return [side for each in (practice.worked, *practice.examples) for side in (each.left, each.right)]


def on_the_thing(stimulus: Stimulus) -> float:
    """The share of the weight that lies on what is brighter than the rest."""
    bright = stimulus.image.sum(0)
    return relevance_mass(stimulus.explanation, bright > (bright.min() + bright.max()) / 2)


@pytest.mark.parametrize("explanations", [REAL, []], ids=["real weights", "made up"])
@pytest.mark.parametrize("name", ["digits", "elsewhere"])
def test_each_kind_is_what_it_is_called(
    name: str, explanations: Sequence[Explanation], request: pytest.FixtureRequest
) -> None:
    """What we would call good lies more on the thing than what we would not."""
    practice = make_practice(request.getfixturevalue(name), SETTINGS, WORDS, explanations)
    unequal, good, bad = practice.examples
    assert [each.name for each in practice.examples] == list(NAMES)
    assert [each.answer for each in practice.examples] == [Answer.RIGHT, Answer.BOTH_GOOD, Answer.BOTH_BAD]
    assert practice.worked.answer is Answer.LEFT
    clean = [on_the_thing(each) for each in (practice.worked.left, unequal.right, good.left, good.right)]
    noisy = [on_the_thing(each) for each in (practice.worked.right, unequal.left, bad.left, bad.right)]
    assert min(clean) > max(noisy) + 0.15
    assert [each.left_is_good for each in practice.examples] == [False, True, False]


def test_pictures_are_of_the_studys_kind_and_without_its_shortcut(digits: Task, elsewhere: Task) -> None:
    without = digits.train_without_shortcut
    assert without is not None
    known = {image.numpy().astype(np.float64).tobytes() for image in without.images[:50]}
    for stimulus in sides(make_practice(digits, SETTINGS, WORDS, REAL)):
        assert stimulus.image.tobytes() in known
    for stimulus in sides(make_practice(elsewhere, SETTINGS, WORDS)):
        assert stimulus.image.shape == (3, 28, 28)
        assert stimulus.class_name in ("circle", "triangle", "cross", "square")  # drawn: no picture of the study


def test_weights_are_those_of_the_studys_explanations(digits: Task) -> None:
    strengths = {round(abs(weight), 9) for real in REAL for weight in real.weights}
    half = {round(abs(real.weights).max() / 2, 9) for real in REAL}
    for stimulus in sides(make_practice(digits, SETTINGS, WORDS, REAL)):
        assert {round(abs(weight), 9) for weight in stimulus.explanation.weights} - {0.0} <= strengths | half


def test_practice_is_of_what_is_asked(digits: Task) -> None:
    """One explanation where one is shown, several where several are; and those who see what we see agree."""
    for question in ("yes-no", "point"):
        for example in make_practice(digits, replace(SETTINGS, question=question), WORDS, REAL).examples:
            assert example.shown(question) == (example.left,)
            assert example.agrees(Answer.YES, " of 3") == example.left_is_good
            assert example.agrees(Answer.NO, "3 of 3") != example.left_is_good
    for count in (4, 5, 6):
        ranking = replace(SETTINGS, question="rank", queries=QuerySettings(ranked=count))
        ranked = make_practice(digits, ranking, WORDS, REAL)
        for example in (ranked.worked, *ranked.examples):
            assert len(example.shown("rank")) == len(example.good) == count
            best, worst = example.good.index(True), example.good.index(False)
            assert example.agrees(Answer.RANKED, f"best {best} worst {worst}")
            assert not example.agrees(Answer.RANKED, f"best {worst} worst {best}")


def test_practice_of_superpixels_shows_one_picture_twice_and_one_part_on_each(digits: Task, elsewhere: Task) -> None:
    settings = replace(SETTINGS, queries=QuerySettings(compared="superpixels"))
    for task in (digits, elsewhere):
        practice = make_practice(task, settings, WORDS, REAL if task is digits else [])
        for example in (practice.worked, *practice.examples):
            left, right = example.shown("compare")
            assert left.is_part
            assert right.is_part
            assert np.array_equal(left.image, right.image)
            assert left.explanation.weights.argmax() != right.explanation.weights.argmax()
            good = [on_the_thing(side) > 0.3 for side in (left, right)]
            known = {Answer.LEFT: [True, False], Answer.RIGHT: [False, True], Answer.BOTH_GOOD: [True] * 2}
            assert good == known.get(example.answer, [False] * 2)


def test_nobody_is_told_to_be_wrong_and_no_difference_will_do_for_both_good() -> None:
    for language in ("en", "de"):
        said = " ".join(vars(wording_in(language).practice).values())  # type: ignore[arg-type]
        assert re.search(r"wrong|mistake|falsch|fehler|most people|meisten", said.lower()) is None


def test_an_example_agrees_with_what_means_the_same(digits: Task) -> None:
    unequal, good, bad = make_practice(digits, SETTINGS, WORDS, REAL).examples
    assert [answer for answer in COMPARED if good.agrees(answer)] == [Answer.EQUAL, Answer.BOTH_GOOD]
    assert [answer for answer in COMPARED if bad.agrees(answer)] == [Answer.BOTH_BAD]
    assert [answer for answer in COMPARED if unequal.agrees(answer)] == [Answer.RIGHT]


def read(folder: Path, text: str, usual: Practice) -> Practice:
    (folder / "practice.toml").write_text(text)

    def find(key: ExplanationKey, round_number: int) -> Stimulus:
        if key.image > 9:
            raise InputError(f"Round {round_number} has no explanation {key}.")
        return Stimulus(np.full((1, 28, 28), 0.5), replace(REAL[0], target=key.image), f"{key} of {round_number}")

    return read_practice(folder, usual, find)


def test_a_study_may_have_examples_of_its_own_or_none(digits: Task, tmp_path: Path) -> None:
    usual = make_practice(digits, SETTINGS, WORDS)
    assert read_practice(tmp_path, usual, lambda key, number: usual.worked.left) is usual
    assert read(tmp_path, "practice = false", usual).is_over(frozenset())
    assert read(tmp_path, "practice = true", usual).examples == usual.examples
    mine = """
        [[example]]
        left = "round-0/3"
        right = "round-1/4"
        round = 2
        answer = "right"
        because = "The beak."
    """
    (example,) = read(tmp_path, mine, usual).examples
    assert (example.left.class_name, example.right.class_name) == ("round-0/3 of 2", "round-1/4 of 2")
    assert (example.answer, example.because, example.left_is_good) == (Answer.RIGHT, "The beak.", False)


def test_of_one_explanation_nobody_can_be_told_that_both_are_alike(digits: Task, tmp_path: Path) -> None:
    usual = make_practice(digits, replace(SETTINGS, question="yes-no"), WORDS)
    text = "[[example]]\nleft = 'a/1'\nright = 'a/1'\nanswer = 'both_good'\nbecause = ''"
    (tmp_path / "practice.toml").write_text(text)
    (example,) = read_practice(tmp_path, usual, lambda key, number: usual.worked.left, pairs=False).examples
    assert [answer for answer in (Answer.YES, Answer.NO) if example.agrees(answer)] == [Answer.YES]
    (tmp_path / "practice.toml").write_text(text.replace("both_good", "equal"))
    with pytest.raises(InputError, match="one of left, right, both_good, both_bad; found 'equal'"):
        read_practice(tmp_path, usual, lambda key, number: usual.worked.left, pairs=False)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("practice = 3", "practice = true or false"),
        ("colour = 'red'", "colour"),
        ("[[example]]\nleft = 'round-0/1'", "example 1 needs left, right, answer and because"),
        ("[[example]]\nleft = 'a/1'\nright = 'b/2'\nanswer = 'splendid'\nbecause = ''", "an answer is one of left"),
        ("[[example]]\nleft = 'a/1'\nright = 'b/2'\nanswer = 'yes'\nbecause = ''", "an answer is one of left"),
        ("[[example]]\nleft = 'a/1'\nright = 'a/1'\nanswer = 'left'\nbecause = ''", "on both sides"),
        ("[[example]]\nleft = 'a/1'\nright = 'b/2'\nanswer = 'left'\nbecause = '\u202ee'", "turn text round"),
        ("[[example]]\nleft = 'a/1'\nright = 'b/2'\nanswer = 'left'\nbecause = ''\nround = true", "a round, a number"),
        ("example = []", "[[example]], in double brackets"),
        ("[[example]]\nleft = 'a'\nright = 'b/2'\nanswer = 'left'\nbecause = ''", "such as round-0/12"),
        ("[[example]]\nleft = 'a/10'\nright = 'b/2'\nanswer = 'left'\nbecause = ''", "no explanation a/10"),
        ("example = 'x'", "[[example]], in double brackets"),
        ("example = ['a']", "[[example]], in double brackets"),
        ("[example]\nleft = 'round-0/1'", "[[example]], in double brackets"),
        ("[[example", "practice.toml cannot be used"),
    ],
)
def test_what_is_wrong_with_a_studys_own_examples_is_named(text: str, found: str, digits: Task, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, text, make_practice(digits, SETTINGS, WORDS))
    assert found in str(refused.value)
    assert "practice.toml" in str(refused.value)
