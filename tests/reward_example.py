"""Made-up explanations, and answers about them by someone who prefers weight on the left half, or by a coin."""

from dataclasses import replace

import torch
from torch import Tensor

from explainfb.core.seeding import torch_generator
from explainfb.explanations.superpixels import grid
from explainfb.rewards.dataset import PreferenceBatch
from explainfb.rewards.models import ExplainedImages

SEGMENTS = torch.from_numpy(grid(12, 12, 16))
LEFT_HALF = torch.tensor([label % 4 < 2 for label in range(16)])


def explanations(count: int = 400) -> ExplainedImages:
    generator = torch_generator(0, "test ensemble", "explanations")
    return ExplainedImages(
        images=torch.rand(count, 1, 12, 12, generator=generator),
        segments=SEGMENTS.expand(count, -1, -1),
        weights=torch.randn(count, 16, generator=generator) / 10,
        image_index=torch.arange(count),
    )


EXPLAINED = explanations()
UTILITY = EXPLAINED.weights.abs()[:, LEFT_HALF].sum(1) / EXPLAINED.weights.abs().sum(1)
"""(N,): the share of the weight that lies on the left half."""


def pairs(first: int, last: int, count: int) -> tuple[Tensor, Tensor]:
    """Pairs of different explanations out of first … last − 1."""
    generator = torch_generator(0, "test ensemble", "pairs", first)
    left = torch.randint(first, last, (count,), generator=generator)
    other = torch.randint(1, last - first, (count,), generator=generator)
    return left, first + (left - first + other) % (last - first)


def judged(first: int, last: int, count: int, error_rate: float = 0.1) -> PreferenceBatch:
    """Answers of someone who prefers weight on the left half."""
    left, right = pairs(first, last, count)
    wrong = torch.rand(count, generator=torch_generator(0, "test ensemble", "errors", first)) < error_rate
    return PreferenceBatch(left, right, ((UTILITY[left] > UTILITY[right]) ^ wrong).float())


def by_a_coin(first: int, last: int, count: int) -> PreferenceBatch:
    coin = torch.rand(count, generator=torch_generator(0, "test ensemble", "coin", first)).round()
    return PreferenceBatch(*pairs(first, last, count), coin)


def permuted(answers: PreferenceBatch, seed: int) -> PreferenceBatch:
    order = torch.randperm(len(answers), generator=torch_generator(seed, "permutation"))
    return replace(answers, share_left=answers.share_left[order])
