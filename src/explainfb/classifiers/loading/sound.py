"""Weights with which nothing can be computed."""

from collections.abc import Mapping

from torch import Tensor

VARIANCE = "running_var"
"""What a batch normalisation calls the variance by whose root it divides."""


def fault_of(tensors: Mapping[str, Tensor]) -> str | None:
    """The first tensor that holds what no training leaves, and what it holds, in words; None where all are sound.

    >>> import torch
    >>> from explainfb.classifiers.loading.sound import fault_of
    >>> fault_of({"norm.weight": torch.tensor([-1.0]), "norm.running_var": torch.tensor([2.0, -0.1])})
    'norm.running_var holds a negative variance'
    """
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue
        if not bool(tensor.isfinite().all()):
            return f"{name} holds NaN or infinity"
        if name.rpartition(".")[2] == VARIANCE and bool((tensor < 0).any()):
            return f"{name} holds a negative variance"
    return None


def check_sound(tensors: Mapping[str, Tensor]) -> None:
    """Raise `ValueError` naming the tensor from which whatever is computed means nothing."""
    if (fault := fault_of(tensors)) is not None:
        raise ValueError(fault)
