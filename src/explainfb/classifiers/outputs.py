"""What networks of all kinds return, as logits: a tensor, or one inside a tuple, a dictionary or a record."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

NAMES = ("logits", "out", "output")
"""What the logits are called in a dictionary or a record, such as those of transformers and of torchvision."""
BOUNDED = ("Sigmoid", "Softmax")
"""How autograd's names of what squeezes outputs into [0, 1] begin."""
PASSING = ("Clamp", "Clip", "View", "Reshape", "Squeeze", "Unsqueeze", "Alias", "Clone", "ToCopy", "Minimum", "Maximum")
"""How names begin of what leaves such outputs in [0, 1]."""


def logits_of(found: Any, classes: int) -> Tensor:
    """(N, classes) logits; what cannot be understood is returned as it is, for the one who tries the network.

    The first of several outputs counts: auxiliary heads, which some networks have in training mode, come after it. One
    logit z for two classes is the difference of the two: they become 0 and z.
    """
    logits = _tensor_in(found)
    if isinstance(logits, Tensor) and classes == 2 and logits.shape[1:] in ((), (1,)):
        second = logits.reshape(-1, 1)
        return torch.cat([torch.zeros_like(second), second], dim=1)
    return logits  # type: ignore[no-any-return]


def _tensor_in(found: Any) -> Any:
    if isinstance(found, Mapping):
        return next((found[name] for name in NAMES if name in found), found)
    for name in NAMES:
        if isinstance(getattr(found, name, None), Tensor):
            return getattr(found, name)
    return found[0] if isinstance(found, tuple | list) and found else found


def are_probabilities(outputs: Tensor) -> bool:
    """Whether outputs (N, classes) are in [0, 1] because a softmax or a sigmoid made them so.

    `outputs` should have a gradient: fresh logits are often small and positive too, and only what they were computed
    by tells them apart. Without one, rows that sum to 1 are taken for probabilities.
    """
    if not bool(((outputs >= 0) & (outputs <= 1)).all()):
        return False
    if torch.allclose(outputs.sum(1), outputs.new_ones(()), atol=1e-4):
        return True
    step = outputs.grad_fn
    while step is not None and step.name().startswith(PASSING) and step.next_functions:
        step = step.next_functions[0][0]
    return step is not None and step.name().startswith(BOUNDED)


def number_of_classes(found: Any) -> int | None:
    """How many classes the outputs of some images are of, two for one logit; None where there are no logits."""
    logits = _tensor_in(found)
    if not isinstance(logits, Tensor) or logits.ndim not in (1, 2):
        return None
    return 2 if logits.ndim == 1 else max(2, logits.shape[1])
