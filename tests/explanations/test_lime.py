from collections.abc import Callable
from dataclasses import replace

import lime.lime_image
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.core.types import Explanation
from explainfb.explanations import lime as module
from explainfb.explanations.lime import differentiable_weights, explain, fit_linear, sample_perturbations
from explainfb.explanations.masks import draw_masks, proximity
from explainfb.explanations.settings import PAPER, LimeSettings
from explainfb.explanations.superpixels import batch_superpixels, grid


def random(*shape: int, name: object = "images") -> Tensor:
    return torch.rand(*shape, generator=torch_generator(0, "test lime", name))


def small_classifier(shape: tuple[int, int, int], classes: int = 3, seed: int = 0) -> Classifier:
    """An untrained network whose answers depend strongly on its input."""
    classifier = build_classifier(Architecture("mlp", classes, *shape, (0.5,) * shape[0], (0.1,) * shape[0]), seed)
    with torch.no_grad():
        classifier.network[-1].weight.mul_(3)
    return classifier


def same(one: Explanation, other: Explanation) -> bool:
    """To the last bit."""
    return (
        (one.target, one.probability, one.intercept, one.fit)
        == (other.target, other.probability, other.intercept, other.fit)
        and np.array_equal(one.weights, other.weights)
        and np.array_equal(one.segments, other.segments)
    )


class Recorder:
    """How many images reached a classifier in each of its calls."""

    def __init__(self, classifier: Classifier) -> None:
        self.sizes: list[int] = []
        classifier.register_forward_pre_hook(lambda _, inputs: self.sizes.append(len(inputs[0])))


CLASSIFIER = small_classifier((1, 12, 10))
IMAGES = random(5, 1, 12, 10)
BACKGROUND = random(20, 1, 12, 10, name="background")
QUICK = LimeSettings(n_samples=60, n_segments=9)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.sampled_from([1, 3]), st.integers(4, 24), st.integers(4, 24)),
    segments=st.integers(2, 30),
    classes=st.integers(2, 6),
    fill=st.sampled_from(["zero", "mean", "blur", "noise", "data"]),
    sampling=st.sampled_from(["lime", "kernelshap"]),
    n_samples=st.integers(2, 100).map(lambda half: 2 * half),
    alpha=st.sampled_from([0.01, 1.0, 30.0]),
    seed=st.integers(0, 1000),
)
def test_the_closed_form_is_the_fit_of_the_lime_package(shape, segments, classes, seed, **options) -> None:
    closed = LimeSettings(n_segments=segments, **options)
    generator = torch_generator(seed, "property")
    image, background = torch.rand(*shape, generator=generator), torch.rand(8, *shape, generator=generator)
    classifier = small_classifier(shape, classes, seed)
    given = {"background": background, "seed": seed, "targets": [seed % classes]}
    [ours] = explain(classifier, image[None], settings=closed, **given)
    [theirs] = explain(classifier, image[None], settings=replace(closed, backend="lime"), **given)
    np.testing.assert_allclose(ours.weights, theirs.weights, rtol=0, atol=1e-6)
    assert ours.intercept == pytest.approx(theirs.intercept, abs=1e-6)
    if np.abs(ours.weights).max() > 1e-12:  # R² of a constant output is 0 / 0, of which scikit-learn makes 0 or 1
        assert ours.fit == pytest.approx(theirs.fit, abs=1e-6)
    assert ours.probability == theirs.probability


@pytest.mark.parametrize(("hide_color", "fill"), [(None, "mean"), (0, "zero")])
@pytest.mark.parametrize("segments", [4, 30])
def test_the_whole_lime_package_explains_the_same(monkeypatch, hide_color, fill, segments) -> None:
    """Its own masks, kernel, perturbed images and fit; only the network and the superpixels are given to it."""
    classifier, image, count = small_classifier((3, 20, 16)), random(3, 20, 16, name="package"), 300
    labels = grid(20, 16, segments)
    d = int(labels.max()) + 1
    monkeypatch.setattr(lime.lime_image, "tqdm", lambda rows: rows)
    package = lime.lime_image.LimeImageExplainer(feature_selection="none", random_state=5)

    @torch.no_grad()
    def predict(pictures: np.ndarray) -> np.ndarray:
        return classifier(torch.from_numpy(np.stack(pictures)).movedim(-1, 1)).softmax(1).numpy()

    theirs = package.explain_instance(
        image.movedim(0, -1).numpy(),
        predict,
        labels=range(3),
        top_labels=None,
        hide_color=hide_color,
        num_features=d,
        num_samples=count,
        segmentation_fn=lambda picture: labels,
        random_seed=0,
    )
    drawn = np.random.RandomState(5).randint(0, 2, count * d).reshape(count, d)
    drawn[0] = 1
    monkeypatch.setattr(module, "draw_masks", lambda *arguments: torch.from_numpy(drawn).float())
    near = sample_perturbations(classifier, image, settings=replace(PAPER, fill=fill, n_samples=count), segments=labels)
    for target in range(3):
        ours = near.explain(target)
        weights = np.array([weight for _, weight in sorted(theirs.local_exp[target])])
        np.testing.assert_allclose(ours.weights, weights, rtol=0, atol=1e-6)
        assert np.abs(weights).max() > 1e-3
        assert ours.intercept == pytest.approx(theirs.intercept[target], abs=1e-6)
    assert ours.fit == pytest.approx(theirs.score, abs=1e-6)


def regression(d: int = 6, count: int = 40, outputs: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    masks = draw_masks(count, d, "lime", torch_generator(0, "test lime", "regression"))
    return masks, random(count, outputs, name="outputs").double(), proximity(masks, "lime")


def test_gradients_of_the_fit_with_respect_to_the_outputs() -> None:
    masks, outputs, similarity = regression(count=15)
    assert torch.autograd.gradcheck(
        lambda varied: fit_linear(masks, varied, similarity, 0.5), (outputs.requires_grad_(),), atol=1e-7
    )


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


@pytest.mark.parametrize("sampling", ["lime", "kernelshap"])
@pytest.mark.parametrize("fill", ["mean", "noise", "data"])
def test_gradients_with_respect_to_the_classifier(sampling, fill) -> None:
    classifier = small_classifier((1, 12, 10)).double()
    images, labels = IMAGES[:2].double(), torch.from_numpy(grid(12, 10, 6)).expand(2, -1, -1)
    direction = random(2, 6, name="direction").double()

    def along() -> Tensor:
        weights = differentiable_weights(
            classifier,
            images,
            labels,
            torch.tensor([0, 2]),
            settings=LimeSettings(n_samples=40, sampling=sampling, fill=fill),
            background=BACKGROUND,
            generator=torch_generator(3),
        )
        return (weights * direction).sum()

    along().backward()
    for parameter in classifier.parameters():
        place = tuple(int(i) for i in torch.unravel_index(parameter.grad.abs().argmax(), parameter.shape))
        values = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                parameter[place] += step
                values.append(along().item())
                parameter[place] -= step
        assert abs(parameter.grad[place].item()) > 1e-6
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(parameter.grad[place].item(), rel=1e-5)


def test_differentiable_weights_are_those_of_explain(monkeypatch) -> None:
    own = replace(QUICK, fill="mean")
    near = sample_perturbations(CLASSIFIER, IMAGES[0], settings=own)
    monkeypatch.setattr("explainfb.explanations.masks.draw_masks", lambda *arguments: near.masks)
    weights = differentiable_weights(
        CLASSIFIER,
        IMAGES[:1],
        torch.from_numpy(near.segments)[None],
        torch.tensor([1]),
        settings=own,
        background=None,
        generator=torch_generator(0),
    )
    np.testing.assert_allclose(weights[0].detach().numpy(), near.explain(1).weights, rtol=0, atol=1e-6)


def test_an_image_with_fewer_superpixels_gets_zeros_for_the_rest_and_the_weights_it_has_alone() -> None:
    busy, flat = random(1, 24, 24, name="busy"), torch.full((1, 24, 24), 0.2)
    flat[:, 6:18, 6:18] = 1
    classifier = small_classifier((1, 24, 24))
    images = torch.stack([busy, flat])
    labels = batch_superpixels(images, "slic", 50)
    own = int(labels[0].max()) + 1
    assert own < int(labels[1].max()) + 1
    for sampling in ("lime", "kernelshap"):
        asked = LimeSettings(n_samples=80, sampling=sampling, fill="mean", superpixels="slic")

        def weights(count: int, asked: LimeSettings = asked) -> Tensor:
            found = differentiable_weights(
                classifier,
                images[:count],
                labels[:count],
                torch.zeros(count, dtype=torch.int64),
                settings=asked,
                background=None,
                generator=torch_generator(1),
            )
            return found.detach()

        alone, together = weights(1)[0], weights(2)[0]
        assert alone.shape == (own,)
        assert alone.abs().max() > 1e-4
        torch.testing.assert_close(together[:own], alone, rtol=0, atol=1e-7)
        torch.testing.assert_close(together[own:], torch.zeros(len(together) - own), rtol=0, atol=1e-12)


@pytest.mark.parametrize("fill", ["zero", "mean", "blur", "noise", "data"])
@pytest.mark.parametrize("sampling", ["lime", "kernelshap"])
def test_an_explanation_depends_on_the_seed_and_the_image_alone(sampling, fill) -> None:
    asked = replace(QUICK, sampling=sampling, fill=fill)

    def run(order: list[int], seed: int = 0) -> list[Explanation]:
        return explain(CLASSIFIER, IMAGES[order], settings=asked, background=BACKGROUND, seed=seed)

    [alone], [again], batch, turned, [other] = run([2]), run([2]), run([0, 1, 2, 3, 4]), run([4, 2]), run([2], seed=1)
    assert all(same(alone, explanation) for explanation in (again, batch[2], turned[1]))
    assert not same(alone, other)


def test_the_global_random_states_are_left_alone() -> None:
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    explain(CLASSIFIER, IMAGES, settings=replace(QUICK, fill="noise"))
    explain(CLASSIFIER, IMAGES, settings=replace(QUICK, backend="lime"), background=BACKGROUND)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_a_classifier_left_in_training_mode_is_explained_in_evaluation_mode() -> None:
    architecture = CLASSIFIER.architecture
    classifier = Classifier(architecture, nn.Sequential(nn.Dropout(0.5), CLASSIFIER.network)).train()
    [left_training] = explain(classifier, IMAGES[:1], settings=QUICK, background=BACKGROUND)
    [evaluated] = explain(CLASSIFIER, IMAGES[:1], settings=QUICK, background=BACKGROUND)
    assert same(left_training, evaluated)


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


@pytest.mark.parametrize("sampling", ["lime", "kernelshap"])
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


def test_kernelshap_masks_give_shapley_values_and_coins_do_not() -> None:
    """Up to one constant for all: the regression is not told that the values add up to the whole gain."""
    d, truth = 7, random(7, name="game").double()

    def game(masks: Tensor) -> Tensor:
        together = masks[:, 0] * masks[:, 1] * masks[:, 2] + 2 * masks.prod(1) * masks[:, 3] - masks[:, 4] * masks[:, 5]
        return masks.double() @ truth + 3 * together + (masks[:, 6] * (masks.sum(1) > 5))

    exact = shapley_values(game, d)
    errors = {}
    for sampling in ("kernelshap", "lime"):
        masks = draw_masks(40_000, d, sampling, torch_generator(0, "game"))
        found = fit_linear(masks, game(masks.double())[:, None], proximity(masks, "kernelshap"), 1e-6).weights[:, 0]
        errors[sampling] = ((found - found.mean()) - (exact - exact.mean())).abs().max().item()
    assert errors["kernelshap"] < 0.03
    assert errors["lime"] > 0.1


def test_several_classes_cost_one_pass() -> None:
    classifier = small_classifier((1, 12, 10))
    seen = Recorder(classifier)
    near = sample_perturbations(classifier, IMAGES[0], settings=QUICK, background=BACKGROUND)
    several = [near.explain(target) for target in range(3)]
    assert sum(seen.sizes) == QUICK.n_samples + 1
    apart = explain(classifier, IMAGES[[0, 0, 0]], targets=torch.arange(3), settings=QUICK, background=BACKGROUND)
    assert all(same(one, other) for one, other in zip(several, apart, strict=True))
    np.testing.assert_allclose(sum(item.weights for item in several), 0, atol=1e-6)  # probabilities add up to 1


def test_the_predicted_class_is_explained_unless_another_is_asked_for() -> None:
    explanations = explain(CLASSIFIER, IMAGES, settings=QUICK, background=BACKGROUND)
    with torch.no_grad():
        probabilities = CLASSIFIER(IMAGES).softmax(1)
    assert [item.target for item in explanations] == probabilities.argmax(1).tolist()
    np.testing.assert_allclose([item.probability for item in explanations], probabilities.amax(1), atol=1e-6)


def test_a_thousand_masks_of_a_large_image_never_hold_more_than_a_few_dozen() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 2))
    classifier = Classifier(Architecture("tiny", 2, 3, 224, 224, (0.5,) * 3, (0.5,) * 3), network)
    seen = Recorder(classifier)
    images = random(1, 3, 224, 224, name="large")
    explain(classifier, images, settings=LimeSettings(fill="mean", n_segments=196))
    assert sum(seen.sizes) == 1001
    assert max(seen.sizes) <= 36


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 3, "sampling": "lime"}, "3 masks are too few"),
        ({"n_samples": 101}, "must be even, found 101"),
        ({"alpha": 0.0}, "alpha must be positive; found 0"),
        ({"sampling": "shap"}, "Unknown sampling 'shap'; expected lime or kernelshap"),
        ({"fill": "pink"}, "Unknown fill 'pink'"),
        ({"superpixels": "hexagons"}, "Unknown superpixels 'hexagons'"),
        ({"backend": "captum"}, "Unknown backend 'captum'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options, message) -> None:
    with pytest.raises(InputError, match=message):
        LimeSettings(**options)


SKIPPED = grid(12, 10, 4) * 2


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (IMAGES + 1, {}, r"Pixels must lie in \[0, 1\]"),
        (IMAGES.masked_fill(IMAGES > 0.99, torch.nan), {}, "contains NaN"),
        (IMAGES[0], {}, r"shape \(N, C, H, W\)"),
        (IMAGES[:1], {"segments": [SKIPPED]}, r"without gaps; found 0 … 6 without \[1, 3, 5\]"),
        (IMAGES[:1], {"segments": [grid(12, 9, 4)]}, r"image's shape \(12, 10\); found \(12, 9\)"),
        (IMAGES[:1], {"segments": [grid(12, 10, 1)]}, "Only one superpixel"),
        (IMAGES[:2], {"segments": [grid(12, 10, 4)]}, "its own segments; found 1 for 2 images"),
        (IMAGES[:2], {"targets": [0]}, "its own targets; found 1 for 2 images"),
        (IMAGES[:1], {"targets": [3]}, "classes 0 … 2; found the target 3"),
        (IMAGES[:1], {"background": None}, "needs background images"),
    ],
)
def test_input_that_makes_no_sense_is_refused(images, options, message) -> None:
    with pytest.raises(InputError, match=message):
        explain(CLASSIFIER, images, settings=QUICK, **{"background": BACKGROUND, **options})


def test_a_bad_image_is_named_before_any_is_explained() -> None:
    classifier = small_classifier((1, 12, 10))
    seen = Recorder(classifier)
    images = IMAGES.clone()
    images[4, 0, 3, 3] = torch.nan
    with pytest.raises(InputError, match="Image 4 contains NaN"):
        explain(classifier, images, settings=QUICK, background=BACKGROUND)
    assert not seen.sizes


def test_a_classifier_that_answers_nan_is_refused() -> None:
    classifier = small_classifier((1, 12, 10))
    with torch.no_grad():
        next(classifier.parameters()).fill_(torch.nan)
    with pytest.raises(InputError, match="found nan"):
        explain(classifier, IMAGES[:1], settings=QUICK, background=BACKGROUND)
