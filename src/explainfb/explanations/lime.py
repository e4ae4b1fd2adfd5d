"""LIME in closed form: batched, differentiable, and equal to the `lime` package on the same masks.

Ribeiro et al. 2016. For an image x, a class c and d superpixels, N masks Z ∈ {0,1}^(N×d) hide the superpixels with
z = 0, and f(z) is the probability of c that the classifier gives the perturbed image. The weights are a ridge
regression of f on Z in which each mask has the weight π(z), with a free intercept:

    β = (ZcᵀΠZc + αI)⁻¹ ZcᵀΠ f        Zc: Z less its π-weighted column means

With the masks fixed, β is linear in f, so ∂β/∂θ exists for a classifier with weights θ.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from lime.lime_base import LimeBase
from sklearn.linear_model import Ridge
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, check_classifier
from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.core.types import Explanation, IntArray, check_images
from explainfb.explanations.masks import draw_masks, draw_padded_masks, proximity
from explainfb.explanations.perturbation import Perturber
from explainfb.explanations.settings import LimeSettings
from explainfb.explanations.superpixels import check_segments, segment

CHUNK_BYTES = 2**24
"""Perturbed images held at a time: 27 of 224×224 in colour, 5,349 of 28×28 in grey, were it not for CHUNK_IMAGES."""
CHUNK_IMAGES = 128
"""Activations of many more images go back to the system after each chunk, which can double the time on a CPU."""


class LinearFit(NamedTuple):
    """A local linear model of each of K outputs."""

    weights: Tensor
    """(..., d, K): by how much showing a superpixel raises an output."""
    intercept: Tensor
    """(..., K): the output where every superpixel is hidden."""
    fit: Tensor
    """(..., K): weighted R²."""


def fit_linear(masks: Tensor, outputs: Tensor, similarity: Tensor, alpha: float = 1.0) -> LinearFit:
    """The weighted ridge regression of outputs (..., N, K) on masks (..., N, d) with weights (..., N), in float64.

    Differentiable with respect to `outputs`. A superpixel that is never hidden gets the weight 0.
    """
    # float64, in which lime and scikit-learn compute as well: the weights are to be theirs
    masks, outputs, similarity = masks.double(), outputs.double(), similarity.double()
    share = (similarity / similarity.sum(-1, keepdim=True)).unsqueeze(-2)  # (..., 1, N)
    mask_mean, output_mean = share @ masks, share @ outputs
    centred = masks - mask_mean  # so that the penalty leaves the intercept free
    weighted = centred.mT * similarity.unsqueeze(-2)  # (..., d, N)
    gram = weighted @ centred + alpha * torch.eye(masks.shape[-1], dtype=masks.dtype, device=masks.device)
    weights = torch.cholesky_solve(weighted @ outputs, torch.linalg.cholesky(gram))
    residual = (share @ (outputs - output_mean - centred @ weights) ** 2).squeeze(-2)
    total = (share @ (outputs - output_mean) ** 2).squeeze(-2)
    # a constant output is fitted perfectly, where R² would be one rounding error over another
    rounding = torch.finfo(total.dtype).tiny + (16 * torch.finfo(total.dtype).eps * output_mean.squeeze(-2)) ** 2
    fit = torch.where(total > rounding, 1 - residual / total.clamp_min(rounding), 1.0)
    return LinearFit(weights, (output_mean - mask_mean @ weights).squeeze(-2), fit)


def fit_with_lime(masks: Tensor, outputs: Tensor, similarity: Tensor, alpha: float = 1.0) -> LinearFit:
    """The same regression of outputs (N, K) by the `lime` package, one output at a time; not differentiable."""
    base = LimeBase(kernel_fn=lambda distances: distances)  # it is given similarities in place of distances
    ridge = Ridge(alpha=alpha)
    arrays = [part.double().cpu().numpy() for part in (masks, outputs, similarity)]
    weights, intercepts, fits = np.empty((masks.shape[1], outputs.shape[1])), [], []
    for output in range(outputs.shape[1]):
        # "none", because lime's other ways select features first, by further fits
        intercept, pairs, fit, _ = base.explain_instance_with_data(
            *arrays, output, masks.shape[1], feature_selection="none", model_regressor=ridge
        )
        for superpixel, weight in pairs:
            weights[superpixel, output] = weight
        intercepts.append(float(intercept))
        fits.append(float(fit))
    return LinearFit(torch.from_numpy(weights), torch.tensor(intercepts), torch.tensor(fits))


@dataclass(frozen=True, eq=False)
class PerturbationSample:
    """A classifier's outputs on an image and on its perturbed copies: enough to explain any class."""

    segments: IntArray
    """(H, W) labels 0 … d−1."""
    masks: Tensor
    """(N, d): 0 where a superpixel is hidden."""
    outputs: Tensor
    """(N, classes) probabilities under each mask."""
    plain: Tensor
    """(classes,) probabilities of the image itself."""
    settings: LimeSettings

    def explain(self, target: int | None = None) -> Explanation:
        """Why the class `target`, or the one that is predicted. Raises `InputError` for a class there is not."""
        target = int(self.plain.argmax()) if target is None else target
        if not 0 <= target < len(self.plain):
            raise InputError(f"The classifier has classes 0 … {len(self.plain) - 1}; found the target {target}.")
        fit = fit_with_lime if self.settings.backend == "lime" else fit_linear
        similarity = proximity(self.masks, self.settings.sampling)
        model = fit(self.masks, self.outputs[:, [target]], similarity, self.settings.alpha)
        return Explanation(
            target=target,
            probability=float(self.plain[target]),
            segments=self.segments,
            weights=model.weights[:, 0].numpy(),
            intercept=float(model.intercept[0]),
            fit=float(model.fit[0]),
        )


@torch.inference_mode()
def sample_perturbations(
    classifier: Classifier,
    image: Tensor,
    *,
    settings: LimeSettings = LimeSettings(),
    background: Tensor | None = None,
    segments: IntArray | None = None,
    seed: int = 0,
) -> PerturbationSample:
    """The classifier's outputs, in evaluation mode, on one image (C, H, W) under `settings.n_samples` masks.

    Other arguments as for `explain`. For several classes at the cost of one pass:
    `sample = sample_perturbations(classifier, image); explanations = [sample.explain(target) for target in range(10)]`.
    """
    check_classifier(classifier)
    check_images(image[None])
    segments = _own_segments(image, segments, settings)
    # a stream for each image, named by its pixels: the images explained before or beside it change nothing
    content = hashlib.sha256(image.cpu().contiguous().numpy().tobytes()).hexdigest()
    generator = torch_generator(seed, "explain", content)
    masks = draw_masks(settings.n_samples, int(segments.max()) + 1, settings.sampling, generator)
    asked = torch.cat([masks.new_ones(1, masks.shape[1]), masks]).to(classifier.device)  # first the image itself
    images, labels = image[None].to(classifier.device), torch.from_numpy(segments)[None].to(classifier.device)
    perturber = Perturber(images, labels, settings.fill, background)
    most = CHUNK_BYTES // (image.numel() * image.element_size())
    chunk = max(1, min(CHUNK_IMAGES, classifier.comfortable_batch, most))
    parts = asked.unsqueeze(0).tensor_split(-(-len(asked) // chunk), dim=1)  # with no small one at the end
    classifier.eval()
    outputs = torch.cat([classifier(perturber(part, generator)[0]).softmax(1) for part in parts]).cpu()
    return PerturbationSample(segments, masks, outputs[1:], outputs[0], settings)


def _own_segments(image: Tensor, given: IntArray | None, settings: LimeSettings) -> IntArray:
    if given is None:
        return segment(image, settings.superpixels, settings.n_segments)
    if given.shape != image.shape[1:]:
        raise InputError(f"Segments must have the image's shape {tuple(image.shape[1:])}; found {given.shape}.")
    check_segments(given)
    return given


def explain(
    classifier: Classifier,
    images: Tensor,
    *,
    targets: Sequence[int] | Tensor | None = None,
    settings: LimeSettings = LimeSettings(),
    background: Tensor | None = None,
    segments: Sequence[IntArray] | None = None,
    seed: int = 0,
) -> list[Explanation]:
    """Why the classifier gives each of images (B, C, H, W) its class in `targets`, or the class it predicts.

    `background` (M, C, H, W) are the training images that the fill `data` draws from. `segments` replaces the
    superpixels of the settings. An explanation depends on the seed and the image alone, not on the images beside it.
    Raises `InputError` for images outside [0, 1] and superpixels that skip a label.

    >>> from explainfb import LimeSettings, TrainingSettings, explain, load_task, train
    >>> task = load_task("digits-decoy")
    >>> classifier = train(task, settings=TrainingSettings(steps=100))
    >>> lime = LimeSettings(n_samples=200)
    >>> first, second = explain(classifier, task.shifted.images[:2], settings=lime, background=task.train.images)
    >>> first.weights.shape, first.heatmap().shape
    ((49,), (28, 28))
    """
    check_images(images)
    for name, given in (("targets", targets), ("segments", segments)):
        if given is not None and len(given) != len(images):
            raise InputError(f"Every image needs its own {name}; found {len(given)} for {len(images)} images.")
    return [
        sample_perturbations(
            classifier,
            image,
            settings=settings,
            background=background,
            segments=None if segments is None else segments[index],
            seed=seed,
        ).explain(None if targets is None else int(targets[index]))
        for index, image in enumerate(images)
    ]


def differentiable_weights(
    classifier: Classifier,
    images: Tensor,
    segments: Tensor,
    targets: Tensor,
    *,
    settings: LimeSettings,
    background: Tensor | None,
    generator: torch.Generator,
) -> Tensor:
    """(B, d) weights, differentiable with respect to the classifier's parameters.

    images (B, C, H, W); segments (B, H, W), d the largest number of superpixels among them: an image with fewer gets
    zeros for the rest; targets (B,). Masks are drawn anew at each call from `generator`.
    """
    counts = (segments.flatten(1).amax(1) + 1).tolist()
    masks, similarity = draw_padded_masks(settings.n_samples, counts, settings.sampling, generator)
    masks, similarity = masks.to(images.device), similarity.to(images.device)
    perturbed = Perturber(images, segments, settings.fill, background)(masks, generator)  # (B, N, C, H, W)
    outputs = classifier(perturbed.flatten(0, 1)).softmax(1).view(*masks.shape[:2], -1)  # (B, N, classes)
    own = outputs.gather(2, targets.view(-1, 1, 1).expand(-1, settings.n_samples, 1))
    return fit_linear(masks, own, similarity, settings.alpha).weights.squeeze(-1).to(images.dtype)
