import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from lime.lime_image import LimeImageExplainer

from explainfb.core.seeding import torch_generator
from explainfb.explanations.lime import fit_linear
from explainfb.explanations.perturbation import draw_masks, draw_padded_masks, in_pairs, lime_kernel


def generator(*names: object) -> torch.Generator:
    return torch_generator(0, "test masks", *names)


def test_kernelshap_sizes_follow_their_distribution() -> None:
    superpixels = 12
    masks = draw_masks(40_000, superpixels, "kernelshap", generator())[0]
    sizes = masks[: len(masks) // 2].sum(1).long()
    found = torch.bincount(sizes, minlength=superpixels)[1:].numpy()
    chances = np.array([1 / (k * (superpixels - k)) for k in range(1, superpixels)])
    assert sizes.min() >= 1
    assert sizes.max() <= superpixels - 1
    assert scipy.stats.chisquare(found, chances / chances.sum() * found.sum()).pvalue > 1e-3


def test_kernelshap_shows_each_superpixel_as_often_as_any_other() -> None:
    masks = draw_masks(40_000, 9, "kernelshap", generator())[0][:20_000]
    of_size_two = masks[masks.sum(1) == 2]
    assert scipy.stats.chisquare(of_size_two.sum(0).numpy()).pvalue > 1e-3


@pytest.mark.parametrize("sampling", ["kernelshap", "leverage"])
@pytest.mark.parametrize("superpixels", [2, 3, 49])
def test_masks_are_paired_with_their_complements(superpixels: int, sampling: str) -> None:
    first, second = draw_masks(200, superpixels, sampling, generator())[0].chunk(2)
    assert torch.equal(first, 1 - second)
    assert set(first.unique().tolist()) == {0.0, 1.0}


def test_lime_masks_are_coins_after_a_first_that_shows_everything() -> None:
    masks, _ = draw_masks(20_000, 10, "lime", generator())
    assert masks[0].eq(1).all()
    shown = int(masks[1:].sum())
    assert scipy.stats.binomtest(shown, masks[1:].numel(), 0.5).pvalue > 1e-3


def test_lime_masks_weigh_what_the_lime_package_gives_them() -> None:
    masks, _ = draw_masks(300, 15, "lime", generator())
    masks[1] = 0  # the cosine distance of nothing shown is 1
    own = lime_kernel(masks)
    cosine = torch.nn.functional.cosine_similarity(masks.double(), torch.ones(1, 15, dtype=torch.float64), dim=1)
    package = LimeImageExplainer().base.kernel_fn((1 - cosine).numpy())
    torch.testing.assert_close(own, torch.from_numpy(package), rtol=0, atol=1e-12)


@pytest.mark.parametrize("sampling", ["lime", "kernelshap", "leverage"])
def test_padding_is_always_shown_and_leaves_the_rest_as_it_was(sampling: str) -> None:
    masks, similarity = draw_padded_masks(40, [5, 9], sampling, generator())
    alone, weights = draw_masks(40, 5, sampling, generator())
    assert masks.shape == (2, 40, 9)
    assert torch.equal(masks[0, :, :5], alone)
    assert masks[0, :, 5:].eq(1).all()
    assert torch.equal(similarity[0], weights)


def kernel(superpixels: int) -> Callable[[int], float]:
    """What a mask of k shown superpixels weighs in Shapley's regression, up to one factor (Lundberg & Lee 2017)."""
    return lambda k: 1 / (math.comb(superpixels, k) * k * (superpixels - k))


@pytest.mark.parametrize("superpixels", [4, 5, 8])
@pytest.mark.parametrize("rounds", [1, 3])
def test_leverage_masks_are_all_there_once_where_as_many_are_asked_for(superpixels: int, rounds: int) -> None:
    every = 2**superpixels - 2
    masks, weights = draw_masks(rounds * every, superpixels, "leverage", generator())
    codes, times = (masks @ 2.0 ** torch.arange(superpixels)).unique(return_counts=True)
    assert len(codes) == every
    assert times.eq(rounds).all()
    wanted = torch.tensor([kernel(superpixels)(int(k)) for k in masks.sum(1)], dtype=torch.float64)
    torch.testing.assert_close(weights, wanted / wanted.mean())


@pytest.mark.parametrize("count", [60, 200, 1000])
def test_leverage_masks_weigh_a_size_as_the_kernel_does(count: int) -> None:
    """Whatever is drawn, each number of shown superpixels has the share that all of its masks have together."""
    masks, weights = draw_masks(count, 12, "leverage", generator())
    assert len(masks) == count
    sizes = masks.sum(1).long()
    shares = torch.zeros(13, dtype=torch.float64).index_add_(0, sizes, weights)[1:12]
    wanted = torch.tensor([kernel(12)(k) * math.comb(12, k) for k in range(1, 12)], dtype=torch.float64)
    torch.testing.assert_close(shares / shares.sum(), wanted / wanted.sum())


def test_leverage_masks_of_a_rare_size_do_not_come_twice() -> None:
    masks, _ = draw_masks(600, 49, "leverage", generator())
    single = masks[masks.sum(1) == 1]
    assert len(single) > 10
    assert len(single.unique(dim=0)) == len(single)


def test_hadamard_masks_are_balanced_in_every_three_superpixels() -> None:
    masks, weights = draw_masks(128, 49, "hadamard", torch_generator(1, "hadamard"))
    assert torch.equal(masks[64:], 1 - masks[:64])
    torch.testing.assert_close(weights, lime_kernel(masks))
    for three in ((0, 1, 2), (5, 17, 48), (11, 30, 31)):
        _, often = masks[:, list(three)].unique(dim=0, return_counts=True)
        assert often.tolist() == [16] * 8


def test_hadamard_masks_have_the_weights_of_lime_with_less_error() -> None:
    """A function of ten superpixels with interactions of two and of three, every mask of which is known."""
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 10)

    def game(masks: torch.Tensor) -> torch.Tensor:
        pairs = masks[:, 0] * masks[:, 1] - 2 * masks[:, 2] * masks[:, 3] + masks[:, 4] * masks[:, 5] * masks[:, 6]
        return (masks @ torch.linspace(-1, 1, 10) + pairs).double()

    truth = fit_linear(every, game(every)[:, None], lime_kernel(every), 1e-9).weights[:, 0]
    found = {}
    for sampling in ("lime", "hadamard"):
        estimates = []
        for seed in range(60):
            masks, weights = draw_masks(128, 10, sampling, torch_generator(seed, sampling))
            estimates.append(fit_linear(masks, game(masks)[:, None], weights, 1e-9).weights[:, 0])
        found[sampling] = torch.stack(estimates)
    spread = found["hadamard"].std(0) / 60**0.5
    assert ((found["hadamard"].mean(0) - truth).abs() < 4 * spread + 0.01).all()
    errors = {sampling: (each - truth).square().mean() for sampling, each in found.items()}
    assert errors["hadamard"] < 0.67 * errors["lime"]


def test_masks_asked_about_in_several_parts_stay_in_pairs() -> None:
    parts = [draw_masks(count, 12, "leverage", generator("parts", count))[0] for count in (8, 20)]
    every = in_pairs(parts, "leverage")
    assert torch.equal(every[14:], 1 - every[:14])
    assert torch.equal(in_pairs(parts, "lime"), torch.cat(parts))
