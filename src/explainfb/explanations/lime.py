"""LIME in closed form: batched, differentiable, and equal to the `lime` package on the same masks.

Ribeiro et al. 2016. For an image x, a class c and d superpixels, N masks Z ∈ {0,1}^(N×d) hide the superpixels with
z = 0, and f(z) is the probability of c that the classifier gives the perturbed image. The weights are a ridge
regression of f on Z in which each mask has the weight π(z), with a free intercept:

    β = (ZcᵀΠZc + αI)⁻¹ ZcᵀΠ f        Zc: Z less its π-weighted column means

With the masks fixed, β is linear in f, so ∂β/∂θ exists for a classifier with weights θ.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from lime.lime_base import LimeBase
from sklearn.linear_model import Ridge
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.passes import usual_images
from explainfb.core.errors import InputError
from explainfb.core.types import IntArray
from explainfb.explanations.control_variate import KnownMixtures
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.perturbation import Perturber, draw_padded_masks
from explainfb.explanations.settings import LimeSettings

GRAPH_BYTES = 2**30
"""What autograd keeps at most of an explanation's perturbed images; 1,000 of 28×28 by LeNet are a thirtieth of it."""
LEAST_FREEDOM = 0.1
"""What is left of an observation in the correction of its residual, where a fit takes up nearly all of it."""


class LinearFit(NamedTuple):
    """A local linear model of each of K outputs."""

    weights: Tensor
    """(..., d, K): by how much showing a superpixel raises an output."""
    intercept: Tensor
    """(..., K): the output where every superpixel is hidden."""
    fit: Tensor
    """(..., K): weighted R²."""
    residuals: Tensor
    """(..., N, K): what the model leaves of each output."""


@dataclass(frozen=True, eq=False)
class RidgeDesign:
    """The weighted ridge regression on masks (..., N, d), factorised: whatever is regressed on them shares that work.

    In float64, in which lime and scikit-learn compute as well: the weights are to be theirs.
    """

    share: Tensor
    """(..., 1, N) of all weight that each mask has."""
    mask_mean: Tensor
    """(..., 1, d)"""
    centred: Tensor
    """(..., N, d) masks less their mean, so that the penalty leaves the intercept free."""
    weighted: Tensor
    """(..., d, N) the same transposed, times the weights of the masks."""
    factor: Tensor
    """(..., d, d) Cholesky's, of the normal equations."""

    @classmethod
    def of(cls, masks: Tensor, similarity: Tensor, alpha: float = 1.0) -> "RidgeDesign":
        """masks (..., N, d) with weights (..., N)."""
        masks, similarity = masks.double(), similarity.double()
        share = (similarity / similarity.sum(-1, keepdim=True)).unsqueeze(-2)
        mask_mean = share @ masks
        centred = masks - mask_mean
        weighted = centred.mT * similarity.unsqueeze(-2)
        gram = weighted @ centred
        gram.diagonal(dim1=-2, dim2=-1).add_(alpha)
        return cls(share, mask_mean, centred, weighted, torch.linalg.cholesky(gram))

    def coefficients(self, outputs: Tensor) -> Tensor:
        """(..., d, K) weights of outputs (..., N, K)."""
        return torch.cholesky_solve(self.weighted @ outputs.double(), self.factor)

    def fit(self, outputs: Tensor) -> LinearFit:
        """The regression of outputs (..., N, K)."""
        outputs = outputs.double()
        output_mean = self.share @ outputs
        weights = self.coefficients(outputs)
        spread = outputs - output_mean
        residuals = spread - self.centred @ weights
        residual = (self.share @ residuals.square()).squeeze(-2)
        total = (self.share @ spread.square()).squeeze(-2)
        # a constant output is fitted perfectly, where R² would be one rounding error over another
        rounding = torch.finfo(total.dtype).tiny + (16 * torch.finfo(total.dtype).eps * output_mean.squeeze(-2)) ** 2
        fit = torch.where(total > rounding, 1 - residual / total.clamp_min(rounding), 1.0)
        return LinearFit(weights, (output_mean - self.mask_mean @ weights).squeeze(-2), fit, residuals)

    def standard_errors(self, residuals: Tensor, *, paired: bool) -> Tensor:
        """(d,) standard errors of the coefficients from residuals (N,); of one image's masks.

        Robust to noise of any size at each mask, with the correction HC2 for what the fit took up (MacKinnon & White
        1985). `paired`: the second half of the masks are the complements of the first, and a pair is one observation.
        """
        # in float32, which is half as much to go through, and far more precise than an estimate of an error
        inverse, weighted = torch.cholesky_inverse(self.factor).float(), self.weighted.float()
        projection = inverse @ weighted  # (d, N): coefficients are projection @ outputs
        leverage = torch.linalg.vecdot(projection, self.centred.float().T, dim=0) + self.share[0].float()
        moved = projection.mul_(residuals.float())
        if paired:
            first, second = moved.chunk(2, 1)
            moved, leverage = first + second, leverage.unflatten(0, (2, -1)).sum(0)
        variances: Tensor = moved.square_() @ (1 - leverage).clamp_min(LEAST_FREEDOM).reciprocal()
        return variances.sqrt().double()


def fit_linear(masks: Tensor, outputs: Tensor, similarity: Tensor, alpha: float = 1.0) -> LinearFit:
    """The weighted ridge regression of outputs (..., N, K) on masks (..., N, d) with weights (..., N), in float64.

    Differentiable with respect to `outputs`. A superpixel that is never hidden gets the weight 0.
    """
    return RidgeDesign.of(masks, similarity, alpha).fit(outputs)


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
    found = torch.from_numpy(weights)
    intercept = torch.tensor(intercepts, dtype=torch.float64)
    return LinearFit(found, intercept, torch.tensor(fits), outputs.double() - intercept - masks.double() @ found)


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
    masks, similarity = draw_padded_masks(settings.first_samples, counts, settings.sampling, generator)
    masks, similarity = masks.to(images.device), similarity.to(images.device)
    perturber = Perturber(images, segments, settings.fill, background)
    own = _own_probabilities(classifier, perturber, masks, targets, perturber.draw(masks.shape[1], generator))
    weights = RidgeDesign.of(masks, similarity, settings.alpha).coefficients(own.unsqueeze(-1))
    return weights.squeeze(-1).to(images.dtype)


def _own_probabilities(
    classifier: Classifier, perturber: Perturber, masks: Tensor, targets: Tensor, drawn: Tensor | None
) -> Tensor:
    """(B, N) probabilities of `targets` (B,) under masks (B, N, d), with a gradient.

    Where the graphs of all parts would not fit into `GRAPH_BYTES`, those after the first are thrown away and made again
    when the gradient comes by (Chen et al. 2016), for one pass forward more and the same numbers.
    """

    def ask(part: Tensor, behind: Tensor | None) -> Tensor:
        outputs: Tensor = classifier(perturber.show(part, behind).flatten(0, 1)).softmax(1)
        outputs = outputs.view(*part.shape[:2], -1)
        return outputs.gather(2, targets.view(-1, 1, 1).expand(-1, part.shape[1], 1)).squeeze(2)

    count = -(-masks.shape[1] * len(masks) // usual_images(classifier))
    parts = masks.tensor_split(min(count, masks.shape[1]), 1)
    behind = [None] * len(parts) if drawn is None else drawn.tensor_split(len(parts), 1)
    kept = _Kept(classifier)
    with kept:
        found = [ask(parts[0], behind[0])]
    again = kept.bytes * len(parts) > GRAPH_BYTES
    for part, own in zip(parts[1:], behind[1:], strict=True):
        found.append(checkpoint(ask, part, own, use_reentrant=False) if again else ask(part, own))
    return torch.cat(found, 1)


class _Kept(saved_tensors_hooks):
    """Counts the bytes that autograd keeps of what is computed inside, but for the classifier's own tensors."""

    def __init__(self, classifier: Classifier) -> None:
        self.bytes = 0
        self._seen = {tensor.data_ptr() for tensor in classifier.state_dict().values()}
        super().__init__(self._count, lambda tensor: tensor)

    def _count(self, tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in self._seen:  # some are kept by two operations
            self._seen.add(tensor.data_ptr())
            self.bytes += tensor.nbytes
        return tensor


class KnownPart(NamedTuple):
    """What a control variate says under the masks that were asked about, and on average over all."""

    outputs: Tensor
    """(N, classes)"""
    mixtures: KnownMixtures
    contributions: Tensor
    """(d, classes) what the image's superpixels add to the logits."""


@dataclass(frozen=True, eq=False)
class PerturbationSample:
    """A classifier's outputs on an image and on its perturbed copies: enough to explain any class."""

    segments: IntArray
    """(H, W) labels 0 … d−1."""
    masks: Tensor
    """(N, d): 0 where a superpixel is hidden."""
    mask_weights: Tensor
    """(N,) float64: the weight of each mask in the regression."""
    outputs: Tensor
    """(N, classes) probabilities under each mask."""
    plain: Tensor
    """(classes,) probabilities of the image itself."""
    settings: LimeSettings
    image: Tensor
    """(C, H, W): the image itself."""
    known: KnownPart | None = None

    @property
    def complete(self) -> bool:
        """Whether every mask there is was asked about, so that nothing was left to chance."""
        every = 2 ** self.masks.shape[1] - 2
        return self.settings.sampling == "leverage" and not self.settings.random_fill and len(self.masks) == every

    @cached_property
    def _design(self) -> RidgeDesign:
        return RidgeDesign.of(self.masks, self.mask_weights, self.settings.alpha)

    @torch.inference_mode()
    def explain(self, target: int | None = None) -> Explanation:
        """Why the class `target`, or the one that is predicted. Raises `InputError` for a class there is not."""
        target = int(self.plain.argmax()) if target is None else target
        if not 0 <= target < len(self.plain):
            raise InputError(f"The classifier has classes 0 … {len(self.plain) - 1}; found the target {target}.")
        outputs = self.outputs[:, [target]].double()
        differences = outputs if self.known is None else outputs - self.known.outputs[:, [target]]
        design = self._design
        if self.settings.backend == "lime":
            model = fit_with_lime(self.masks, differences, self.mask_weights, self.settings.alpha)
        else:
            model = design.fit(differences)
        weights = model.weights[:, 0]
        errors = design.standard_errors(model.residuals[:, 0], paired=self.settings.sampling != "lime")
        intercept, r_squared = model.intercept[0], float(model.fit[0])
        if self.known is not None:
            known, variances = self.known.mixtures.mean_weights(self.known.contributions, target)
            weights, errors = weights + known, (errors**2 + variances).sqrt()
            intercept, r_squared = _intercept_and_fit(self.masks, outputs[:, 0], self.mask_weights, weights)
        return Explanation(
            target=target,
            probability=float(self.plain[target]),
            segments=self.segments,
            weights=weights.numpy(),
            intercept=float(intercept),
            fit=r_squared,
            standard_errors=np.zeros(len(weights)) if self.complete else errors.numpy(),
            n_samples=len(self.masks),
            image=self.image.detach().cpu().numpy(),
        )


def _intercept_and_fit(masks: Tensor, outputs: Tensor, mask_weights: Tensor, weights: Tensor) -> tuple[Tensor, float]:
    """The best intercept beside given weights (d,), and R² with it."""
    share = mask_weights / mask_weights.sum()
    unexplained = outputs - masks.double() @ weights
    intercept = share @ unexplained
    total = share @ (outputs - share @ outputs).square()
    r_squared = 1 - share @ (unexplained - intercept).square() / total.clamp_min(torch.finfo(total.dtype).tiny)
    return intercept, float(r_squared)
