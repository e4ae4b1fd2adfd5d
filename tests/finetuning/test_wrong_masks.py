"""An annotator with wrong masks wants the reason where it should not be."""

import numpy as np
import pytest
import torch

from explainfb.core.errors import InputError
from explainfb.core.types import Answer, Comparison, ExplanationKey
from explainfb.explanations.explanation import Explanation
from explainfb.finetuning.baselines import (
    wrong_reasons,
)
from explainfb.preferences.simulated import SimulatedAnnotator
from explainfb.tasks.task import Split
from finetuned_digits import (
    TASK,
)


def on(mask: np.ndarray) -> Explanation:
    """An explanation all of whose weight lies on `mask`."""
    return Explanation(0, 0.5, mask.astype(np.int64), np.array([0.0, 1.0]), 0.0, 1.0)


def answers(annotator: SimulatedAnnotator, count: int = 40) -> list[Answer]:
    """For each image, where the reason should be on the left and where it should not be on the right."""
    assert TASK.train.relevance is not None
    found = []
    for image in range(count):
        mask = TASK.train.relevance[image].numpy()
        comparison = Comparison(ExplanationKey("round-0", image), ExplanationKey("round-1", image), round=1)
        found.append(annotator.answer(comparison, on(mask), on(~mask)))
    return found


def test_an_annotator_with_wrong_masks_prefers_what_others_reject() -> None:
    right = SimulatedAnnotator(split=TASK.train, seed=0, error_rate=0)
    turned = wrong_reasons(TASK.train, region="turned_round", seed=0)
    assert set(answers(right)) == {Answer.LEFT}
    assert set(answers(SimulatedAnnotator(split=turned, seed=0, error_rate=0))) == {Answer.RIGHT}


def test_a_random_region_has_the_same_size_and_a_place_of_its_own() -> None:
    moved, again, other = (wrong_reasons(TASK.train, region="random", seed=seed).relevance for seed in (0, 0, 1))
    relevance = TASK.train.relevance
    assert moved is not None
    assert again is not None
    assert other is not None
    assert relevance is not None
    assert torch.equal(moved.sum((1, 2)), relevance.sum((1, 2)))
    assert len(torch.unique(moved.flatten(1), dim=0)) > 100
    assert torch.equal(moved, again)
    assert not torch.equal(moved, other)
    overlap = (moved & relevance).float().mean() / (moved.float().mean() * relevance.float().mean())
    assert overlap.item() == pytest.approx(1, abs=0.05), "what a random place would give"


def test_wrong_masks_need_masks() -> None:
    bare = Split(TASK.train.images, TASK.train.labels)
    with pytest.raises(InputError, match="none"):
        wrong_reasons(bare, region="random", seed=0)
