"""Hiding superpixels: what is put in their place decides what an explanation can show.

`zero` and `mean` show whether what is there matters. `data`, the same place in other training images (the background
distribution of Lundberg & Lee 2017), also shows what something foreign in that place would do.
"""

from typing import Literal

import torch
import torchvision.transforms.functional as TF
from torch import Tensor

from explainfb.errors import InputError

Fill = Literal["zero", "mean", "blur", "noise", "data"]


def draw_fill(
    fill: Fill, images: Tensor, segments: Tensor, count: int, background: Tensor | None, generator: torch.Generator
) -> Tensor:
    """What is shown where a superpixel is hidden, in a shape that broadcasts to (B, count, C, H, W).

    images (B, C, H, W); segments (B, H, W); background (M, C, H, W), which only `data` needs. `mean` is the mean colour
    of each superpixel, as in the `lime` package; `noise` is uniform in [0, 1] for each mask anew.
    """
    batch, *shape = images.shape
    match fill:
        case "zero":
            return images.new_zeros(1, 1, 1, 1, 1)
        case "mean":
            return _segment_means(images, segments).unsqueeze(1)
        case "blur":
            side = shape[-1] / 8
            blurred: Tensor = TF.gaussian_blur(images, 2 * max(1, round(side)) + 1, sigma=side / 2)
            return blurred.unsqueeze(1)
        case "noise":
            return torch.rand(batch, count, *shape, generator=generator).to(images)
        case "data":
            if background is None:
                raise InputError("The fill 'data' needs background images; give some training images as background.")
            chosen = torch.randint(len(background), (batch, count), generator=generator)
            return background[chosen.to(background.device)].to(images.device)
    raise InputError(f"Unknown fill {fill!r}; expected zero, mean, blur, noise or data.")


def _segment_means(images: Tensor, segments: Tensor) -> Tensor:
    """(B, C, H, W): each pixel carries the mean colour of its superpixel."""
    index = segments.flatten(1).unsqueeze(1).expand(-1, images.shape[1], -1)  # (B, C, H·W)
    means = torch.zeros(*index.shape[:2], int(segments.max()) + 1, dtype=images.dtype, device=images.device)
    means.scatter_reduce_(2, index, images.flatten(2), reduce="mean", include_self=False)
    return means.gather(2, index).view_as(images)


def hide(images: Tensor, segments: Tensor, masks: Tensor, fill: Tensor) -> Tensor:
    """Perturbed images (B, N, C, H, W): superpixels with mask 0 are replaced by `fill`.

    images (B, C, H, W), segments (B, H, W), masks (B, N, d); `fill` broadcasts to (B, N, C, H, W).
    """
    batch, count = masks.shape[:2]
    index = segments.flatten(1).unsqueeze(1).expand(-1, count, -1)  # (B, N, H·W)
    shown = masks.bool().gather(2, index).view(batch, count, 1, *segments.shape[1:])
    return torch.where(shown, images.unsqueeze(1), fill)
