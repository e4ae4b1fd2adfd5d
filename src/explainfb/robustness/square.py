"""An attack that never asks for a gradient: random search with squares, after Andriushchenko et al. 2020.

It sees the logits and nothing else, so hidden gradients do not mislead it. Foolbox's own attacks without gradients see
only the decision, and within the few hundred queries that a CPU affords they find next to nothing.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from explainfb.core.types import Norm

FIRST_SHARE = 0.1
"""Share of the image that the first square covers; it shrinks to one pixel."""
PATCH = 0.6
"""L2 norm of a proposed square in each channel, as a share of epsilon."""


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """(N,): logit of the label minus the largest other one; negative where the classifier is wrong."""
    own = logits.gather(1, labels[:, None])[:, 0]
    return own - logits.scatter(1, labels[:, None], -torch.inf).amax(1)


def project(change: Tensor, images: Tensor, norm: Norm, epsilon: float) -> Tensor:
    """The change brought onto the ball of `epsilon`, and to pixels in [0, 1]; in L2 it is stretched to the surface."""
    if norm == "linf":
        change = change.clamp(-epsilon, epsilon)
    else:
        length = change.flatten(1).norm(dim=1).clamp_min(1e-12)
        change = change * (epsilon / length).view(-1, 1, 1, 1)
    return (images + change).clamp(0, 1) - images


def random_sign(shape: tuple[int, ...], images: Tensor, generator: torch.Generator) -> Tensor:
    """A tensor of −1 and 1, drawn on the CPU so that it is the same on every device."""
    return (torch.randint(0, 2, shape, generator=generator) * 2 - 1).to(images)


def random_squares(count: int, side: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """(count, 1, H, W): True on one square of `side` pixels for each image, anywhere inside it."""
    height, width = images.shape[2:]
    top = torch.randint(0, height - side + 1, (count, 1, 1, 1), generator=generator)
    left = torch.randint(0, width - side + 1, (count, 1, 1, 1), generator=generator)
    row, column = torch.arange(height).view(1, 1, -1, 1), torch.arange(width).view(1, 1, 1, -1)
    inside = (row >= top) & (row < top + side) & (column >= left) & (column < left + side)
    return inside.to(images.device)


def propose(change: Tensor, side: int, norm: Norm, epsilon: float, generator: torch.Generator) -> Tensor:
    """`change` (n, C, H, W) with one square of each image set to ±epsilon (L∞) or shifted by a constant (L2)."""
    count, channels = change.shape[:2]
    inside = random_squares(count, side, change, generator)
    sign = random_sign((count, channels, 1, 1), change, generator)
    if norm == "linf":
        return torch.where(inside, epsilon * sign, change)
    return change + inside * sign * (PATCH * epsilon / side)


@torch.no_grad()
def square_attack(
    classifier: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    norm: Norm,
    epsilon: float,
    queries: int,
    generator: torch.Generator,
) -> Tensor:
    """Images (N, C, H, W) within `epsilon` of `images` that the classifier is as wrong about as was found.

    `classifier` maps images in [0, 1] to logits and is asked at most `queries` times for each image, never again for
    one that it already gets wrong. Begins with vertical stripes, keeps each square that lowers the margin.
    """
    stripes = epsilon * random_sign((*images.shape[:2], 1, images.shape[3]), images, generator)
    change = project(stripes.expand_as(images), images, norm, epsilon)
    lowest = margin(classifier(images + change), labels)
    for query in range(1, queries):
        active = (lowest > 0).nonzero()[:, 0]  # queries are counted for each image: a broken one needs no more
        if len(active) == 0:
            break
        share = FIRST_SHARE * (1 - query / queries) ** 2
        side = max(1, min(*images.shape[2:], round((share * images[0, 0].numel()) ** 0.5)))
        proposal = propose(change[active], side, norm, epsilon, generator)
        proposal = project(proposal, images[active], norm, epsilon)
        found = margin(classifier(images[active] + proposal), labels[active])
        better = found < lowest[active]
        change[active[better]], lowest[active[better]] = proposal[better], found[better]
    return images + change
