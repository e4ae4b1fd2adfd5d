"""Which superpixels are hidden: masks, and how much each counts."""

from typing import Literal

import torch
from torch import Tensor

from explainfb.errors import InputError

Sampling = Literal["lime", "kernelshap"]
KERNEL_WIDTH = 0.25


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
