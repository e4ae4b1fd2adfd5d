"""Penalties on how a classifier's output changes with its input, by double backprop (Drucker & Le Cun 1992).

Both take images (B, C, H, W) that require a gradient and the logits (B, classes) that were computed from them, and
return one number that can be differentiated once more in the classifier's weights.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, clone
from explainfb.core.errors import InputError


def irrelevant_gradient(images: Tensor, logits: Tensor, irrelevant: Tensor) -> Tensor:
    """mean_n Σ_d (A_nd · ∂/∂x_nd Σ_k log p_nk)², with A = `irrelevant` (B, H, W) bool (Ross et al. 2017)."""
    (gradient,) = torch.autograd.grad(logits.log_softmax(1).sum(), images, create_graph=True)
    return _squared(gradient * irrelevant.unsqueeze(1).to(gradient))


def loss_gradient(images: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """mean_n Σ_d (∂/∂x_nd cross-entropy(x_n, y_n))² (Ross & Doshi-Velez 2018)."""
    (gradient,) = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), images, create_graph=True)
    return _squared(gradient)


def check_twice_differentiable(classifier: Classifier, images: Tensor) -> None:
    """Raise `InputError` for a network whose gradient cannot be differentiated once more, on a few images."""
    tried = clone(classifier)
    images = images.to(tried.device, copy=True).requires_grad_()
    everywhere = torch.ones_like(images[:, 0], dtype=torch.bool)
    try:
        irrelevant_gradient(images, tried(images), everywhere).backward()
    except RuntimeError as error:
        raise InputError(
            f"finetune.gradient_penalty needs a network with second derivatives, and this one fails there ({error}); "
            "leave it at 0, or choose another network."
        ) from error


def _squared(gradient: Tensor) -> Tensor:
    """The squared length of each image's gradient, averaged over the images."""
    return gradient.square().flatten(1).sum(1).mean()
