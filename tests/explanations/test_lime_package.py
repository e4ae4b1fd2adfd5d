"""Parity with the lime package: the closed form is its fit, and the whole package explains the same."""

from dataclasses import replace

import lime.lime_image
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explainfb.core.seeding import torch_generator
from explainfb.explanations import explainer as module
from explainfb.explanations.explainer import explain, sample_perturbations
from explainfb.explanations.perturbation import lime_kernel
from explainfb.explanations.settings import PAPER, LimeSettings
from explainfb.explanations.superpixels import grid
from lime_example import random, small_classifier


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
    given = torch.from_numpy(drawn).float()
    monkeypatch.setattr(module, "draw_masks", lambda *arguments: (given, lime_kernel(given)))
    near = sample_perturbations(classifier, image, settings=replace(PAPER, fill=fill, n_samples=count), segments=labels)
    for target in range(3):
        ours = near.explain(target)
        weights = np.array([weight for _, weight in sorted(theirs.local_exp[target])])
        np.testing.assert_allclose(ours.weights, weights, rtol=0, atol=1e-6)
        assert np.abs(weights).max() > 1e-3
        assert ours.intercept == pytest.approx(theirs.intercept[target], abs=1e-6)
    assert ours.fit == pytest.approx(theirs.score, abs=1e-6)
