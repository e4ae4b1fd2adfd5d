"""The drawn examples on which people learn what is asked of them."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from explainfb.core.types import Answer, BoolArray
from explainfb.explanations.plots import row_scale
from explainfb.labelling.practice import Example, practice_examples, worked_example
from explainfb.labelling.stimuli import VIEWS, Stimulus

EXAMPLES = [worked_example(), *practice_examples()]
BACKGROUND, MARK = 0.15, 1.0
NO_DOUBT = 0.5
"""By how much of their weight the two sides differ, at least, where one is better."""


@pytest.fixture(params=EXAMPLES, ids=lambda example: example.name)
def example(request: pytest.FixtureRequest) -> Example:
    found: Example = request.param
    return found


def drawn(stimulus: Stimulus) -> BoolArray:
    """(H, W): where the shape is drawn."""
    shape: BoolArray = (stimulus.image[0] != BACKGROUND) & (stimulus.image[0] != MARK)
    return shape


def relevant_share(stimulus: Stimulus) -> float:
    """The share of the weight that lies on the drawn shape and speaks for it, less what speaks against it."""
    found = stimulus.explanation
    sizes = np.bincount(found.segments.ravel())
    inside = np.bincount(found.segments.ravel(), weights=drawn(stimulus).ravel()) / sizes
    return float((found.weights * inside).sum() / np.abs(found.weights).sum())


def test_there_are_three_each_with_another_answer() -> None:
    assert [example.answer for example in practice_examples()] == [Answer.RIGHT, Answer.LEFT, Answer.EQUAL]


def test_names_are_unique_and_fit_for_a_page() -> None:
    names = [example.name for example in EXAMPLES]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(,? [a-z]+)*", name) for name in names)


def test_the_answer_is_where_the_weight_is(example: Example) -> None:
    left, right = relevant_share(example.left), relevant_share(example.right)
    if example.answer is Answer.EQUAL:
        assert min(left, right) > 0.5
        assert abs(left - right) < 0.2
    else:
        better, worse = (left, right) if example.answer is Answer.LEFT else (right, left)
        assert better > 0.5
        assert better - worse > NO_DOUBT


def test_the_lesson_on_purple_has_purple_on_its_shape() -> None:
    (lesson,) = [example for example in practice_examples() if "purple" in example.name]
    assert relevant_share(lesson.right) < -NO_DOUBT
    assert "purple" in lesson.because
    assert " against" in lesson.right.description
    assert " against" not in lesson.left.description


def test_what_to_expect_of_a_rating_of_the_left_one_agrees(example: Example) -> None:
    assert example.left_is_good == (relevant_share(example.left) > 0.5)


def test_the_reason_speaks_of_the_side_that_is_better(example: Example) -> None:
    first = {Answer.LEFT: "left", Answer.RIGHT: "right", Answer.EQUAL: "both"}[example.answer]
    named = re.search(r"\b(left|right|both)\b", example.because.lower())
    assert named is not None
    assert named[1] == first


def test_the_same_picture_is_on_both_sides_unless_both_are_good(example: Example) -> None:
    same = np.array_equal(example.left.image, example.right.image)
    assert same == (example.answer is not Answer.EQUAL)
    assert (example.left.class_name == example.right.class_name) == same


def test_shape_mark_and_background_can_be_told_apart(example: Example) -> None:
    for stimulus in (example.left, example.right):
        mark = stimulus.image[0] == MARK
        assert 0.05 < drawn(stimulus).mean() < 0.5
        assert mark.any()
        assert not mark[8:].any()
        assert not mark[:, 8:].any()


def test_pictures_can_be_drawn(example: Example) -> None:
    for stimulus in (example.left, example.right):
        assert stimulus.image.shape == (3, *stimulus.explanation.segments.shape)
        assert 0 <= stimulus.image.min() < stimulus.image.max() <= 1
        for view in VIEWS:
            uri = stimulus.picture(view, scale=row_scale(stimulus.explanation))
            with Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2]))) as picture:
                picture.load()
                assert picture.size == (192, 192)
                assert len(picture.convert("RGB").getcolors(2**16) or []) > 1


def test_words_for_those_who_cannot_see_tell_the_two_sides_apart(example: Example) -> None:
    if example.answer is not Answer.EQUAL:
        assert example.left.description != example.right.description
    for stimulus in (example.left, example.right):
        assert stimulus.description.startswith(f"Reasons for {stimulus.class_name}: ")
