"""Answers and explanations as the reward learns from them."""

import numpy as np
import pytest
import torch

from explainfb.core.errors import InputError
from explainfb.core.types import Answer, ExplanationKey
from explainfb.explanations.explanation import Explanation
from explainfb.rewards.dataset import PreferenceDataset, as_seen_by_reward
from explainfb.tasks.task import Split
from store_backends import comparisons, preference


def explanation(superpixels: int, seed: int) -> Explanation:
    segments = (np.arange(36) * superpixels // 36).reshape(6, 6)
    weights = np.random.default_rng(seed).normal(size=superpixels)
    return Explanation(seed % 3, 0.25 * seed, segments, weights, 0.1 * seed, -0.5 * seed)


EXPLANATIONS = {
    ExplanationKey("round-0", 4): explanation(3, 1),
    ExplanationKey("round-1", 4): explanation(5, 2),
    ExplanationKey("round-1", 0): explanation(2, 3),
}


def test_the_reward_sees_each_explanation_with_its_image() -> None:
    images = torch.linspace(0, 1, 5).view(5, 1, 1, 1).expand(5, 1, 6, 6)
    keys = list(EXPLANATIONS)[::-1]
    seen = as_seen_by_reward(EXPLANATIONS, keys, Split(images, torch.zeros(5, dtype=torch.int64)))
    assert seen.image_index.tolist() == [0, 4, 4]
    assert torch.equal(seen.images[:, 0, 0, 0], torch.tensor([0.0, 1.0, 1.0]))
    assert seen.weights.shape == (3, 5)
    assert torch.equal(seen.weights[0, 2:], torch.zeros(3))
    for row, key in enumerate(keys):
        weights = EXPLANATIONS[key].weights
        assert torch.allclose(seen.weights[row, : len(weights)].double(), torch.from_numpy(weights))


HELD_OUT = np.arange(12) >= 8
"""Of twelve comparisons, each of an image of its own."""


def test_answers_of_which_none_decides_anything_are_refused() -> None:
    """Whoever gave them, a simulated annotator too."""
    given = [preference(item, Answer.CANT_TELL) for item in comparisons(12)]
    split = Split(torch.zeros(12, 1, 8, 8), torch.zeros(12, dtype=torch.int64))
    for said in (given, []):
        with pytest.raises(InputError, match=f"at least 4 decided answers; found 0 of {len(said)}"):
            PreferenceDataset.of(said, {}, split, HELD_OUT, torch.device("cpu"))
