"""LIME in closed form: batched, differentiable, and equal to the `lime` package on the same masks.

Ribeiro et al. 2016. For an image x, a class c and d superpixels, N masks Z ∈ {0,1}^(N×d) hide the superpixels with
z = 0, and f(z) is the probability of c that the classifier gives the perturbed image. The weights are a ridge
regression of f on Z in which each mask has the weight π(z), with a free intercept:

    β = (ZcᵀΠZc + αI)⁻¹ ZcᵀΠ f        Zc: Z less its π-weighted column means

With the masks fixed, β is linear in f, so ∂β/∂θ exists for a classifier with weights θ.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from lime.lime_base import LimeBase
from torch import Tensor

from explainfb.classifiers import Classifier
from explainfb.errors import InputError
from explainfb.hiding import Fill, draw_fill, hide
from explainfb.masks import Sampling, draw_masks, proximity
from explainfb.seeds import torch_generator
from explainfb.superpixels import Method, check_segments, superpixels
from explainfb.types import Explanation, FloatArray, IntArray, check_images

Backend = Literal["closed_form", "lime"]
CHUNK_BYTES = 2**24
"""Perturbed images held at a time: 27 of 224×224 in colour, 5,349 of 28×28 in grey."""
CHUNK_IMAGES = 256
"""More than this many at a time is no faster."""


@dataclass(frozen=True, kw_only=True)
class LimeSettings:
    """How an image is explained."""

    masks: int = 1000
    """How many perturbed images the classifier is asked about."""
    sampling: Sampling = "kernelshap"
    """`lime`: every superpixel hidden by a coin, as in the paper; `kernelshap`: most or few of them hidden."""
    fill: Fill = "data"
    """What is shown in place of a hidden superpixel."""
    superpixels: Method = "grid"
    segments: int = 49
    """About how many superpixels an image is cut into."""
    alpha: float = 1.0
    """Strength of the ridge penalty."""
    backend: Backend = "closed_form"
    """`lime` fits with the package of that name."""

    def __post_init__(self) -> None:
        if self.masks < 4:
            raise InputError(f"{self.masks} masks are too few for any fit; ask for at least 4, better 1,000.")
        if self.sampling == "kernelshap" and self.masks % 2:
            raise InputError(f"kernelshap masks come in pairs; the number of masks must be even, found {self.masks}.")
        if not self.alpha > 0:
            raise InputError(f"The ridge penalty alpha must be positive; found {self.alpha}.")


PAPER = LimeSettings(sampling="lime", fill="mean")
"""The settings of Ribeiro et al. 2016."""


class LinearFit(NamedTuple):
    """A local linear model of each of K outputs."""

    weights: Tensor
    """(..., d, K): by how much showing a superpixel raises an output."""
    intercept: Tensor
    """(..., K): the output where every superpixel is hidden."""
    fit: Tensor
    """(..., K): weighted R²."""


def fit_linear(masks: Tensor, outputs: Tensor, similarity: Tensor, alpha: float = 1.0) -> LinearFit:
    """The weighted ridge regression of outputs (..., N, K) on masks (..., N, d) with weights (..., N).

    Differentiable with respect to `outputs`. A superpixel that is never hidden gets the weight 0.
    """
    masks, outputs, similarity = masks.double(), outputs.double(), similarity.double()
    share = (similarity / similarity.sum(-1, keepdim=True)).unsqueeze(-1)
    mask_mean = (share * masks).sum(-2, keepdim=True)
    output_mean = (share * outputs).sum(-2, keepdim=True)
    centred = masks - mask_mean
    weighted = (centred * similarity.unsqueeze(-1)).mT
    gram = weighted @ centred + alpha * torch.eye(masks.shape[-1], dtype=masks.dtype, device=masks.device)
    weights = torch.cholesky_solve(weighted @ outputs, torch.linalg.cholesky(gram))
    residual = (share * (outputs - output_mean - centred @ weights) ** 2).sum(-2)
    total = (share * (outputs - output_mean) ** 2).sum(-2)
    tiny = torch.finfo(total.dtype).tiny
    fit = torch.where(total > tiny, 1 - residual / total.clamp_min(tiny), torch.ones_like(total))
    return LinearFit(weights, (output_mean - mask_mean @ weights).squeeze(-2), fit)


def fit_with_lime(masks: Tensor, outputs: Tensor, similarity: Tensor, alpha: float = 1.0) -> LinearFit:
    """The same regression of outputs (N, K) by the `lime` package, one output at a time; not differentiable."""
    from sklearn.linear_model import Ridge

    base = LimeBase(lambda distances: distances)  # the similarity is handed over as if it were the distance
    columns = []
    for output in range(outputs.shape[-1]):
        intercept, pairs, fit, _ = base.explain_instance_with_data(
            masks.double().cpu().numpy(),
            outputs.double().cpu().numpy(),
            similarity.double().cpu().numpy(),
            output,
            masks.shape[-1],
            feature_selection="none",
            model_regressor=Ridge(alpha=alpha, fit_intercept=True),
        )
        columns.append((np.array([weight for _, weight in sorted(pairs)]), float(intercept), float(fit)))
    weights, intercepts, fits = zip(*columns, strict=True)
    return LinearFit(torch.tensor(np.stack(weights, -1)), torch.tensor(intercepts), torch.tensor(fits))


def probabilities_under_masks(
    classifier: Classifier,
    image: Tensor,
    segments: Tensor,
    masks: Tensor,
    settings: LimeSettings,
    background: Tensor | None,
    generator: torch.Generator,
) -> Tensor:
    """(N, classes) probabilities of one image (C, H, W) under masks (N, d), a bounded number at a time."""
    chunk = max(1, min(CHUNK_IMAGES, CHUNK_BYTES // (image.numel() * image.element_size())))
    parts = []
    for part in masks.split(chunk):
        fill = draw_fill(settings.fill, image[None], segments[None], len(part), background, generator)
        parts.append(classifier(hide(image[None], segments[None], part[None], fill)[0]).softmax(1))
    return torch.cat(parts)


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
    """
    check_images(images)
    chosen: Iterable[IntArray | None] = segments if segments is not None else [None] * len(images)
    wanted: Iterable[int | None] = [None] * len(images) if targets is None else [int(target) for target in targets]
    return [
        _explain_one(classifier, image, target, own, settings, background, seed)
        for image, target, own in zip(images, wanted, chosen, strict=True)
    ]


@torch.inference_mode()
def _explain_one(
    classifier: Classifier,
    image: Tensor,
    target: int | None,
    segments: IntArray | None,
    settings: LimeSettings,
    background: Tensor | None,
    seed: int,
) -> Explanation:
    if segments is None:
        segments = superpixels(image, settings.superpixels, settings.segments)
    else:
        check_segments(segments)
    content = hashlib.sha256(image.cpu().contiguous().numpy().tobytes()).hexdigest()
    generator = torch_generator(seed, "explain", content)
    count = int(segments.max()) + 1
    masks = draw_masks(1, settings.masks, count, settings.sampling, generator)[0]
    image = image.to(classifier.device)
    on_device = torch.from_numpy(segments).to(classifier.device)
    outputs = probabilities_under_masks(
        classifier, image, on_device, masks.to(classifier.device), settings, background, generator
    ).cpu()
    plain = classifier(image[None]).softmax(1)[0].cpu()
    chosen = int(plain.argmax()) if target is None else target
    fit = fit_with_lime if settings.backend == "lime" else fit_linear
    model = fit(masks, outputs[:, [chosen]], proximity(masks, settings.sampling), settings.alpha)
    return Explanation(
        target=chosen,
        probability=float(plain[chosen]),
        segments=segments,
        weights=_as_array(model.weights[:, 0]),
        intercept=float(model.intercept[0]),
        fit=float(model.fit[0]),
    )


def _as_array(values: Tensor) -> FloatArray:
    return values.double().cpu().numpy()


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
    """(B, d) weights that the classifier's parameters can be followed through.

    images (B, C, H, W); segments (B, H, W), d the largest number of superpixels among them: an image with fewer gets
    zeros for the rest; targets (B,). Masks are drawn anew at each call from `generator`.
    """
    superpixel_count = int(segments.max()) + 1
    masks = draw_masks(len(images), settings.masks, superpixel_count, settings.sampling, generator).to(images.device)
    fill = draw_fill(settings.fill, images, segments, settings.masks, background, generator)
    perturbed = hide(images, segments, masks, fill)  # (B, N, C, H, W)
    outputs = classifier(perturbed.flatten(0, 1)).softmax(1).view(*perturbed.shape[:2], -1)  # (B, N, classes)
    own = targets.view(-1, 1, 1).expand(-1, settings.masks, 1)
    fit = fit_linear(masks, outputs.gather(2, own), proximity(masks, settings.sampling), settings.alpha)
    return fit.weights.squeeze(-1).to(images.dtype)
