"""Honesty checks: signs that a robust accuracy is too high because the attacks failed, not because the images held.

After Carlini et al. 2019, Athalye et al. 2018 and the flags of AutoAttack (Croce & Hein 2020). Each check is a function
from the evidence to whether it trips; its name is the flag and its docstring is what the flag means.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

TOLERANCE = 0.02
"""Attacks are random: this share of images, and a single image, may differ without meaning anything."""
SMALLEST_GRADIENT = 1e-12
"""Below this L2 norm Foolbox no longer normalises a gradient, and a step in L2 goes nowhere."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the checks look at, for one threat model. Counts are of images."""

    outputs: Tensor
    """(N, classes): the classifier's output on the clean images."""
    outputs_again: Tensor
    """(N, classes): its output on the same images, asked once more."""
    outputs_finite: bool
    """Whether every output was finite, on clean images and throughout the attacks."""
    gradients: Tensor
    """(M,): L2 norm of the cross-entropy's gradient at each image that is classified correctly."""
    held_from_scratch: tuple[int, ...]
    """How many of `checked` images held against PGD at each epsilon of the norm, ascending, each started anew."""
    held_at_large_epsilon: int
    """The same at an epsilon with which every image can be turned into the same grey."""
    checked: int
    """How many correctly classified images the two fields above are about."""
    only_black_box: int
    """Images broken by an attack without gradients and by none with gradients."""
    attacked: int
    """How many images were attacked, those classified wrongly included."""
    broken_by_more_steps: int
    """How many of `survivors_checked` images that held against everything, a longer PGD broke."""
    survivors_checked: int
    survivors: int
    """How many images held against everything."""


Check = Callable[[Evidence], bool]


def matters(count: float, total: int) -> bool:
    """Whether `count` of `total` images is more than what the attacks' randomness explains."""
    return count >= 2 and count > TOLERANCE * total


def non_finite_outputs(evidence: Evidence) -> bool:
    """The classifier's output is NaN or infinite somewhere: it decides nothing there, and gradients are broken."""
    return not evidence.outputs_finite


def non_deterministic_outputs(evidence: Evidence) -> bool:
    """The same images get different outputs when asked twice: attacks chase noise (average over it instead)."""
    outputs = evidence.outputs
    return not torch.allclose(outputs, evidence.outputs_again, rtol=1e-4, atol=1e-4, equal_nan=True)


def outputs_are_not_logits(evidence: Evidence) -> bool:
    """The outputs are probabilities: a softmax on top of the attack's own flattens its gradients."""
    outputs = evidence.outputs
    sums_to_one = (outputs.sum(1) - 1).abs() < 1e-3
    return bool(((outputs >= 0).all(1) & sums_to_one).all())


def zero_gradients(evidence: Evidence) -> bool:
    """The cross-entropy has no gradient at some images: attacks that follow it stay where they are."""
    missing = int((~(evidence.gradients > SMALLEST_GRADIENT)).sum())
    return matters(missing, len(evidence.gradients))


def epsilon_not_monotone(evidence: Evidence) -> bool:
    """PGD, started anew at each epsilon, breaks fewer images with a larger one: it is the search that fails.

    The robust accuracies themselves cannot show this, because what is broken at a smaller epsilon is counted as broken
    at every larger one.
    """
    held = evidence.held_from_scratch
    rises = (after - min(held[: place + 1]) for place, after in enumerate(held[1:]))
    return any(matters(rise, evidence.checked) for rise in rises)


def large_epsilon_above_chance(evidence: Evidence) -> bool:
    """Images hold against PGD at an epsilon that could turn each into the same grey: the attack does not work."""
    return evidence.held_at_large_epsilon > evidence.checked / evidence.outputs.shape[1]


def black_box_beats_white_box(evidence: Evidence) -> bool:
    """Attacks without gradients break images that attacks with gradients could not: the gradients mislead."""
    return matters(evidence.only_black_box, evidence.attacked)


def more_steps_help(evidence: Evidence) -> bool:
    """A longer PGD breaks images that had held: the attacks stopped too early, and the accuracy is too high."""
    if evidence.survivors_checked == 0:
        return False
    expected = evidence.broken_by_more_steps * evidence.survivors / evidence.survivors_checked
    return evidence.broken_by_more_steps >= 2 and matters(expected, evidence.attacked)


CHECKS: tuple[Check, ...] = (
    non_finite_outputs,
    non_deterministic_outputs,
    outputs_are_not_logits,
    zero_gradients,
    epsilon_not_monotone,
    large_epsilon_above_chance,
    black_box_beats_white_box,
    more_steps_help,
)


def flags(evidence: Evidence) -> tuple[str, ...]:
    """The names of the checks that trip, in the order of `CHECKS`."""
    return tuple(check.__name__ for check in CHECKS if check(evidence))


def meanings() -> dict[str, str]:
    """Each flag with the one sentence that says what it means."""
    return {check.__name__: (check.__doc__ or "").strip().partition("\n")[0] for check in CHECKS}
