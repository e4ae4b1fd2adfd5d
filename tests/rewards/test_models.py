import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.explanations.superpixels import grid
from explainfb.rewards.models import AdditiveReward, ExplainedImages, build_reward, preference_loss, to_scale


def some_explained(count: int = 6, size: tuple[int, int] = (13, 17), channels: int = 3) -> ExplainedImages:
    generator = torch_generator(0, "test reward", *size)
    segments = torch.from_numpy(grid(*size, 12)).expand(count, -1, -1)
    return ExplainedImages(
        images=torch.rand(count, channels, *size, generator=generator),
        segments=segments,
        weights=torch.randn(count, int(segments.max()) + 1, generator=generator) / 10,
        image_index=torch.arange(count),
    )


def model(kind: str, scale: str = "share", channels: int = 3):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_reward(kind, channels, scale)


def loss_of(share: float, left: float = 1.0, right: float = 0.0, noise: float = 0.1) -> float:
    return preference_loss(torch.tensor([left]), torch.tensor([right]), torch.tensor([float(share)]), noise).item()


def test_the_loss_is_the_one_of_its_docstring() -> None:
    for share, expected in ((1, 0.3454), (0, 1.2308), (0.5, 0.7881)):
        assert loss_of(share) == pytest.approx(expected, abs=1e-4)


def test_equal_rewards_predict_a_coin_and_noise_bounds_the_loss() -> None:
    for share in (0, 0.5, 1):
        assert loss_of(share, 2, 2) == pytest.approx(math.log(2))
    assert loss_of(0, 100, -100) == pytest.approx(-math.log(0.05), rel=1e-5)
    assert loss_of(1, 100, -100) == pytest.approx(-math.log(0.95), rel=1e-4)
    assert loss_of(1, 1, 0, noise=0) == pytest.approx(math.log(1 + math.exp(-1)))


@given(st.floats(-5, 5), st.floats(-5, 5), st.sampled_from([0.0, 0.5, 1.0]))
def test_turning_the_sides_round_changes_nothing(left: float, right: float, share: float) -> None:
    assert loss_of(share, left, right) == pytest.approx(loss_of(1 - share, right, left), rel=1e-4, abs=1e-6)


def test_the_loss_of_an_equal_answer_is_least_where_the_rewards_are_equal() -> None:
    rewards = torch.linspace(-2, 2, 41)
    losses = torch.stack([preference_loss(r[None], torch.zeros(1), torch.tensor([0.5])) for r in rewards])
    assert rewards[losses.argmin()].item() == pytest.approx(0, abs=1e-6)


def test_the_additive_reward_is_the_sum_of_its_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    explained, additive = some_explained(), model("additive")
    maps = torch.rand(6, 2, 13, 17, generator=torch_generator(1))
    monkeypatch.setattr(additive, "maps", lambda images, features: maps)
    for row, reward in enumerate(additive(explained)):
        shares = explained.weights[row] / explained.weights[row].abs().sum()
        by_hand = 0.0
        for label, share in enumerate(shares.tolist()):
            where = explained.segments[row] == label
            wanted, irrelevant = (float(maps[row, kind][where].mean()) for kind in (0, 1))
            by_hand += share * wanted - abs(share) * irrelevant
        assert reward.item() == pytest.approx(by_hand, abs=1e-5)


@pytest.mark.parametrize("kind", ["additive", "free"])
@pytest.mark.parametrize("size", [(8, 8), (13, 17), (28, 28), (5, 40)])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size_and_colour(kind, size, channels) -> None:
    explained, reward = some_explained(2, size, channels), model(kind, channels=channels)
    assert reward(explained).shape == (2,)
    if isinstance(reward, AdditiveReward):
        assert reward.maps(explained.images).shape == (2, 2, *size)


@pytest.mark.parametrize("kind", ["additive", "free"])
@pytest.mark.parametrize("scale", ["share", "probability"])
def test_the_gradient_with_respect_to_the_weights_is_right_and_not_zero(kind, scale) -> None:
    reward, explained = model(kind, scale).double(), some_explained(3)

    def of_weights(weights: Tensor) -> Tensor:
        return reward(ExplainedImages(explained.images.double(), explained.segments, weights, explained.image_index))

    weights = explained.weights.double().requires_grad_()
    assert torch.autograd.gradcheck(of_weights, (weights,))
    [gradient] = torch.autograd.grad(of_weights(weights).sum(), weights)
    assert (gradient.abs().amax(1) > 1e-4).all()


@pytest.mark.parametrize("kind", ["additive", "free"])
def test_shares_do_not_see_the_size_of_an_explanation_and_probabilities_do(kind) -> None:
    explained = some_explained()
    doubled = ExplainedImages(explained.images, explained.segments, 2 * explained.weights, explained.image_index)
    by_share, by_probability = model(kind, "share"), model(kind, "probability")
    torch.testing.assert_close(by_share(explained), by_share(doubled))
    assert (by_probability(explained) - by_probability(doubled)).abs().min() > 1e-6
    torch.testing.assert_close(to_scale(explained.weights, "share").abs().sum(1), torch.ones(6))


@pytest.mark.parametrize("kind", ["additive", "free"])
def test_what_others_in_the_batch_are_padded_to_does_not_matter(kind) -> None:
    explained = some_explained()
    wider = torch.nn.functional.pad(explained.weights, (0, 7))
    padded = ExplainedImages(explained.images, explained.segments, wider, explained.image_index)
    torch.testing.assert_close(model(kind)(padded), model(kind)(explained))


@pytest.mark.parametrize("kind", ["additive", "free"])
def test_an_explanation_without_any_weight_has_a_finite_reward_and_gradient(kind) -> None:
    explained = some_explained()
    weights = torch.zeros_like(explained.weights).requires_grad_()
    reward = model(kind)(ExplainedImages(explained.images, explained.segments, weights, explained.image_index))
    reward.sum().backward()
    assert reward.isfinite().all()
    assert weights.grad.isfinite().all()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="Unknown reward model 'best'"):
        build_reward("best", 1, "share")  # type: ignore[arg-type]
