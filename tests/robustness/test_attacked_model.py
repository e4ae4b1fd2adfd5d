"""What an attack returns is checked, and the classifier is given back as it came."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier, clone
from explainfb.core.types import ThreatModel
from explainfb.robustness.accuracy import robust_accuracy
from explainfb.robustness.attacked_model import AttackedModel, attacked, verified
from explainfb.testing.tiny import ATTACKS
from sound_digits import ARCHITECTURE, IMAGES, LABELS, correct, trained


def test_the_classifier_is_given_back_when_an_attack_fails() -> None:
    classifier = clone(trained()).train()
    manager = attacked(classifier)
    assert not manager.__enter__().training
    assert not classifier.training
    assert manager.__exit__(RuntimeError, RuntimeError("planted"), None) is not True
    assert classifier.training
    assert all(parameter.requires_grad for parameter in classifier.parameters())


def always_wrong(images: Tensor) -> Tensor:
    return nn.functional.one_hot((LABELS[: len(images)] + 1) % 10, 10).float()


@pytest.mark.parametrize(
    ("candidate", "believed"),
    [
        (lambda images: (images + 0.1).clamp(0, 1), True),
        (lambda images: torch.full_like(images, torch.nan), False),
        (lambda images: (images + 0.11).clamp(0, 1), False),
        (lambda images: images + 0.05 * (2 * (images > 0.5) - 1), False),
    ],
)
def test_only_real_adversarials_are_believed(candidate: Callable[[Tensor], Tensor], believed: bool) -> None:
    class Fooled(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return always_wrong(images)

    images, labels = IMAGES[:20], LABELS[:20]
    found = verified(AttackedModel(Fooled()), images, candidate(images), labels, "linf", 0.1)
    assert found.tolist() == [believed] * 20
    assert not verified(AttackedModel(trained()), images, images, labels, "linf", 0.1)[correct()[correct() < 20]].any()


def test_l2_length_is_measured_over_the_whole_image() -> None:
    class Fooled(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return always_wrong(images)

    image = torch.full((1, 1, 8, 8), 0.5)
    for length, believed in ((0.99, True), (1.01, False)):
        moved = image + length / 8
        assert verified(AttackedModel(Fooled()), image, moved, LABELS[:1], "l2", 1.0).tolist() == [believed]


class Root(nn.Module):
    """Two logits that are √ of the first pixel, and 0."""

    def forward(self, images: Tensor) -> Tensor:
        first = images[:, 0, 0, :1]
        return torch.cat([first.sqrt(), 0 * first], 1)


def test_only_finite_images_show_that_outputs_are_not_finite() -> None:
    """Foolbox's FMN divides 0 by 0 where two logits are both 0, and feeds what comes out of it."""
    images = torch.rand(4, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    target = AttackedModel(Root())
    for lost in (torch.nan, torch.inf):
        target(images.masked_fill(torch.arange(4).view(4, 1, 1, 1) == 2, lost))
    assert target.finite
    target(images - 1)  # the root of a negative pixel
    assert not target.finite


def test_a_network_that_ends_in_relu_is_not_called_broken_for_what_an_attack_feeds_it() -> None:
    target = Classifier(ARCHITECTURE, nn.Sequential(trained().network, nn.ReLU()))
    [found] = robust_accuracy(
        target, IMAGES[:12], LABELS[:12], threat_models=[ThreatModel("linf", 0.05)], settings=ATTACKS, seed=0
    )
    assert "non_finite_outputs" not in found.flags
