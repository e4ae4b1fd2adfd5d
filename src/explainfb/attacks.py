"""Attacks on a classifier: Foolbox's (Rauber et al. 2017), of which this is the only importer, and one of our own.

Each says which images it broke. What an attack returns is believed only after it has been checked here.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

import eagerpy
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from explainfb.classifiers import Classifier
from explainfb.errors import InputError
from explainfb.seeds import derive, torch_generator
from explainfb.square import margin, square_attack
from explainfb.types import IntArray, Norm

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=".*scipy.ndimage.filters", category=DeprecationWarning)
    import foolbox

BoolArray = npt.NDArray[np.bool_]
ROUNDING = 1e-6
"""By how much a float32 image may overstep epsilon."""


@dataclass(frozen=True, kw_only=True)
class AttackSettings:
    """How hard to attack, and on how many images."""

    pgd_steps: int = 20
    pgd_relative_step: float = 0.2
    """A step of PGD (Madry et al. 2018) as a share of epsilon. Foolbox's .033 for L∞ and .025 for L2 are too short to
    reach the far side of the ball in 20 steps, and leave images standing that fall to this."""
    pgd_restarts: int = 2
    """The first follows the cross-entropy, the second the margin between the logits, and so on in turn."""
    minimum_norm_steps: int = 20
    """Of FMN (Pintor et al. 2021) in L∞ and DDN (Rony et al. 2019) in L2; one run serves every epsilon."""
    square_queries: int = 100
    square_images: int = 100
    """On how many images, drawn at random, the attack without gradients runs; it is the dearest."""
    noise_repeats: int = 10
    check_images: int = 32
    """On how many images the honesty checks run PGD anew."""
    check_steps_factor: int = 3
    """How many times more steps `more_steps_help` tries, each shorter by the square root of it: finer, and farther."""
    batch_size: int = 256

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = getattr(self, setting.name)
            if not value > 0:
                raise InputError(f"AttackSettings.{setting.name} must be greater than 0; found {value}.")


class Target(nn.Module):
    """A classifier as attacks see it: always with a gradient, if only zero, and watched for outputs not finite."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier
        self.finite = True

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(images)
        self.finite = self.finite and bool(torch.isfinite(logits).all())
        if images.requires_grad and not logits.requires_grad:
            logits = logits + 0 * images.flatten(1).sum(1, keepdim=True)
        return logits

    @torch.no_grad()
    def wrong(self, images: Tensor, labels: Tensor) -> Tensor:
        """(N,): which images it gets wrong."""
        return wrong_outputs(self(images), labels)


def wrong_outputs(outputs: Tensor, labels: Tensor) -> Tensor:
    """(N,): whether the decision is not the label; an output that is not finite decides nothing, so is wrong."""
    wrong: Tensor = (outputs.argmax(1) != labels) | ~torch.isfinite(outputs).all(1)
    return wrong


@contextmanager
def target_of(classifier: Classifier) -> Iterator[Target]:
    """The classifier in evaluation mode with its parameters frozen; afterwards both are as they were."""
    modes = [(module, module.training) for module in classifier.modules()]
    required = [(parameter, parameter.requires_grad) for parameter in classifier.parameters()]
    try:
        classifier.requires_grad_(False)
        yield Target(classifier).eval()
    finally:
        for module, training in modes:
            module.training = training
        for parameter, was_required in required:
            parameter.requires_grad_(was_required)


@contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Foolbox draws from torch's global state: seed it, and put it back afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def verified(
    target: Target, images: Tensor, candidates: Tensor, labels: Tensor, norm: Norm, epsilon: float
) -> BoolArray:
    """(N,): which candidates are adversarial: finite, in [0, 1], within `epsilon`, and the decision is wrong."""
    pixels = candidates.flatten(1)
    change = (candidates.double() - images.double()).flatten(1)
    length = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    allowed = (torch.isfinite(pixels) & (pixels >= 0) & (pixels <= 1)).all(1) & (length <= epsilon + ROUNDING)
    judged = torch.where(allowed.view(-1, 1, 1, 1), candidates, images)
    adversarial: BoolArray = (allowed & target.wrong(judged, labels)).cpu().numpy()
    return adversarial


class MarginLoss:
    """Follow the margin between the logits; the cross-entropy is flat where the classifier is certain."""

    def get_loss_fn(self, model: foolbox.Model, labels: eagerpy.Tensor) -> Callable[[eagerpy.Tensor], eagerpy.Tensor]:
        return lambda inputs: eagerpy.astensor(-margin(model(inputs).raw, labels.raw).sum())


class MarginLinfPGD(MarginLoss, foolbox.attacks.LinfPGD):  # type: ignore[misc]
    """PGD in L∞ on the margin."""


class MarginL2PGD(MarginLoss, foolbox.attacks.L2PGD):  # type: ignore[misc]
    """PGD in L2 on the margin."""


PGD = {"linf": (foolbox.attacks.LinfPGD, MarginLinfPGD), "l2": (foolbox.attacks.L2PGD, MarginL2PGD)}
NOISE = {
    "linf": foolbox.attacks.LinfRepeatedAdditiveUniformNoiseAttack,
    "l2": foolbox.attacks.L2RepeatedAdditiveGaussianNoiseAttack,
}
MINIMUM_NORM: dict[Norm, str] = {"linf": "fmn", "l2": "ddn"}


@dataclass(frozen=True, eq=False)
class Attacker:
    """Attacks in one norm. Each takes the images to attack by index and returns which of them it broke.

    Equal seeds break equal images, bit for bit on a CPU.
    """

    target: Target
    images: Tensor
    """(N, C, H, W) in [0, 1]."""
    labels: Tensor
    """(N,)."""
    norm: Norm
    settings: AttackSettings
    seed: int

    def pgd(self, chosen: IntArray, epsilon: float, *, restart: int = 0, slower: int = 1) -> BoolArray:
        """(len(chosen),): one start of PGD; `slower` times as many steps, each √`slower` times shorter."""
        attack = PGD[self.norm][restart % 2](
            steps=self.settings.pgd_steps * slower, rel_stepsize=self.settings.pgd_relative_step / slower**0.5
        )
        seed = derive(self.seed, self.norm, "pgd", epsilon, restart)
        return np.asarray(self._foolbox(attack, chosen, (epsilon,), seed)[0])

    def minimum_norm(self, chosen: IntArray, epsilons: Sequence[float]) -> BoolArray:
        """(len(epsilons), len(chosen)): FMN or DDN, which look for the nearest adversarial image.

        Foolbox 3.3.4's FMN for L2 never projects onto its ball, so DDN takes its place there.
        """
        steps = self.settings.minimum_norm_steps
        if self.norm == "linf":
            attack = foolbox.attacks.LInfFMNAttack(steps=steps, max_stepsize=3.0)
        else:
            attack = foolbox.attacks.DDNAttack(steps=steps, init_epsilon=2.0, gamma=0.2)
        return self._foolbox(attack, chosen, epsilons, derive(self.seed, self.norm, "minimum norm"))

    def noise(self, chosen: IntArray, epsilon: float) -> BoolArray:
        """(len(chosen),): uniform noise in L∞, Gaussian noise of length epsilon in L2, drawn repeatedly."""
        attack = NOISE[self.norm](repeats=self.settings.noise_repeats)
        seed = derive(self.seed, self.norm, "noise", epsilon)
        return np.asarray(self._foolbox(attack, chosen, (epsilon,), seed)[0])

    def square(self, chosen: IntArray, epsilon: float) -> BoolArray:
        """(len(chosen),): random search with squares, which asks for no gradient."""
        generator = torch_generator(self.seed, self.norm, "square", epsilon)
        queries = self.settings.square_queries

        def attack(images: Tensor, labels: Tensor) -> list[Tensor]:
            options = {"norm": self.norm, "epsilon": epsilon, "queries": queries, "generator": generator}
            return [square_attack(self.target, images, labels, **options)]  # type: ignore[arg-type]

        return np.asarray(self._in_batches(attack, chosen, (epsilon,))[0])

    def _foolbox(self, attack: foolbox.Attack, chosen: IntArray, epsilons: Sequence[float], seed: int) -> BoolArray:
        model = foolbox.PyTorchModel(self.target, bounds=(0, 1), device=self.images.device)
        with seeded(self.images.device, seed):
            return self._in_batches(
                lambda images, labels: attack(model, images, labels, epsilons=list(epsilons))[1], chosen, epsilons
            )

    def _in_batches(
        self, attack: Callable[[Tensor, Tensor], list[Tensor]], chosen: IntArray, epsilons: Sequence[float]
    ) -> BoolArray:
        """(len(epsilons), len(chosen)): `attack` returns one batch of candidates for each epsilon."""
        columns = [np.zeros((len(epsilons), 0), dtype=bool)]
        for batch in torch.as_tensor(chosen, device=self.images.device).split(self.settings.batch_size):
            if len(batch) == 0:
                continue
            images, labels = self.images[batch], self.labels[batch]
            found = zip(attack(images, labels), epsilons, strict=True)
            columns.append(
                np.stack([verified(self.target, images, tried, labels, self.norm, epsilon) for tried, epsilon in found])
            )
        return np.concatenate(columns, axis=1)
