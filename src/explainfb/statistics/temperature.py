"""Temperature scaling (Guo, Pleiss, Sun & Weinberger 2017): one number that all logits are divided by.

    T = argmin_T  −1/N · Σ_n log softmax(z_n / T)[y_n]

z_n are the logits of validation image n and y_n its label. No decision changes, so accuracy stays what it is. The mean
is convex in 1/T (Boyd & Vandenberghe 2004, §3.1.5) and so has a single valley in log T, which Brent's method finds.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor

from explainfb.core.errors import InputError

LIMITS = (0.05, 100.0)
"""The temperatures between which the best is searched for."""


@dataclass(frozen=True)
class Temperature:
    """A temperature, and whether the images it was fitted to could tell it."""

    value: float
    """Above 1 it lowers confidence, below 1 it raises it."""
    at_limit: bool = False
    """Whether it is an end of `LIMITS`, behind which the likelihood may rise further. So it is at the lower end where
    every image is right: the more confident, the likelier."""

    def __post_init__(self) -> None:
        if not 0 < self.value < math.inf:
            raise InputError(f"A temperature must be a positive number; found {self.value}.")

    def __call__(self, logits: Tensor) -> Tensor:
        """float64 logits of the same shape, divided by the temperature."""
        return logits.double() / self.value


def fit_temperature(logits: Tensor, labels: Tensor) -> Temperature:
    """The temperature with the lowest negative log-likelihood of `labels` (N,) under `logits` (N, classes).

    Raises `InputError` for shapes that do not fit, for labels that are no class, and for logits that are not finite.
    """
    check_logits(logits, labels)
    logits, labels = logits.detach().cpu().double(), labels.cpu()

    def loss(log_temperature: float) -> float:
        return F.cross_entropy(logits / math.exp(log_temperature), labels).item()

    low, high = (math.log(limit) for limit in LIMITS)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-7})
    # the bounded search comes near its ends and never tries them
    _, best = min((loss(end), end) for end in (low, high, float(found.x)))
    return Temperature(math.exp(best), at_limit=best in (low, high))


def check_logits(logits: Tensor, labels: Tensor) -> None:
    """Raise `InputError` unless `logits` (N, classes) are finite numbers and `labels` (N,) are among the classes."""
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or len(labels) == 0 or logits.shape[1] < 2:
        raise InputError(
            f"A temperature needs logits (N, classes) and labels (N,), N at least 1 and classes at least 2; "
            f"found {tuple(logits.shape)} and {tuple(labels.shape)}."
        )
    if not bool(torch.isfinite(logits).all()):
        raise InputError("A temperature needs finite logits; found NaN or infinity, so remove what broke them.")
    if bool((labels < 0).any()) or bool((labels >= logits.shape[1]).any()):
        raise InputError(
            f"Labels must lie in 0 … {logits.shape[1] - 1}; found {int(labels.min())} … {int(labels.max())}."
        )
