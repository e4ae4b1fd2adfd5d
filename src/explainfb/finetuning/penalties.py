"""Penalties on how a classifier's output changes with its input, by double backprop (Drucker & Le Cun 1992).

Each takes a batch of N images whose `images` x' require a gradient, and the logits (N, classes) that were computed from
them, p_n = softmax(logits_n); it returns a scalar that can be differentiated once more in the classifier's weights.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, clone
from explainfb.core.errors import InputError
from explainfb.finetuning.batches import Batch


def irrelevant_gradient(batch: Batch, logits: Tensor) -> Tensor:
    """mean_n Σ_d (A_nd · ∂/∂x'_nd Σ_k log p_nk)², with A = `batch.irrelevant` (Ross, Hughes & Doshi-Velez 2017)."""
    if batch.irrelevant is None:
        raise InputError(
            "The gradient of irrelevant pixels is to be penalised, and nothing says which they are; put "
            "`AnnotatedMasks` or `Counterexamples` with mark_irrelevant=True among the augmentations of the batches."
        )
    # one pass for all: at each image the gradient of the sum is that of its own output, batch normalisation aside
    (gradient,) = torch.autograd.grad(logits.log_softmax(1).sum(), batch.images, create_graph=True)
    return _squared_norm(gradient * batch.irrelevant.unsqueeze(1).to(gradient))  # (N, 1, H, W) over the channels


def loss_gradient(batch: Batch, logits: Tensor) -> Tensor:
    """mean_n Σ_d (∂/∂x'_nd cross-entropy(x'_n, y_n))² (Ross & Doshi-Velez 2018)."""
    loss = F.cross_entropy(logits, batch.labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, batch.images, create_graph=True)
    return _squared_norm(gradient)


def _squared_norm(gradient: Tensor) -> Tensor:
    """The squared L2 norm of each image's gradient (N, C, H, W), averaged over the images."""
    return gradient.square().flatten(1).sum(1).mean()


def check_twice_differentiable(classifier: Classifier, images: Tensor, what: str = "finetune.gradient_penalty") -> None:
    """Raise `InputError` for a network whose gradient cannot be differentiated once more, on images (N, C, H, W).

    `what` is what needs it, as an error names it.
    """
    tried = clone(classifier).requires_grad_(True)
    images = images.to(tried.device, copy=True).requires_grad_()
    everywhere = torch.ones_like(images[:, 0], dtype=torch.bool)
    index = torch.arange(len(images))
    try:
        irrelevant_gradient(Batch(images, index, index, everywhere), tried(images)).backward()
    except RuntimeError as error:
        raise InputError(
            f"{what} needs a network with second derivatives, and this one fails there ({error}); leave it out, or "
            "choose another network."
        ) from error
