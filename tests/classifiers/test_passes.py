"""Layout and number at a time change how long a network takes, and no explanation beyond the last bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explainfb.classifiers import passes as module
from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.passes import Passes, in_layout, measure_passes, usual_images, usual_passes
from explainfb.explanations.explainer import Explainer
from explainfb.explanations.settings import LimeSettings

SHAPE = Architecture("own:Small", 4, 3, 32, 32, (0.5,) * 3, (0.2,) * 3)
QUICK = LimeSettings(n_samples=60, n_segments=9, fill="mean")


class Small(nn.Module):
    def __init__(self, flatten: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.flatten = flatten
        self.convolutions = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, 2))
        self.head = nn.Linear(8 * 49, 4)

    def forward(self, images: Tensor) -> Tensor:
        found = self.convolutions(images)
        return self.head(found.flatten(1) if self.flatten else found.view(found.size(0), -1))


IMAGE = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_what_is_explained_is_the_same_however_it_goes_through_the_network() -> None:
    classifier = Classifier(SHAPE, Small()).eval()
    [usual] = Explainer(classifier, settings=QUICK)(IMAGE[None])
    for passes in (Passes(1), Passes(7), Passes(60, channels_last=True)):
        [found] = Explainer(classifier, settings=QUICK, passes=passes)(IMAGE[None])
        np.testing.assert_allclose(found.weights, usual.weights, rtol=0, atol=1e-6)
    assert classifier.network.convolutions[0].weight.is_contiguous()  # the classifier that was given stays as it is
    [rounded] = Explainer(classifier, settings=replace(QUICK, bfloat16=True))(IMAGE[None])
    assert 0 < np.abs(rounded.weights - usual.weights).max() < 0.02
    assert classifier.dtype == torch.float32


def test_a_network_that_needs_the_usual_layout_keeps_it() -> None:
    classifier = Classifier(SHAPE, Small(flatten=False)).eval()
    with pytest.raises(RuntimeError, match="view"):
        in_layout(classifier, channels_last=True)(IMAGE[None])
    assert not measure_passes(classifier).channels_last
    [found] = Explainer(classifier, settings=replace(QUICK, passes="measured"))(IMAGE[None])
    assert np.isfinite(found.weights).all()


def test_the_fastest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    class Slow(Classifier):
        """Takes a second an image, less in the other layout with four times the usual number."""

        def forward(self, images: Tensor) -> Tensor:
            quick = self.network.convolutions[0].weight.stride()[1] == 1 and len(images) == 4 * 128
            clock[0] += len(images) * (0.5 if quick else 1.0)
            return super().forward(images)

    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])
    assert measure_passes(Slow(SHAPE, Small()).eval()) == Passes(512, channels_last=True)


def test_the_usual_is_by_the_size_at_which_the_network_sees_an_image() -> None:
    small = build_classifier(Architecture("mlp", 3, 3, 64, 64, (0.5,) * 3, (0.2,) * 3))
    assert usual_passes(small).images > 20
    assert not usual_passes(small).channels_last
    small.architecture = replace(small.architecture, resize=224)
    assert usual_images(small) == 3


@pytest.mark.parametrize("flatten", [True, False])
def test_large_images_go_with_the_channels_last_where_the_network_takes_it(flatten: bool) -> None:
    classifier = Classifier(replace(SHAPE, height=160, width=160), Small(flatten))
    classifier.network.head = nn.Linear(8 * 39 * 39, 4)
    assert usual_passes(classifier).channels_last is flatten
