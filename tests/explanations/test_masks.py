import numpy as np
import pytest
import scipy.stats
import torch
from lime.lime_image import LimeImageExplainer

from explainfb.core.seeding import torch_generator
from explainfb.explanations.masks import draw_masks, draw_padded_masks, proximity


def generator(*names: object) -> torch.Generator:
    return torch_generator(0, "test masks", *names)


def test_kernelshap_sizes_follow_their_distribution() -> None:
    superpixels = 12
    masks = draw_masks(40_000, superpixels, "kernelshap", generator())
    sizes = masks[: len(masks) // 2].sum(1).long()
    found = torch.bincount(sizes, minlength=superpixels)[1:].numpy()
    chances = np.array([1 / (k * (superpixels - k)) for k in range(1, superpixels)])
    assert sizes.min() >= 1
    assert sizes.max() <= superpixels - 1
    assert scipy.stats.chisquare(found, chances / chances.sum() * found.sum()).pvalue > 1e-3


def test_kernelshap_shows_each_superpixel_as_often_as_any_other() -> None:
    masks = draw_masks(40_000, 9, "kernelshap", generator())[:20_000]
    of_size_two = masks[masks.sum(1) == 2]
    assert scipy.stats.chisquare(of_size_two.sum(0).numpy()).pvalue > 1e-3


@pytest.mark.parametrize("superpixels", [2, 3, 49])
def test_kernelshap_masks_are_paired_with_their_complements(superpixels: int) -> None:
    first, second = draw_masks(200, superpixels, "kernelshap", generator()).chunk(2)
    assert torch.equal(first, 1 - second)
    assert set(first.unique().tolist()) == {0.0, 1.0}


def test_lime_masks_are_coins_after_a_first_that_shows_everything() -> None:
    masks = draw_masks(20_000, 10, "lime", generator())
    assert masks[0].eq(1).all()
    shown = int(masks[1:].sum())
    assert scipy.stats.binomtest(shown, masks[1:].numel(), 0.5).pvalue > 1e-3


def test_proximity_is_the_kernel_of_the_lime_package() -> None:
    masks = draw_masks(300, 15, "lime", generator())
    masks[1] = 0  # the cosine distance of nothing shown is 1
    own = proximity(masks, "lime")
    cosine = torch.nn.functional.cosine_similarity(masks.double(), torch.ones(1, 15, dtype=torch.float64), dim=1)
    package = LimeImageExplainer().base.kernel_fn((1 - cosine).numpy())
    torch.testing.assert_close(own, torch.from_numpy(package), rtol=0, atol=1e-12)
    assert proximity(masks, "kernelshap").eq(1).all()


@pytest.mark.parametrize("sampling", ["lime", "kernelshap"])
def test_padding_is_always_shown_and_leaves_the_rest_as_it_was(sampling: str) -> None:
    masks, similarity = draw_padded_masks(40, [5, 9], sampling, generator())
    alone = draw_masks(40, 5, sampling, generator())
    assert masks.shape == (2, 40, 9)
    assert torch.equal(masks[0, :, :5], alone)
    assert masks[0, :, 5:].eq(1).all()
    assert torch.equal(similarity[0], proximity(alone, sampling))
