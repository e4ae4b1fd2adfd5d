"""Measures of faithfulness, beside captum's on the same inputs, and where they must tell good from bad."""

from dataclasses import replace
from typing import Literal

import captum.metrics
import numpy as np
import pytest
import torch
from torch import Tensor

from explainfb import Explainer, Explanation, InputError, LimeSettings, deletion, infidelity, insertion, sensitivity
from explainfb.classifiers.classifier import build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.core.seeding import torch_generator
from explainfb.explanations import metrics

CLASSIFIER = build_classifier(Architecture("lenet", 4, 1, 28, 28, (0.2,), (0.3,)))
IMAGE = torch.rand(1, 28, 28, generator=torch_generator(0, "faithfulness"))
EXPLAINER = Explainer(CLASSIFIER, settings=LimeSettings(n_samples=600, n_segments=9, fill="zero"))


@pytest.fixture(scope="module")
def why() -> Explanation:
    [found] = EXPLAINER(IMAGE[None])
    return found


def opposite(explanation: Explanation) -> Explanation:
    return replace(explanation, weights=-explanation.weights)


def test_curves_run_between_the_image_and_nothing(why: Explanation) -> None:
    down, up = (curve(CLASSIFIER, IMAGE, why, fill="zero") for curve in (deletion, insertion))
    with torch.no_grad():
        [whole, nothing] = CLASSIFIER(torch.stack([IMAGE, torch.zeros_like(IMAGE)])).softmax(1)[:, why.target].tolist()
    assert down.shape == up.shape == (10,)
    assert (down[0], down[-1]) == pytest.approx((whole, nothing), abs=1e-6)
    assert (up[0], up[-1]) == pytest.approx((nothing, whole), abs=1e-6)


def test_each_measure_tells_an_explanation_from_its_opposite(why: Explanation) -> None:
    wrong = opposite(why)
    assert deletion(CLASSIFIER, IMAGE, why, fill="zero").mean() < deletion(CLASSIFIER, IMAGE, wrong, fill="zero").mean()
    assert (
        insertion(CLASSIFIER, IMAGE, why, fill="zero").mean() > insertion(CLASSIFIER, IMAGE, wrong, fill="zero").mean()
    )
    assert infidelity(CLASSIFIER, IMAGE, why, fill="zero") < infidelity(CLASSIFIER, IMAGE, wrong, fill="zero") / 2


@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_deletion_and_insertion_are_their_definition(why: Explanation, fill: Literal["zero", "mean"]) -> None:
    """Petsiuk et al. 2018, step by step: one superpixel more is put into, or taken out of, a picture each time."""
    hidden = torch.zeros_like(IMAGE)
    if fill == "mean":
        for label in range(len(why.weights)):
            hidden[0][why.segments == label] = IMAGE[0][why.segments == label].mean()

    def curve(start: Tensor, end: Tensor) -> list[float]:
        picture, found = start.clone(), []
        for label in [None, *sorted(range(len(why.weights)), key=lambda label: -why.weights[label])]:
            if label is not None:
                picture[0][why.segments == label] = end[0][why.segments == label]
            with torch.no_grad():
                found.append(CLASSIFIER(picture[None]).softmax(1)[0, why.target].item())
        return found

    assert deletion(CLASSIFIER, IMAGE, why, fill=fill) == pytest.approx(curve(IMAGE, hidden), abs=1e-6)
    assert insertion(CLASSIFIER, IMAGE, why, fill=fill) == pytest.approx(curve(hidden, IMAGE), abs=1e-6)


def test_infidelity_is_captums(why: Explanation) -> None:
    """Its perturbation is an indicator of the pixels that are hidden, its attribution a weight spread over pixels."""
    sizes = np.bincount(why.segments.ravel())
    spread = torch.from_numpy((why.weights / sizes)[why.segments])[None, None].float()

    def hide(inputs: Tensor) -> tuple[Tensor, Tensor]:
        masks = torch.randint(2, (len(inputs), len(why.weights)), generator=generator).float()
        shown = masks[:, torch.from_numpy(why.segments)].unsqueeze(1)
        return 1 - shown, inputs * shown

    generator = torch_generator(0, "infidelity")  # the masks that ours draws
    theirs = captum.metrics.infidelity(
        lambda images: CLASSIFIER(images).softmax(1), hide, IMAGE[None], spread, target=why.target, n_perturb_samples=64
    )
    ours = infidelity(CLASSIFIER, IMAGE, why, fill="zero", n_samples=64)
    assert ours == pytest.approx(theirs.item(), rel=1e-4)


def test_sensitivity_is_captums(why: Explanation) -> None:
    copies = metrics.changed_slightly(IMAGE, 0.02, 6, seed=0)

    def weights(given: Tensor | tuple[Tensor, ...]) -> tuple[Tensor]:
        images = given[0] if isinstance(given, tuple) else given
        found = EXPLAINER(images, segments=[why.segments] * len(images), targets=[why.target] * len(images))
        return (torch.stack([torch.from_numpy(item.weights) for item in found]),)

    one_by_one = iter(copies)

    def change(inputs: Tensor | tuple[Tensor, ...]) -> Tensor:
        count = len(inputs[0]) if isinstance(inputs, tuple) else len(inputs)
        return torch.stack([next(one_by_one) for _ in range(count)])

    theirs = captum.metrics.sensitivity_max(weights, IMAGE[None], perturb_func=change, n_perturb_samples=len(copies))
    ours = sensitivity(EXPLAINER, IMAGE, why, changes=len(copies))
    assert ours == pytest.approx(theirs.item(), rel=1e-4)


def test_an_image_of_another_size_is_refused(why: Explanation) -> None:
    with pytest.raises(InputError, match=r"an image of \(28, 28\) pixels; found \(14, 28\)"):
        deletion(CLASSIFIER, IMAGE[:, ::2], why)
