"""Explanations as people are shown them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from explainfb.core.errors import InputError
from explainfb.core.types import BAD, GOOD, ExplanationKey, FloatArray, IntArray
from explainfb.explanations import plots
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.storage import explanations_path, save_explanations
from explainfb.explanations.superpixels import grid
from explainfb.labelling.stimuli import PLACES, VIEWS, Stimuli, Stimulus, colour_scale, regional_shares, scales
from explainfb.labelling.wording_files import wording_in
from explainfb.study.settings import StudySettings
from explainfb.tasks.task import Split, Task

NINTHS = grid(30, 30, 9)
EVERY_PLACE = [place for row in PLACES for place in row]
CLASSES = ("cat", "dog", "newt")
ENGLISH = wording_in("en")


def explanation(weights: FloatArray, segments: IntArray = NINTHS, target: int = 0) -> Explanation:
    return Explanation(target, 0.83, segments, np.asarray(weights, dtype=np.float64), 0.1, 0.9)


def stimulus(weights: FloatArray, segments: IntArray = NINTHS) -> Stimulus:
    return Stimulus(np.full((1, *segments.shape), 0.4), explanation(weights, segments), "cat")


def only(place: int, weight: float) -> FloatArray:
    weights = np.zeros(9)
    weights[place] = weight
    return weights


@pytest.mark.parametrize("weight", [0.2, -0.003])
@pytest.mark.parametrize("place", range(9))
def test_weight_is_told_where_it_lies_and_on_its_side(place: int, weight: float) -> None:
    shares = regional_shares(explanation(only(place, weight)))
    assert shares.ravel() == pytest.approx(np.sign(weight) * only(place, 1.0))
    side = "for" if weight > 0 else "against"
    assert (
        stimulus(only(place, weight)).describe(ENGLISH)
        == f"Reasons for cat: {EVERY_PLACE[place].replace('_', ' ')} 100 % {side}."
    )


def test_a_large_superpixel_is_spread_over_the_regions_it_covers() -> None:
    """The left third of the image is one superpixel and the rest another."""
    segments = (np.arange(30) >= 10).astype(np.int64)[None].repeat(30, axis=0)
    shares = regional_shares(explanation(np.array([0.3, -0.1]), segments))
    assert shares == pytest.approx(np.array([[0.25, -1 / 24, -1 / 24]] * 3))


@st.composite
def explanations(draw: st.DrawFn) -> Explanation:
    height, width, count = draw(st.integers(3, 20)), draw(st.integers(3, 20)), draw(st.integers(4, 40))
    segments = grid(height, width, count)
    weight = st.integers(-1000, 1000).map(lambda thousandths: thousandths / 1000)
    number = int(segments.max()) + 1
    return explanation(np.array(draw(st.lists(weight, min_size=number, max_size=number))), segments)


@given(explanations())
def test_shares_are_shares(found: Explanation) -> None:
    shares = regional_shares(found)
    assert shares.shape == (3, 3)
    assert np.abs(shares).sum() <= 1 + 1e-9
    total = np.abs(found.weights).sum()
    assert shares.sum() == pytest.approx(found.weights.sum() / total if total else 0.0, abs=1e-9)
    if total and ((found.weights >= 0).all() or (found.weights <= 0).all()):
        assert np.abs(shares).sum() == pytest.approx(1.0)
        assert shares.sum() == pytest.approx(np.sign(found.weights.sum()))


def test_the_three_strongest_places_are_told_the_strongest_first() -> None:
    weights = np.array([0.02, 0.0, 0.0, 0.0, 0.5, -0.3, 0.0, 0.0, 0.18])
    assert (
        stimulus(weights).describe(ENGLISH)
        == "Reasons for cat: centre 50 % for; right 30 % against; bottom right 18 % for."
    )


def test_what_is_within_its_noise_is_not_told() -> None:
    shown = stimulus(np.array([0.3, 0.0, 0.0, 0.0, -0.1, 0.0, 0.0, 0.0, 0.05]))
    noisy = replace(shown.explanation, standard_errors=np.full(9, 0.04))
    assert (
        replace(shown, explanation=noisy).describe(ENGLISH)
        == "Reasons for cat: top left 75 % for; centre 25 % against."
    )


def test_a_silent_explanation_is_told_as_such() -> None:
    assert stimulus(np.zeros(9)).describe(ENGLISH) == "Reasons for cat: no part of the picture counted."
    assert regional_shares(explanation(np.zeros(9))).tolist() == [[0.0] * 3] * 3


@pytest.mark.parametrize(
    ("probability", "told"), [(0.834, "83"), (0.0, "0"), (1.0, "100")], ids=["some", "none", "all"]
)
def test_how_sure_the_classifier_was_is_told_in_per_cent(probability: float, told: str) -> None:
    shown = stimulus(only(4, 0.2))
    assert replace(shown, explanation=replace(shown.explanation, probability=probability)).percent == told


@pytest.mark.parametrize(("side", "tiny"), [(28, True), (63, True), (64, False), (224, False)])
def test_small_images_are_shown_pixel_by_pixel(side: int, tiny: bool) -> None:
    assert stimulus(only(4, 0.2), grid(side, side, 9)).is_tiny is tiny


def test_every_view_is_its_own_picture() -> None:
    shown = stimulus(only(4, 0.2))
    pictures = [shown.picture(view, scale=0.2) for view in VIEWS]
    assert len(set(pictures)) == len(VIEWS)
    assert pictures[VIEWS.index("original")] == shown.original == plots.picture(shown.image)
    assert pictures[VIEWS.index("only")] == plots.supporting(shown.image, shown.explanation)
    for scale, strength in ((0.2, 1.0), (0.4, 1.0), (0.2, 0.4)):
        expected = plots.overlay(shown.image, shown.explanation, scale, strength=strength)
        assert shown.picture("overlay", scale=scale, strength=strength) == expected


@pytest.mark.parametrize(
    ("colours", "reward_scale", "shared"),
    [
        ("own", "share", False),
        ("own", "probability", False),
        ("shared", "share", True),
        ("shared", "probability", True),
        ("reward", "share", False),
        ("reward", "probability", True),
    ],
)
def test_colours_have_the_scale_that_the_study_wants(colours: str, reward_scale: str, shared: bool) -> None:
    usual = StudySettings()
    settings = replace(usual, colours=colours, reward=replace(usual.reward, scale=reward_scale))
    weak, strong = stimulus(only(2, 0.1)), stimulus(only(3, -0.4))
    assert colour_scale(settings) == ("probability" if shared else "share")
    assert scales(weak, strong, settings) == ((0.4, 0.4) if shared else (0.1, 0.4))
    assert scales(strong, weak, settings) == ((0.4, 0.4) if shared else (0.4, 0.1))


@pytest.fixture
def task() -> Task:
    """Image k has pixels of k tenths and the label 0."""
    images = (torch.arange(6) / 10).view(6, 1, 1, 1).expand(6, 1, 30, 30).contiguous()
    split = Split(images, torch.zeros(6, dtype=torch.int64))
    return Task("tenths", CLASSES, split, split, split)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classifiers that give the same reasons for image 3, and another that gives reasons for image 5."""
    same = only(4, 0.2)
    save_explanations(
        {
            ExplanationKey("round-0", 3): explanation(same, target=1),
            ExplanationKey("round-1", 3): explanation(same, target=1),
            ExplanationKey("round-1", 5): explanation(-same, target=2),
        },
        explanations_path(tmp_path, 2),
    )
    return tmp_path


def test_a_rounds_explanations_are_read_from_the_studys_folder(folder: Path, task: Task) -> None:
    stimuli = Stimuli(folder, task)
    found = stimuli.stimulus(ExplanationKey("round-1", 5), 2)
    assert found.image == pytest.approx(np.full((1, 30, 30), 0.5))
    assert found.explanation.weights == pytest.approx(only(4, -0.2))
    explanations_path(folder, 2).unlink()
    assert stimuli.stimulus(ExplanationKey("round-0", 3), 2).image == pytest.approx(np.full((1, 30, 30), 0.3))


def test_a_picture_is_drawn_once_however_often_it_is_shown(
    folder: Path, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    stimuli, drawn = Stimuli(folder, task), []
    draw = plots.overlay
    monkeypatch.setattr(plots, "overlay", lambda *given, **named: drawn.append(named) or draw(*given, **named))

    def picture(name: str, scale: float = 0.2, strength: float = 1.0) -> str:
        return stimuli.stimulus(ExplanationKey(name, 3), 2).picture("overlay", scale=scale, strength=strength)

    first = picture("round-0")
    assert picture("round-0") == first
    assert len(drawn) == 1
    assert first not in (picture("round-0", scale=0.4), picture("round-0", strength=0.5))
    assert picture("round-1") == first, "the same reasons by another classifier"
    assert len(drawn) == 4


def test_the_class_that_is_explained_is_named_not_the_label(folder: Path, task: Task) -> None:
    stimuli = Stimuli(folder, task)
    names = [stimuli.stimulus(ExplanationKey("round-1", image), 2).class_name for image in (3, 5)]
    assert names == ["dog", "newt"]


def test_nothing_that_is_shown_tells_which_classifier_it_is_about(folder: Path, task: Task) -> None:
    stimuli = Stimuli(folder, task)
    first, second = (stimuli.stimulus(ExplanationKey(name, 3), 2) for name in ("round-0", "round-1"))
    other = stimuli.stimulus(ExplanationKey("round-1", 5), 2)

    def shown(each: Stimulus) -> list[str]:
        return [
            each.describe(ENGLISH),
            each.percent,
            each.class_name,
            *(each.picture(view, scale=0.2) for view in VIEWS),
        ]

    assert shown(first) == shown(second)
    assert shown(first) != shown(other)
    assert not any("round" in text for text in (first.describe(ENGLISH), first.percent, first.class_name))


def with_relevance(task: Task) -> Task:
    """The reason should be in the upper half."""
    relevance = torch.zeros(6, 30, 30, dtype=torch.bool)
    relevance[:, :15] = True
    return replace(task, train=replace(task.train, relevance=relevance))


def test_gold_explanations_are_made_from_those_of_the_rounds_own_classifier(folder: Path, task: Task) -> None:
    stimuli = Stimuli(folder, with_relevance(task))
    good, bad = (stimuli.stimulus(ExplanationKey(name, 5), 2) for name in (GOOD, BAD))
    assert good.image == pytest.approx(np.full((1, 30, 30), 0.5))
    assert good.class_name == bad.class_name == "newt"
    assert good.percent == bad.percent == "83"
    assert regional_shares(good.explanation)[2].tolist() == regional_shares(bad.explanation)[0].tolist() == [0.0] * 3
    assert "gold" not in good.describe(ENGLISH) + bad.describe(ENGLISH)
    with pytest.raises(InputError, match="no explanation round-1/0"):
        stimuli.stimulus(ExplanationKey(GOOD, 0), 2)


def test_gold_explanations_need_masks(folder: Path, task: Task) -> None:
    with pytest.raises(InputError, match="no relevance masks"):
        Stimuli(folder, task).stimulus(ExplanationKey(GOOD, 5), 2)


def test_an_explanation_that_is_not_there_is_told(folder: Path, task: Task) -> None:
    stimuli = Stimuli(folder, task)
    with pytest.raises(InputError, match="Round 2 has no explanation round-0/5"):
        stimuli.stimulus(ExplanationKey("round-0", 5), 2)
    with pytest.raises(InputError, match=r"No explanations at .*round-1\.safetensors"):
        stimuli.stimulus(ExplanationKey("round-0", 3), 1)
