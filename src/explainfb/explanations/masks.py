"""Which superpixels are hidden: masks, and the weight of each in the regression."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.explanations.settings import Sampling

KERNEL_WIDTH = 0.25


def draw_masks(count: int, superpixels: int, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """(count, superpixels) masks of 0 (hidden) and 1 (shown), float32.

    `lime` draws every entry by a coin and shows everything in the first mask, as the paper's code does. `kernelshap`
    draws the number k of shown superpixels with probability ∝ 1/(k(d−k)) and then which ones, and appends the
    complement of every mask (Lundberg & Lee 2017; Covert & Lee 2021), which needs an even `count`.
    """
    if sampling == "lime":
        # float32, because a mask is multiplied with pixels and regressed on
        masks = torch.randint(2, (count, superpixels), generator=generator).float()
        masks[0] = 1
        return masks
    if count % 2:
        raise InputError(f"kernelshap masks come in pairs; the number of masks must be even, found {count}.")
    sizes = torch.arange(1, superpixels)
    chances = 1.0 / (sizes * (superpixels - sizes))
    shown = sizes[torch.multinomial(chances, count // 2, replacement=True, generator=generator)]
    # the order of random keys is a random permutation; float64, so that two keys are hardly ever equal
    keys = torch.rand(count // 2, superpixels, generator=generator, dtype=torch.float64)
    order = torch.from_numpy(keys.numpy().argsort(1))  # NumPy sorts short rows several times faster than torch
    first_shown = (torch.arange(superpixels) < shown[:, None]).float()
    masks = torch.empty_like(first_shown).scatter_(1, order, first_shown)
    return torch.cat([masks, 1 - masks])


def proximity(masks: Tensor, sampling: Sampling) -> Tensor:
    """(N,) float64 weights π(z) of masks (N, d).

    `lime`: sqrt(exp(−D² / 0.25²)) with D the cosine distance to the unperturbed image. `kernelshap`: 1, since the
    kernel is in how the masks are drawn.
    """
    if sampling == "kernelshap":
        return torch.ones(len(masks), dtype=torch.float64, device=masks.device)
    shown = masks.sum(1).double() / masks.shape[1]
    distance = 1 - shown.sqrt()  # the cosine of z and 1 is |z| / (sqrt|z| sqrt d)
    return torch.exp(-(distance**2) / KERNEL_WIDTH**2).sqrt()


def draw_padded_masks(
    count: int, superpixels: Sequence[int], sampling: Sampling, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Masks (B, count, d) and their weights π (B, count) for B images with these numbers of superpixels.

    d is the largest of the numbers. A superpixel that an image does not have is always shown, so its weight is 0.
    """
    drawn = [draw_masks(count, own, sampling, generator) for own in superpixels]
    padded = [F.pad(masks, (0, max(superpixels) - masks.shape[1]), value=1.0) for masks in drawn]
    return torch.stack(padded), torch.stack([proximity(masks, sampling) for masks in drawn])
