"""The linear fit: linear in its outputs, and right where the true weights or Shapley values are known."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.networks import Architecture
from explainfb.core.seeding import torch_generator
from explainfb.explanations.explainer import explain
from explainfb.explanations.lime import fit_linear
from explainfb.explanations.perturbation import draw_masks
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.superpixels import grid
from lime_example import random, small_classifier


def regression(d: int = 6, count: int = 40, outputs: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    masks, similarity = draw_masks(count, d, "lime", torch_generator(0, "test lime", "regression"))
    return masks, random(count, outputs, name="outputs").double(), similarity


@given(st.floats(-10, 10), st.floats(-10, 10), st.integers(0, 100))
def test_the_fit_is_linear_in_the_outputs(a: float, b: float, seed: int) -> None:
    masks, outputs, similarity = regression()
    other = random(*outputs.shape, name=seed).double()
    mixed = fit_linear(masks, a * outputs + b * other, similarity)
    for name in ("weights", "intercept"):
        parts = (getattr(fit_linear(masks, part, similarity), name) for part in (outputs, other))
        torch.testing.assert_close(getattr(mixed, name), sum(k * part for k, part in zip((a, b), parts, strict=True)))


def test_outputs_are_fitted_one_by_one_and_images_too() -> None:
    masks, outputs, similarity = regression()
    every = fit_linear(masks, outputs, similarity)
    second = fit_linear(masks, outputs[:, 1:], similarity)
    stacked = fit_linear(masks.expand(3, -1, -1), outputs.expand(3, -1, -1), similarity.expand(3, -1))
    torch.testing.assert_close(every.weights[:, 1:], second.weights)
    for name in ("weights", "intercept", "fit"):
        torch.testing.assert_close(getattr(stacked, name)[2], getattr(every, name))


def test_a_constant_output_has_no_weights_and_a_perfect_fit() -> None:
    masks, _, similarity = regression()
    model = fit_linear(masks, torch.full((len(masks), 1), 0.1), similarity)
    torch.testing.assert_close(model.weights, torch.zeros_like(model.weights), rtol=0, atol=1e-15)
    assert model.fit.item() == 1


def test_gradients_of_the_fit_with_respect_to_the_outputs() -> None:
    masks, outputs, similarity = regression(count=15)
    assert torch.autograd.gradcheck(
        lambda varied: fit_linear(masks, varied, similarity, 0.5), (outputs.requires_grad_(),), atol=1e-7
    )


class Planted(nn.Module):
    """Gives class 1 a probability that is a known function of how bright each superpixel is."""

    def __init__(self, segments: np.ndarray, probability: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.segments = torch.from_numpy(segments)
        self.probability = probability

    def forward(self, images: Tensor) -> Tensor:
        labels = range(int(self.segments.max()) + 1)
        bright = torch.stack([images[:, 0][:, self.segments == label].mean(1) for label in labels], 1).double()
        chance = self.probability(bright)
        return torch.stack([1 - chance, chance], 1).log()


def planted(probability: Callable[[Tensor], Tensor], segments: np.ndarray) -> Classifier:
    return Classifier(Architecture("planted", 2, 1, *segments.shape, (0.0,), (1.0,)), Planted(segments, probability))


@pytest.mark.parametrize("sampling", ["lime", "kernelshap", "leverage"])
def test_known_weights_are_recovered(sampling) -> None:
    truth = (random(16, name="truth").double() - 0.5) / 16
    classifier = planted(lambda bright: 0.5 + bright @ truth, grid(20, 20, 16))
    asked = LimeSettings(n_samples=400, n_segments=16, sampling=sampling, fill="zero", alpha=1e-6)
    [one, zero] = explain(classifier, torch.ones(2, 1, 20, 20), targets=[1, 0], settings=asked)
    np.testing.assert_allclose(one.weights, truth.numpy(), atol=1e-6)
    np.testing.assert_allclose(zero.weights, -truth.numpy(), atol=1e-6)
    assert one.intercept == pytest.approx(0.5, abs=1e-6)
    assert one.fit == pytest.approx(1, abs=1e-6)
    assert one.probability == pytest.approx(0.5 + truth.sum().item(), abs=1e-6)


def shapley_values(game: Callable[[Tensor], Tensor], d: int) -> Tensor:
    """By definition: the mean gain of a player over all subsets of the others, each size weighing the same."""
    subsets = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * d).double()
    values = []
    for player in range(d):
        without = subsets[subsets[:, player] == 0]
        joined = without.clone()
        joined[:, player] = 1
        gain = game(joined) - game(without)
        values.append(torch.stack([gain[without.sum(1) == size].mean() for size in range(d)]).mean())
    return torch.stack(values)


def test_kernelshap_and_leverage_masks_give_shapley_values_and_coins_do_not() -> None:
    """Up to one constant for all: the regression is not told that the values add up to the whole gain."""
    d, truth = 7, random(7, name="game").double()

    def game(masks: Tensor) -> Tensor:
        together = masks[:, 0] * masks[:, 1] * masks[:, 2] + 2 * masks.prod(1) * masks[:, 3] - masks[:, 4] * masks[:, 5]
        return masks.double() @ truth + 3 * together + (masks[:, 6] * (masks.sum(1) > 5))

    exact = shapley_values(game, d)
    errors = {}
    for sampling, count in (("kernelshap", 40_000), ("leverage", 2**d - 2), ("lime", 40_000)):
        masks, weights = draw_masks(count, d, sampling, torch_generator(0, "game"))
        evenly = torch.ones_like(weights) if sampling == "lime" else weights
        found = fit_linear(masks, game(masks.double())[:, None], evenly, 1e-9).weights[:, 0]
        errors[sampling] = ((found - found.mean()) - (exact - exact.mean())).abs().max().item()
    assert errors["kernelshap"] < 0.03
    assert errors["leverage"] < 1e-6  # every mask there is
    assert errors["lime"] > 0.1


def test_where_every_mask_is_asked_about_weights_are_exact_shapley_values_and_have_no_error() -> None:
    """Of a network, with 12 superpixels, by all 4,096 ways to hide them; up to one constant for all."""
    d, classifier, image = 12, small_classifier((1, 12, 16)), random(1, 1, 12, 16, name="twelve")
    settings = LimeSettings(n_samples=2**d - 2, n_segments=d, fill="zero", alpha=1e-9)
    [found] = explain(classifier, image, settings=settings)
    assert len(found.weights) == d
    powers = 2 ** torch.arange(d)
    every = torch.arange(2**d)[:, None].bitwise_and(powers) > 0
    with torch.inference_mode():
        shown = every[:, torch.from_numpy(found.segments)].unsqueeze(1)
        outputs = classifier(shown * image).softmax(1)[:, found.target].double()
    exact = shapley_values(lambda masks: outputs[(masks @ powers.double()).long()], d).numpy()
    assert np.abs(exact).max() > 0.05
    np.testing.assert_allclose(found.weights - found.weights.mean(), exact - exact.mean(), atol=1e-6)
    assert not np.asarray(found.standard_errors).any()
