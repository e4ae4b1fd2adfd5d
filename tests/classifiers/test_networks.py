"""Networks by name: what they compute, and that files of earlier versions fit them."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.classifiers.classifier import build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator

LENET = Architecture("lenet", classes=10, channels=1, height=28, width=28, mean=(0.13,), std=(0.31,))
RESNET = replace(LENET, name="resnet18", classes=4)
ANY = [
    LENET,
    replace(LENET, channels=3, height=33, width=20, mean=(0.1, 0.2, 0.3), std=(0.3, 0.2, 0.1)),
    replace(LENET, name="mlp"),
    replace(LENET, name="pooled_lenet"),
    replace(LENET, name="pooled_lenet", channels=2, height=16, width=37, mean=(0.1, 0.2), std=(0.2, 0.1)),
    RESNET,
    replace(LENET, name="squeezenet1_1", height=40, width=40, interpolation="bicubic", resize=64),
    replace(LENET, name="mnasnet0_5", resize=64),
]


def images(architecture: Architecture, count: int = 3) -> Tensor:
    shape = (count, architecture.channels, architecture.height, architecture.width)
    return torch.rand(shape, generator=torch_generator(0, "images"))


@pytest.mark.parametrize("architecture", ANY, ids=lambda architecture: architecture.name)
def test_images_become_logits(architecture: Architecture) -> None:
    logits = build_classifier(architecture)(images(architecture))
    assert logits.shape == (3, architecture.classes)
    assert logits.isfinite().all()
    assert not torch.allclose(logits.sum(1), torch.ones(3), atol=1e-2)


@pytest.mark.parametrize(("name", "weights"), [("lenet", 114_314), ("mlp", 41_090), ("pooled_lenet", 233_196)])
def test_weights_of_earlier_versions_still_fit(name: str, weights: int) -> None:
    assert sum(parameter.numel() for parameter in build_classifier(replace(LENET, name=name)).parameters()) == weights


def test_pooled_lenet_is_two_pooled_convolutions() -> None:
    classifier = build_classifier(replace(LENET, name="pooled_lenet"))
    first, second, hidden, last = (layer for layer in classifier.network if hasattr(layer, "weight"))
    found = (images(LENET) - 0.13) / 0.31
    for convolution in (first, second):
        found = F.max_pool2d(F.relu(F.conv2d(found, convolution.weight, convolution.bias)), 2, 2)
    assert found.shape == (3, 50, 4, 4)
    found = F.relu(found.reshape(3, 800) @ hidden.weight.T + hidden.bias) @ last.weight.T + last.bias
    torch.testing.assert_close(classifier(images(LENET)), found)


def test_pooled_lenet_refuses_what_its_pooling_would_leave_nothing_of() -> None:
    with pytest.raises(InputError, match="pooled_lenet takes images of at least 16×16 pixels; found 28×15"):
        build_classifier(replace(LENET, name="pooled_lenet", width=15))
