"""Which comparisons are asked."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from explainfb.core.errors import InputError
from explainfb.core.types import Comparison
from explainfb.explanations.explanation import Explanation
from explainfb.preferences.queries import (
    Pool,
    check_enough,
    choose_comparisons,
    draw_pool,
    held_out_images,
    what_is_shown,
)
from explainfb.preferences.settings import QuerySettings
from explainfb.rewards.dataset import as_seen_by_reward
from explainfb.rewards.ensemble import RewardEnsemble
from explainfb.rewards.models import ExplainedImages
from explainfb.tasks.task import Split

SETTINGS = QuerySettings()


class Says(nn.Module):
    """A reward model that gives each explanation the value that stands in its first weight's place."""

    def __init__(self, column: int) -> None:
        super().__init__()
        self.column = column

    def forward(self, explained: ExplainedImages) -> torch.Tensor:
        return explained.weights[:, self.column]


def explained(weights: torch.Tensor) -> ExplainedImages:
    count = len(weights)
    return ExplainedImages(torch.zeros(count, 1, 2, 2), torch.zeros(count, 2, 2).long(), weights, torch.arange(count))


def choose(pool: Pool, count: int, **given: object) -> list[Comparison]:
    usual = {"ensemble": None, "explained": explained(torch.zeros(len(pool.keys), 2)), "settings": SETTINGS, "seed": 0}
    return choose_comparisons(pool, count, keys=pool.keys, **(usual | given))  # type: ignore[arg-type]


def pool(round_number: int, comparisons: int = 60, seed: int = 0) -> Pool:
    return draw_pool(
        round_number, comparisons, held_out_images(500, 0.1, seed), SETTINGS, seed, range(round_number - 1)
    )


def test_held_out_images_are_the_same_in_every_round_and_never_among_the_fitted() -> None:
    held_out = set(np.flatnonzero(held_out_images(500, 0.1, 0)).tolist())
    assert len(held_out) == 50
    for number in range(1, 5):
        assert set(pool(number).held_out.tolist()) <= held_out
        assert not set(pool(number).fitted.tolist()) & held_out


def test_no_comparison_joins_a_held_out_image_with_a_fitted_one() -> None:
    for number in (1, 2):
        drawn = pool(number)
        sides = {int(image): image in drawn.held_out for image in drawn.images}
        for comparison in choose(drawn, 60):
            assert sides[comparison.left.image] == sides[comparison.right.image]


def test_comparisons_are_different_and_as_many_as_asked_for() -> None:
    chosen = choose(pool(2), 60)
    assert len(chosen) == 60
    assert len({frozenset((comparison.left, comparison.right)) for comparison in chosen}) == 60


def test_a_tenth_is_held_out() -> None:
    drawn = pool(1, 100)
    assert sum(comparison.left.image in drawn.held_out for comparison in choose(drawn, 100)) == 10


def test_the_first_round_compares_images_and_later_ones_also_classifiers() -> None:
    assert all(item.left.image != item.right.image for item in choose(pool(1), 60))
    later = choose(pool(3), 60)
    same = [item for item in later if item.left.image == item.right.image]
    assert 15 < len(same) < 45
    assert all(item.left.classifier != item.right.classifier for item in same)


def test_sides_are_drawn_by_a_coin() -> None:
    current = [
        item.left.classifier == "round-2" for item in choose(pool(3, 250), 250) if item.left.image == item.right.image
    ]
    assert 0.35 < np.mean(current) < 0.65


def test_those_that_the_members_disagree_on_are_asked() -> None:
    """Two members agree on every explanation but those of the first ten images."""
    drawn = pool(1, 40)
    weights = torch.zeros(len(drawn.keys), 2)
    weights[:10, 0] = 5.0
    ensemble = RewardEnsemble([Says(0), Says(1)])  # type: ignore[list-item]
    disputed = set(drawn.images[:10].tolist())

    def touching(choice: str) -> float:
        settings = dataclasses.replace(SETTINGS, strategy=choice)
        chosen = choose(drawn, 40, ensemble=ensemble, explained=explained(weights), settings=settings)
        fitted = [item for item in chosen if item.left.image not in drawn.held_out]
        return float(np.mean([(item.left.image in disputed) != (item.right.image in disputed) for item in fitted]))

    assert touching("disagreement") == 1.0
    assert touching("random") < 0.6


def times_asked(drawn: Pool, chosen: list[Comparison]) -> Counter[int]:
    """How often each image of the pool is asked about."""
    found = Counter(dict.fromkeys(map(int, drawn.images), 0))
    for item in chosen:
        found.update({item.left.image, item.right.image})
    return found


@pytest.mark.parametrize("most", [1, 2, 4])
@pytest.mark.parametrize("round_number", [1, 3])
def test_no_image_is_asked_again_and_again_while_others_never_are(round_number: int, most: int) -> None:
    """Although the members disagree on three images alone, on which every comparison of theirs would be asked."""
    drawn = pool(round_number, 200)
    weights = torch.zeros(len(drawn.keys), 2)
    weights[:3, 0] = 5.0
    given = {"ensemble": RewardEnsemble([Says(0), Says(1)]), "explained": explained(weights)}  # type: ignore[list-item]
    unbound = times_asked(drawn, choose(drawn, 200, **given))
    assert max(unbound.values()) > 4
    settings = dataclasses.replace(SETTINGS, most_per_image=most)
    chosen = choose(drawn, 200, settings=settings, **given)
    asked = times_asked(drawn, chosen)
    assert len(set(chosen)) == 200
    assert max(asked.values()) <= max(most, 2) or min(asked.values()) > 0
    disputed = [asked[int(image)] for image in drawn.images[:3]]
    assert min(disputed) >= most  # what is most worth asking is still asked first


def test_where_images_are_few_all_are_asked_before_one_is_asked_too_often() -> None:
    drawn = draw_pool(1, 8, held_out_images(12, 0.25, 0), SETTINGS, 0, [])
    settings = dataclasses.replace(SETTINGS, most_per_image=1)
    asked = times_asked(drawn, choose(drawn, 8, settings=settings))
    fitted = [asked[int(image)] for image in drawn.fitted]
    assert max(fitted) - min(fitted) <= 1


@pytest.mark.parametrize("number", [1, 3])
def test_of_half_as_many_images_each_is_asked_about_twice_as_often(number: int) -> None:
    settings = dataclasses.replace(SETTINGS, images=0.5)
    held_out = held_out_images(500, 0.1, 0)
    half = draw_pool(number, 200, held_out, settings, 0, [0] if number > 1 else [])
    assert [len(half.fitted), len(half.held_out)] == [90, 10]
    chosen = choose(half, 200, settings=settings)
    assert len({frozenset(item.shown) for item in chosen}) == 200
    judged = [item for item in chosen if item.left.image in half.held_out]
    assert len(judged) == 20


def test_images_are_never_so_few_that_there_are_not_enough_pairs() -> None:
    settings = dataclasses.replace(SETTINGS, images=0.01)
    few = draw_pool(1, 30, held_out_images(500, 0.1, 0), settings, 0, [])
    assert len(choose(few, 30, settings=settings)) == 30
    one_at_a_time = draw_pool(1, 30, held_out_images(500, 0.1, 0), settings, 0, [], shows=1)
    assert len(one_at_a_time.images) == 30


def test_the_same_seed_asks_the_same_and_another_does_not() -> None:
    assert choose(pool(2), 60) == choose(pool(2), 60)
    assert choose(pool(2), 60) != choose(pool(2, seed=1), 60, seed=1)


def test_too_few_images_are_told() -> None:
    drawn = draw_pool(1, 50, held_out_images(12, 0.25, 0), SETTINGS, 0, [])
    with pytest.raises(InputError, match="ask for fewer"):
        choose(drawn, 50)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_held_out_of_nothing_or_all_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="held-out"):
        QuerySettings(held_out=share)


def test_a_task_too_small_is_told_before_work_starts() -> None:
    check_enough(1209, 250, SETTINGS)
    for images, comparisons in ((60, 250), (4, 8)):
        with pytest.raises(InputError, match="too few"):
            check_enough(images, comparisons, SETTINGS)


def test_superpixels_that_are_too_few_are_told_before_work_starts() -> None:
    superpixels = dataclasses.replace(SETTINGS, compared="superpixels", held_out=0.1)
    check_enough(60, 250, superpixels)  # of two whole explanations, too few
    check_enough(60, 12, superpixels, superpixels=4)
    for images, comparisons, pieces in ((60, 12, 2), (60, 250, 3), (4, 8, 49)):
        with pytest.raises(InputError, match="too few"):
            check_enough(images, comparisons, superpixels, superpixels=pieces)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"candidates": 0}, "--queries.candidates must be at least 1; found 0"),
        ({"most_per_image": 0}, "--queries.most-per-image must be at least 1; found 0"),
        ({"same_image": 7.0}, r"--queries.same-image is a share in \[0, 1\]; found 7.0"),
    ],
)
def test_settings_that_no_comparison_could_be_drawn_by_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        QuerySettings(**wrong)  # type: ignore[arg-type]


def one_superpixel_a_quarter(weights: list[float], errors: float = 0.01) -> Explanation:
    return Explanation(
        3,
        probability=0.9,
        segments=np.array([[0, 1], [2, 3]]),
        weights=np.array(weights),
        intercept=0.1,
        fit=0.9,
        standard_errors=np.full(4, errors),
    )


def test_superpixels_of_one_explanation_are_compared() -> None:
    drawn, settings = pool(3, 100), dataclasses.replace(SETTINGS, compared="superpixels", strongest=3)
    whole = {key: one_superpixel_a_quarter([0.1, 0.4, 0.2, 0.3]) for key in drawn.keys}
    keys = what_is_shown(drawn, whole, settings)
    seen = as_seen_by_reward(whole, keys, Split(torch.zeros(500, 1, 2, 2), torch.zeros(500).long()))
    chosen = choose_comparisons(drawn, 100, ensemble=None, explained=seen, keys=keys, settings=settings, seed=0)
    assert len({frozenset((each.left, each.right)) for each in chosen}) == 100
    for each in chosen:
        assert each.left.whole == each.right.whole
        assert each.left.classifier == drawn.current
        assert {each.left.superpixel, each.right.superpixel} < {1, 2, 3}  # the strongest three
    assert sum(1 in (each.left.superpixel, each.right.superpixel) for each in chosen) > 70
    assert 30 < sum((each.left.superpixel or 0) > (each.right.superpixel or 0) for each in chosen) < 70
    assert sum(each.left.image in drawn.held_out for each in chosen) == 10
    alone = seen.weights[keys.index(chosen[0].left)]
    assert alone.count_nonzero() == 1
    assert alone[chosen[0].left.superpixel] > 0


def test_where_nothing_stands_out_the_two_strongest_are_compared() -> None:
    drawn, settings = pool(1, 20), dataclasses.replace(SETTINGS, compared="superpixels")
    keys = what_is_shown(
        drawn, {key: one_superpixel_a_quarter([0.1, 0.4, -0.3, 0.0], errors=9.0) for key in drawn.keys}, settings
    )
    assert [key.superpixel for key in keys] == [1, 2] * len(drawn.images)


def test_where_two_of_each_image_are_not_enough_weaker_ones_are_compared_too() -> None:
    """Or the study would end after training, for want of comparisons."""
    settings = dataclasses.replace(SETTINGS, compared="superpixels", held_out=0.1)
    drawn = draw_pool(1, 12, held_out_images(60, 0.1, 0), settings, 0, [])
    unsure = {key: one_superpixel_a_quarter([0.1, 0.4, -0.3, 0.0], errors=9.0) for key in drawn.keys}
    keys = what_is_shown(drawn, unsure, settings, 12)
    assert [key.superpixel for key in keys[:3]] == [1, 2, 0]
    assert what_is_shown(drawn, unsure, settings, 9) == what_is_shown(drawn, unsure, settings)
    seen = explained(torch.zeros(len(keys), 4))
    chosen = choose_comparisons(drawn, 12, ensemble=None, explained=seen, keys=keys, settings=settings, seed=0)
    assert len({frozenset(each.shown) for each in chosen}) == 12
