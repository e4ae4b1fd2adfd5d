"""Projected gradient descent (Madry et al. 2018), which leaves each image alone once it is broken.

Foolbox's own takes every step with every image and checks the last place alone. From the same start this one breaks all
that Foolbox's breaks, and in less time. `attack_batch`, for training classifiers, takes every step too.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.core.types import Norm

Loss = Callable[[Tensor, Tensor], Tensor]
"""(n, classes) logits and (n,) labels to (n,) values that the attack raises."""
SMALLEST = 1e-12


def lengths(change: Tensor) -> Tensor:
    """(n, 1, 1, 1): L2 norm of each image of `change` (n, C, H, W), never 0."""
    found: Tensor = change.flatten(1).norm(dim=1).clamp_min(SMALLEST).view(-1, 1, 1, 1)
    return found


def into_ball(change: Tensor, norm: Norm, epsilon: float) -> Tensor:
    """The change itself where it is within `epsilon`, else the nearest one that is."""
    if norm == "linf":
        return change.clamp(-epsilon, epsilon)
    return change * (epsilon / lengths(change)).clamp_max(1)


def random_change(images: Tensor, norm: Norm, epsilon: float, generator: torch.Generator) -> Tensor:
    """(N, C, H, W): uniform in the ball of `epsilon`, drawn on the CPU so that it is the same on every device."""
    shape = images.shape
    if norm == "linf":
        return (epsilon * (2 * torch.rand(shape, generator=generator) - 1)).to(images)
    direction = torch.randn(shape, generator=generator)
    radius = torch.rand((len(images), 1, 1, 1), generator=generator) ** (1 / images[0].numel())
    return (epsilon * radius * direction / lengths(direction)).to(images)


def ascent(gradient: Tensor, norm: Norm) -> Tensor:
    """The steepest direction of length 1 in `norm`."""
    return gradient.sign() if norm == "linf" else gradient / lengths(gradient)


def pgd_attack(
    classifier: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    norm: Norm,
    epsilon: float,
    steps: int,
    step: float,
    loss: Loss,
    start: Tensor,
    targets: Tensor | None = None,
) -> Tensor:
    """Images (N, C, H, W) within `epsilon` of `images` (N, C, H, W), which lie in [0, 1].

    `classifier` maps images to logits; a step is `step` long in `norm`; `start` (N, C, H, W) is the first change. With
    `targets` (N,) the loss is replaced by the target's logit minus the label's.
    """
    moved = (images + into_ball(start, norm, epsilon)).clamp(0, 1)
    # what is broken is asked no more: the later steps, of a few images, cost next to nothing
    standing = torch.arange(len(images), device=images.device)
    for _ in range(steps):
        here = moved[standing].detach().requires_grad_()
        logits = classifier(here)
        truth = labels[standing]
        if targets is None:
            value = loss(logits, truth)
        else:
            pair = torch.stack([targets[standing], truth], dim=1)
            value = logits.gather(1, pair) @ logits.new_tensor([1.0, -1.0])
        gradient = torch.autograd.grad(value.sum(), here)[0]
        here, left = here.detach(), logits.detach().argmax(1) == truth
        if not left.all():
            standing, gradient, here = standing[left], gradient[left], here[left]
        if len(standing) == 0:
            break
        change = here + step * ascent(gradient, norm) - images[standing]
        moved[standing] = (images[standing] + into_ball(change, norm, epsilon)).clamp(0, 1)
    return moved


def attack_batch(
    classifier: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    steps: int,
    relative_step: float,
    generator: torch.Generator,
) -> Tensor:
    """Images (B, C, H, W) in [0, 1] within `epsilon` in L∞ of the given ones, `steps` steps up the cross-entropy.

    Each step moves every pixel by `relative_step` · `epsilon`; the start is drawn from the whole box. Broken images are
    moved on, for a classifier that is trained on them is to hold against the worst.
    """
    start = torch.rand(images.shape, generator=generator).to(images)
    attacked = (images + epsilon * (2 * start - 1)).clamp(0, 1)
    for _ in range(steps):
        attacked.requires_grad_()
        loss = F.cross_entropy(classifier(attacked), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, attacked)
        moved = attacked.detach() + relative_step * epsilon * gradient.sign()
        attacked = moved.clamp(images - epsilon, images + epsilon).clamp(0, 1)
    return attacked
