"""A curve's distances are those of a classifier whose distances are known, and its summaries those of its picture."""

import numpy as np
import pytest
import torch

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.networks import Architecture
from explainfb.core.errors import InputError
from explainfb.core.types import Norm
from explainfb.robustness.curves import RobustCurve, robust_curve
from explainfb.testing.tiny import ATTACKS

EPSILONS = (0.0, 0.1, 0.2, 0.4)
NO_FLAGS = ((),) * len(EPSILONS)


def curve(*rows: list[int], epsilons: tuple[float, ...] = EPSILONS) -> RobustCurve:
    return RobustCurve("linf", epsilons, np.array(rows, dtype=bool), ((),) * len(epsilons))


def test_distances_are_the_middle_of_where_an_image_fell() -> None:
    found = curve([0, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1])
    assert found.distances == pytest.approx([0, 0.05, 0.15, 0.3, 0.4])
    assert found.accuracy == pytest.approx([0.8, 0.6, 0.4, 0.2])


def test_their_mean_is_the_area_under_the_curve() -> None:
    first_wrong = np.random.default_rng(0).integers(0, 5, size=200)
    found = curve(*[list(first_wrong > row) for row in range(4)])
    assert found.distances.mean() == pytest.approx(np.trapezoid(found.accuracy, EPSILONS))


class Linear(torch.nn.Module):
    """Two classes, told apart by whether the mean pixel lies above .5: distances are known in both norms."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        margin = images.mean((1, 2, 3)) - 0.5
        return 20 * torch.stack([-margin, margin], dim=1)


@pytest.mark.parametrize(("norm", "scale"), [("linf", 1.0), ("l2", 8.0)])
def test_a_linear_classifier_has_the_distances_that_it_has(norm: Norm, scale: float) -> None:
    """Flat images of grey g fall at |g − .5|, times the square root of their 64 pixels in L2."""
    greys = torch.linspace(0.31, 0.69, 20)
    images = greys[:, None, None, None].expand(-1, 1, 8, 8).clone()
    labels = (greys > 0.5).long()
    labels[0] = 1  # wrong to begin with
    classifier = Classifier(Architecture("linear", 2, 1, 8, 8, (0.0,), (1.0,)), Linear())
    epsilons = [scale * step / 50 for step in range(1, 11)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("explainfb.classifiers.classifier.BUILDERS", {"linear": None})
        found = robust_curve(classifier, images, labels, norm=norm, epsilons=epsilons[::-1], settings=ATTACKS, seed=0)
    expected = scale * (greys - 0.5).abs().numpy()
    expected[0] = 0
    assert found.distances == pytest.approx(expected, abs=0.011 * scale)
    assert found.epsilons == (0.0, *epsilons)


@pytest.mark.parametrize(
    ("held", "epsilons", "complaint"),
    [
        (np.ones((4, 3), bool), (0.1, 0.2, 0.3, 0.4), "from 0"),
        (np.ones((4, 3), bool), (0.0, 0.2, 0.1, 0.4), "ascending"),
        (np.ones((3, 3), bool), EPSILONS, "row of images"),
        (np.ones((4, 0), bool), EPSILONS, "row of images"),
        (np.array([[1], [0], [1], [0]], bool), EPSILONS, "came back"),
    ],
)
def test_what_is_no_curve_is_refused(held: np.ndarray, epsilons: tuple[float, ...], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        RobustCurve("linf", epsilons, held, NO_FLAGS)
