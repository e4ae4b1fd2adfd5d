"""Settings and input that make no sense are refused before anything is explained."""

import pytest
import torch

from explainfb.core.errors import InputError
from explainfb.explanations.explainer import explain
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.superpixels import grid
from lime_example import BACKGROUND, CLASSIFIER, IMAGES, QUICK, Recorder, small_classifier


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 3, "sampling": "lime"}, "at least 4, better 1,000, or auto; found 3"),
        ({"n_samples": 101}, "must be even, found 101"),
        ({"alpha": 0.0}, "alpha must be positive; found 0"),
        ({"n_segments": -5}, "at least 2 superpixels; found lime.n_segments -5"),
        ({"sampling": "shap"}, "sampling is one of lime, kernelshap, leverage, hadamard; found 'shap'"),
        ({"fill": "pink"}, "fill is one of zero, mean, .*; found 'pink'"),
        ({"superpixels": "hexagons"}, "superpixels is one of grid, slic, quickshift; found 'hexagons'"),
        ({"backend": "captum"}, "backend is one of closed_form, lime; found 'captum'"),
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
        (IMAGES[None], {}, r"a tensor of shape \(1, 5, 1, 12, 10\) as a picture; give a tensor \(B, C, H, W\)"),
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
