"""The weights as a function of the classifier that can be differentiated, and the same function as `explain`."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from explainfb.core.seeding import torch_generator
from explainfb.explanations.explainer import sample_perturbations
from explainfb.explanations.lime import differentiable_weights
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.superpixels import batch_superpixels, grid
from lime_example import BACKGROUND, CLASSIFIER, IMAGES, QUICK, Recorder, random, small_classifier


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
    monkeypatch.setattr(
        "explainfb.explanations.perturbation.draw_masks", lambda *arguments: (near.masks, near.mask_weights)
    )
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


def test_a_gradient_is_the_same_where_its_graph_is_made_again_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    images = random(2, 1, 12, 10, name="parts")
    labels = torch.from_numpy(grid(12, 10, 6)).expand(2, -1, -1)
    monkeypatch.setattr("explainfb.explanations.lime.usual_images", lambda classifier: 16)
    found, asked = [], []
    for most in (2**30, 0):
        monkeypatch.setattr("explainfb.explanations.lime.GRAPH_BYTES", most)
        classifier = small_classifier((1, 12, 10))
        recorder = Recorder(classifier)
        for fill in ("mean", "noise", "data"):
            weights = differentiable_weights(
                classifier,
                images,
                labels,
                torch.tensor([0, 2]),
                settings=LimeSettings(n_samples=40, sampling="lime", fill=fill),
                background=BACKGROUND,
                generator=torch_generator(3),
            )
            weights.square().sum().backward()
        found.append([parameter.grad for parameter in classifier.parameters()])
        asked.append(sum(recorder.sizes))
    assert asked == [3 * 80, 3 * (80 + 80 - 16)]  # the first part's graph is kept
    for kept, again in zip(*found, strict=True):
        assert torch.equal(kept, again)
