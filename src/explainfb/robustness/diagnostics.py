"""What the sanity checks are given, gathered from a classifier and from the attacks on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.core.types import IntArray, Norm
from explainfb.robustness.attacked_model import AttackedModel, BoolArray, wrong_outputs
from explainfb.robustness.attacks import Attacker
from explainfb.robustness.sanity_checks import AttackDiagnostics, Share, repeatable

WITHOUT_GRADIENTS = ("square", "noise", "hop_skip_jump", "gen_attack")
ONE_STEP = "fgsm"
ITERATED = "pgd"
TRANSFER = "transfer"
LARGE_EPSILON = 0.5
"""L∞ distance at which every image of pixels in [0, 1] can be turned into the same grey."""


@dataclass(frozen=True, eq=False)
class Broken:
    """What one attack did."""

    rows: BoolArray
    """(epsilons, N): which images it broke at each ascending epsilon; those misclassified to begin with count."""
    tried: BoolArray
    """(N,): which images it ran on, all of them classified correctly."""

    def accuracy_alone(self, row: int, clean_accuracy: float) -> float:
        """The accuracy under this attack alone, estimated on the images that it ran on."""
        held = ~self.rows[row][self.tried]
        return round(clean_accuracy * float(held.mean()), 12) if len(held) else clean_accuracy


@dataclass(frozen=True, eq=False)
class Clean:
    """What the classifier does before anyone attacks it."""

    outputs: Tensor
    outputs_again: Tensor
    wrong: BoolArray
    gradients: Tensor
    """L2 norm of the cross-entropy's gradient at each image that is not wrong."""

    @property
    def accuracy(self) -> float:
        """The share that is classified correctly."""
        return 1 - float(self.wrong.mean())

    @property
    def consistent(self) -> bool:
        """Whether equal images get equal, finite outputs. An attack that compares single answers is lost without."""
        return bool(torch.isfinite(self.outputs).all()) and repeatable(self.outputs, self.outputs_again)


def inspect_clean(target: AttackedModel, images: Tensor, labels: Tensor, batch_size: int) -> Clean:
    """Ask the classifier twice, and for its gradients."""
    outputs = outputs_of(target, images, batch_size)
    wrong = wrong_outputs(outputs, labels)
    gradients = loss_gradients(target, images[~wrong], labels[~wrong], batch_size)
    return Clean(outputs, outputs_of(target, images, batch_size), wrong.cpu().numpy(), gradients)


def loss_gradients(target: AttackedModel, images: Tensor, labels: Tensor, batch_size: int) -> Tensor:
    """(N,): L2 norm of the gradient of the cross-entropy with respect to each image."""
    norms = [torch.zeros(0, device=images.device)]
    for batch, truth in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        moved = batch.detach().clone().requires_grad_()
        loss = F.cross_entropy(target(moved), truth, reduction="sum")  # a mean would divide by the size of the batch
        norms.append(torch.autograd.grad(loss, moved)[0].flatten(1).norm(dim=1))
    return torch.cat(norms)


def outputs_of(target: AttackedModel, images: Tensor, batch_size: int) -> Tensor:
    """(N, classes): the classifier's logits."""
    with torch.no_grad():
        return torch.cat([target(batch) for batch in images.split(batch_size)])


def large_epsilon(norm: Norm, images: Tensor) -> float:
    """The epsilon with which every image can be turned into the same grey."""
    return LARGE_EPSILON if norm == "linf" else LARGE_EPSILON * float(images[0].numel()) ** 0.5


def held_from_scratch(attacker: Attacker, checked: IntArray, epsilons: Sequence[float]) -> tuple[int, ...]:
    """How many of the `checked` images PGD leaves standing at each epsilon, starting anew each time."""
    return tuple(int((~attacker.pgd(checked, epsilon)).sum()) for epsilon in epsilons)


def gather_diagnostics(
    attacker: Attacker, clean: Clean, broken: Mapping[str, Broken], order: IntArray, epsilons: Sequence[float]
) -> list[AttackDiagnostics]:
    """What the sanity checks need, for each epsilon of the attacker's norm; `order` is the images at random."""
    checked = order[~clean.wrong[order]][: attacker.settings.check_images]
    # from scratch at each epsilon: robust accuracies cannot rise with it, even where the attack fails, because an image
    # that is broken at one epsilon counts as broken at every larger one
    held = held_from_scratch(attacker, checked, (*epsilons, large_epsilon(attacker.norm, attacker.images)))
    gathered = []
    for row, epsilon in enumerate(epsilons):
        survivors = order[~np.any([found.rows[row] for found in broken.values()], axis=0)[order]]
        tried = survivors[: attacker.settings.check_images]
        gathered.append(
            AttackDiagnostics(
                outputs=clean.outputs,
                outputs_again=clean.outputs_again,
                outputs_finite=attacker.target.finite,
                gradients=clean.gradients,
                held_from_scratch=held[:-1],
                held_at_large_epsilon=held[-1],
                checked=len(checked),
                only_one_step=only_by(ONE_STEP, [ITERATED], broken, row),
                only_black_box={
                    name: only_by(name, white_box(broken), broken, row) for name in WITHOUT_GRADIENTS if name in broken
                },
                only_transfer=only_by(TRANSFER, white_box(broken), broken, row) if TRANSFER in broken else Share(0, 0),
                attacked=len(order),
                broken_by_more_steps=int(breaks_with_more_steps(attacker, tried, epsilon).sum()),
                broken_by_more_restarts=int(breaks_with_more_starts(attacker, tried, epsilon).sum()),
                survivors_checked=len(tried),
                survivors=len(survivors),
            )
        )
    return gathered


def white_box(broken: Mapping[str, Broken]) -> list[str]:
    """The names of the attacks that follow the classifier's own gradients."""
    return [name for name in broken if name not in (*WITHOUT_GRADIENTS, TRANSFER)]


def only_by(name: str, others: Sequence[str], broken: Mapping[str, Broken], row: int) -> Share:
    """Of the images that the attack `name` ran on, those that it broke and none of `others` did."""
    by_others = np.any([broken[other].rows[row] for other in others], axis=0)
    tried = broken[name].tried
    return Share(int((broken[name].rows[row] & ~by_others & tried).sum()), int(tried.sum()))


def breaks_with_more_steps(attacker: Attacker, tried: IntArray, epsilon: float) -> BoolArray:
    """(len(tried),): what a longer PGD breaks."""
    return attacker.pgd(tried, epsilon, slower=attacker.settings.check_steps_factor)


def breaks_with_more_starts(attacker: Attacker, tried: IntArray, epsilon: float) -> BoolArray:
    """(len(tried),): what further starts of PGD break."""
    broken = np.zeros(len(tried), dtype=bool)
    for extra in range(attacker.settings.check_restarts):
        left = np.flatnonzero(~broken)
        broken[left] = attacker.pgd(tried[left], epsilon, restart=attacker.settings.pgd_restarts + extra)
    return broken
