"""Sanity checks: signs that a robust accuracy is too high because the attacks failed, not because the images held.

After Carlini et al. 2019, Athalye et al. 2018 and the flags of AutoAttack (Croce & Hein 2020). Each check is a function
from diagnostics to whether it trips. Its name is the flag. Its docstring's first line says in a sentence what the flag
means, and the rest how that is found out and what to do: `docs/robustness.md` has them word for word.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import getdoc
from typing import NamedTuple

import torch
from torch import Tensor

TOLERANCE = 0.02
"""Attacks are random: this share of images, and a single image, may differ without meaning anything."""
SMALLEST_GRADIENT = 1e-12
"""Below this L2 norm Foolbox no longer normalises a gradient, and a step in L2 goes nowhere."""


class Share(NamedTuple):
    """So many of so many images."""

    broken: int
    tried: int


@dataclass(frozen=True, eq=False)
class AttackDiagnostics:
    """What the checks are given, for one threat model. Counts are of images."""

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
    only_one_step: Share
    """Images broken by one step along the gradient and by no start of PGD."""
    only_black_box: Mapping[str, Share]
    """For each attack without gradients, of the images it ran on, those that no attack with gradients broke."""
    only_transfer: Share
    """The same for images made against the surrogate; none of none where there was no surrogate."""
    attacked: int
    """How many images were attacked, those classified wrongly included."""
    broken_by_more_steps: int
    """How many of `survivors_checked` images that held against everything, a longer PGD broke."""
    broken_by_more_restarts: int
    """The same for further starts of PGD."""
    survivors_checked: int
    survivors: int
    """How many images held against everything."""


Check = Callable[[AttackDiagnostics], bool]


def matters(count: float, total: int) -> bool:
    """Whether `count` of `total` images is more than what the attacks' randomness explains."""
    return count >= 2 and count > TOLERANCE * total


def repeatable(outputs: Tensor, outputs_again: Tensor) -> bool:
    """Whether two answers to the same images are equal, but for rounding."""
    return torch.allclose(outputs, outputs_again, rtol=1e-4, atol=1e-4, equal_nan=True)


def non_finite_outputs(diagnostics: AttackDiagnostics) -> bool:
    """The classifier's output is NaN or infinite somewhere: it decides nothing there, and gradients are broken.

    Every output is looked at, on the clean images and throughout the attacks, but for images that an attack itself made
    of NaN. An image whose output is not finite counts as broken, but an attack that meets one on its way is lost, so
    what it left standing proves nothing. Look for a division by a standard deviation of 0, the logarithm of 0, or
    training that diverged.
    """
    return not diagnostics.outputs_finite


def non_deterministic_outputs(diagnostics: AttackDiagnostics) -> bool:
    """The same images get different outputs when asked twice: attacks chase noise (average over it instead).

    The test images are asked for twice, and logits must agree to 1e-4. Dropout left on, noise added to the input or a
    random resizing hide the gradient behind chance; an attack on the average over many answers (Athalye et al. 2018)
    sees through it. HopSkipJump and GenAttack are left out for such a classifier, because both compare single answers.
    """
    return not repeatable(diagnostics.outputs, diagnostics.outputs_again)


def outputs_are_not_logits(diagnostics: AttackDiagnostics) -> bool:
    """The outputs are probabilities: a softmax on top of the attack's own flattens its gradients.

    It trips when on every test image the outputs are at least 0 and sum to 1. The cross-entropy takes the softmax
    itself; a second one keeps the loss between two near values, where steps and checks mean something else than they
    do for logits. Return the logits, and take the softmax outside of the classifier.
    """
    outputs = diagnostics.outputs
    sums_to_one = (outputs.sum(1) - 1).abs() < 1e-3
    return bool(((outputs >= 0).all(1) & sums_to_one).all())


def zero_gradients(diagnostics: AttackDiagnostics) -> bool:
    """The cross-entropy has no gradient at some images: attacks that follow it stay where they are.

    The gradient at each image that is classified correctly is measured; more than 2 % of them (and at least two) may
    not be 0. A detached or rounded input has none; large logits have none in float32 once the probability of the label
    is 1, as after multiplying them by 200, which changes no decision and blinds such an attack (Carlini & Wagner 2017),
    or after training for so long that the classifier is as sure by itself. Every second start of PGD follows the margin
    between the logits and is not blinded by that, so the number may be right all the same; it is not vouched for.
    """
    missing = int((~(diagnostics.gradients > SMALLEST_GRADIENT)).sum())
    return matters(missing, len(diagnostics.gradients))


def epsilon_not_monotone(diagnostics: AttackDiagnostics) -> bool:
    """PGD, started anew at each epsilon, breaks fewer images with a larger one: it is the search that fails.

    What can be done within a small ball can be done within a larger one, so accuracy may never rise with epsilon. The
    robust accuracies themselves cannot show a rise, because what is broken at a smaller epsilon is counted as broken
    at every larger one; so some images are attacked at each epsilon from scratch. Gradients that fade away from the
    data make it trip, and so do steps that are too long for the large ball. Try other step sizes and more starts.
    """
    held = diagnostics.held_from_scratch
    rises = (after - min(held[: place + 1]) for place, after in enumerate(held[1:]))
    return any(matters(rise, diagnostics.checked) for rise in rises)


def large_epsilon_above_chance(diagnostics: AttackDiagnostics) -> bool:
    """Images hold against PGD at an epsilon that could turn each into the same grey: the attack does not work.

    At an L∞ distance of .5 (in L2, .5 times the square root of the number of pixels) every image can become plain grey,
    on which no classifier can be right more often than by always naming one class. If more than one image in C, the
    number of classes, still stands there, then the gradients lead nowhere, and they do so at smaller epsilons too.
    """
    return diagnostics.held_at_large_epsilon > diagnostics.checked / diagnostics.outputs.shape[1]


def one_step_beats_iterated(diagnostics: AttackDiagnostics) -> bool:
    """One step along the gradient breaks images that PGD could not: the gradients near the images mislead.

    FGSM (Goodfellow et al. 2015) is PGD with a single step of epsilon, so on the same images many steps must do at
    least as well. Where they do not, the way is rough or flat between the image and the far side of the ball: a local
    maximum, a gradient masked a little off the data. What FGSM broke does count in the worst case, but PGD is not to be
    trusted.
    """
    return matters(*diagnostics.only_one_step)


def black_box_beats_white_box(diagnostics: AttackDiagnostics) -> bool:
    """Attacks without gradients break images that attacks with gradients could not: the gradients mislead.

    Square, HopSkipJump, GenAttack and noise know less than the attacks that follow the gradient, and may not do better.
    Each is compared on the images that it ran on, and on those alone: it trips when more than 2 % of them, and at least
    two, fell to it and to no attack with gradients. A rounded input or a detached gradient is the usual cause; attack a
    smooth stand-in for that step (BPDA, Athalye et al. 2018).
    """
    return any(matters(*share) for share in diagnostics.only_black_box.values())


def transfer_beats_white_box(diagnostics: AttackDiagnostics) -> bool:
    """Images made against another classifier break what attacks with gradients could not: the gradients mislead.

    The other classifier is an undefended one, for the arms of a study the classifier before any tuning; PGD on it never
    asks the one under attack. On the same images an attack that sees everything must do at least as well. Without a
    surrogate, as for the classifier before tuning itself, the check is not made. What to do is as for attacks without
    gradients.
    """
    return matters(*diagnostics.only_transfer)


def more_steps_help(diagnostics: AttackDiagnostics) -> bool:
    """A longer PGD breaks images that had held: the attacks stopped too early, and the accuracy is too high.

    Some of the images that held against everything are attacked with three times the steps (`check_steps_factor`), each
    shorter, so that the path is both finer and farther; the share that falls is carried over to all that held, and more
    than 2 % of the images attacked is too many. Raise `pgd_steps`, or use the settings for final numbers (`THOROUGH`).
    """
    return carried_over_matters(diagnostics, diagnostics.broken_by_more_steps)


def more_restarts_help(diagnostics: AttackDiagnostics) -> bool:
    """Further starts of PGD break images that had held: one more throw of the dice lowers the accuracy.

    The same images as for `more_steps_help` are attacked from further random starts (`check_restarts`), which follow
    cross-entropy and margin in turn. Where these still find something, the loss has many local maxima, and the worst
    case is worse than what was found. Raise `pgd_restarts`, or use the settings for final numbers (`THOROUGH`).
    """
    return carried_over_matters(diagnostics, diagnostics.broken_by_more_restarts)


def carried_over_matters(diagnostics: AttackDiagnostics, broken: int) -> bool:
    """Whether `broken` of the survivors checked, carried over to all survivors, is more than chance."""
    if diagnostics.survivors_checked == 0:
        return False
    expected = broken * diagnostics.survivors / diagnostics.survivors_checked
    return broken >= 2 and matters(expected, diagnostics.attacked)


CHECKS: tuple[Check, ...] = (
    non_finite_outputs,
    non_deterministic_outputs,
    outputs_are_not_logits,
    zero_gradients,
    epsilon_not_monotone,
    large_epsilon_above_chance,
    one_step_beats_iterated,
    black_box_beats_white_box,
    transfer_beats_white_box,
    more_steps_help,
    more_restarts_help,
)


def flags(diagnostics: AttackDiagnostics) -> tuple[str, ...]:
    """The names of the checks that trip, in the order of `CHECKS`."""
    return tuple(check.__name__ for check in CHECKS if check(diagnostics))


def meanings() -> dict[str, str]:
    """Each flag with the one sentence that says what it means."""
    return {check.__name__: (getdoc(check) or "").partition("\n")[0] for check in CHECKS}
