"""LIME in closed form: batched, differentiable, and equal to the `lime` package on the same masks.

Ribeiro et al. 2016. For an image x, a class c and d superpixels, N masks Z ∈ {0,1}^(N×d) hide the superpixels with
z = 0, and f(z) is the probability of c that the classifier gives the perturbed image. The weights are a ridge
regression of f on Z in which each mask has the weight π(z), with a free intercept:

    β = (ZcᵀΠZc + αI)⁻¹ ZcᵀΠ f        Zc: Z less its π-weighted column means

With the masks fixed, β is linear in f, so ∂β/∂θ exists for a classifier with weights θ.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from explainfb.errors import InputError

Sampling = Literal["lime", "kernelshap"]
ALPHA = 1.0
KERNEL_WIDTH = 0.25


class LinearFit(NamedTuple):
    """A local linear model of each of K outputs."""

    weights: Tensor
    """(..., d, K): by how much showing a superpixel raises an output."""
    intercept: Tensor
    """(..., K): the output where every superpixel is hidden."""
    fit: Tensor
    """(..., K): weighted R²."""


def draw_masks(images: int, count: int, superpixels: int, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """(images, count, superpixels) masks of 0 (hidden) and 1 (shown), float32.

    `lime` draws every entry by a coin and shows everything in the first mask, as the paper's code does. `kernelshap`
    draws the number k of shown superpixels with probability ∝ 1/(k(d−k)) and adds each mask's complement
    (Lundberg & Lee 2017; Covert & Lee 2021), which needs an even `count`.
    """
    if sampling == "lime":
        masks = torch.randint(2, (images, count, superpixels), generator=generator).float()
        masks[:, 0] = 1
        return masks
    if count % 2:
        raise InputError(f"kernelshap masks come in pairs; the number of masks must be even, found {count}.")
    sizes = torch.arange(1, superpixels)
    chances = 1.0 / (sizes * (superpixels - sizes))
    half = images * count // 2
    shown = sizes[torch.multinomial(chances, half, replacement=True, generator=generator)]
    ranks = torch.rand(half, superpixels, generator=generator).argsort(1).argsort(1)
    masks = (ranks < shown[:, None]).float().view(images, count // 2, superpixels)
    return torch.cat([masks, 1 - masks], dim=1)


def proximity(masks: Tensor, sampling: Sampling) -> Tensor:
    """(..., N) weights π(z) of masks (..., N, d).

    `lime`: sqrt(exp(−D² / 0.25²)) with D the cosine distance to the unperturbed image. `kernelshap`: 1, since the
    kernel is in how the masks are drawn.
    """
    if sampling == "kernelshap":
        return torch.ones(masks.shape[:-1], dtype=torch.float64, device=masks.device)
    shown = masks.double().mean(-1)
    distance = 1 - shown.sqrt()  # the cosine of z and 1 is |z| / (sqrt|z| sqrt d)
    return torch.exp(-(distance**2) / KERNEL_WIDTH**2).sqrt()


def fit_linear(masks: Tensor, outputs: Tensor, similarity: Tensor, alpha: float = ALPHA) -> LinearFit:
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


def hide(images: Tensor, segments: Tensor, masks: Tensor, fill: Tensor) -> Tensor:
    """Perturbed images (B, N, C, H, W): superpixels with mask 0 are replaced by `fill`.

    images (B, C, H, W), segments (B, H, W), masks (B, N, d); `fill` broadcasts to (B, N, C, H, W).
    """
    batch, count = masks.shape[:2]
    index = segments.flatten(1).unsqueeze(1).expand(-1, count, -1)  # (B, N, H·W)
    shown = masks.bool().gather(2, index).view(batch, count, 1, *segments.shape[1:])
    return torch.where(shown, images.unsqueeze(1), fill)
