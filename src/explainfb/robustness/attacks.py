"""Attacks on a classifier: Foolbox's (Rauber et al. 2017), of which this is the only importer, and two of our own.

Each says which images it broke. An image that an attack returns counts only once `target.verified` has checked it.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.core.seeding import derive, torch_generator
from explainfb.core.types import IntArray, Norm
from explainfb.robustness.attacked_model import AttackedModel, BoolArray, verified
from explainfb.robustness.learned.settings import AdvGANSettings
from explainfb.robustness.learned.training import train_generator
from explainfb.robustness.pgd import Loss, pgd_attack, random_change
from explainfb.robustness.settings import AttackSettings
from explainfb.robustness.square import margin, square_attack
from explainfb.tasks.task import Split

with warnings.catch_warnings():
    # Foolbox 3.3.4 imports a module of SciPy that is about to go
    warnings.filterwarnings("ignore", message=".*scipy.ndimage.filters", category=DeprecationWarning)
    import foolbox

LOWEST_LOGIT = -1e4
"""Log-probabilities below this are raised to it: GenAttack takes the exponential of what it sees."""
FGSM = {"linf": foolbox.attacks.LinfFastGradientAttack, "l2": foolbox.attacks.L2FastGradientAttack}
DEEPFOOL = {"linf": foolbox.attacks.LinfDeepFoolAttack, "l2": foolbox.attacks.L2DeepFoolAttack}
DEEPFOOL_CLASSES = 4
"""DeepFool considers the boundaries to this many of the likeliest classes, the decision among them."""
NOISE = {
    "linf": foolbox.attacks.LinfRepeatedAdditiveUniformNoiseAttack,
    "l2": foolbox.attacks.L2RepeatedAdditiveGaussianNoiseAttack,
}
MINIMUM_NORM: dict[Norm, str] = {"linf": "fmn", "l2": "ddn"}


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """(n,): the loss that PGD raises."""
    return F.cross_entropy(logits, labels, reduction="none")


def negative_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """(n,): what it raises on every second start; the cross-entropy is flat where the classifier is certain."""
    return -margin(logits, labels)


LOSSES: tuple[Loss, Loss] = (cross_entropy, negative_margin)


@contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Foolbox draws from the global states of torch and numpy: seed them, and put them back afterwards."""
    state = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


class Bounded(torch.nn.Module):
    """A classifier's log-probabilities, never infinite; the decisions are the classifier's own."""

    def __init__(self, target: AttackedModel) -> None:
        super().__init__()
        self.target = target

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.target(images)
        # log-probabilities decide as the logits do, and their exponential cannot overflow
        return logits.log_softmax(1).nan_to_num(nan=LOWEST_LOGIT).clamp_min(LOWEST_LOGIT)


@dataclass(frozen=True, eq=False)
class Attacker:
    """Attacks in one norm. Each takes the images to attack by index and returns which of them it broke.

    Equal seeds break equal images, bit for bit on a CPU.
    """

    target: AttackedModel
    images: Tensor
    """(N, C, H, W) in [0, 1]."""
    labels: Tensor
    """(N,)."""
    norm: Norm
    settings: AttackSettings
    seed: int
    surrogate: AttackedModel | None = None
    """What `transfer` makes its images against."""
    training: Split | None = None
    """The images that `advgan` learns on; those that are attacked without."""

    def pgd(self, chosen: IntArray, epsilon: float, *, restart: int = 0, slower: int = 1) -> BoolArray:
        """(len(chosen),): one start of PGD; `slower` times as many steps, each √`slower` times shorter."""
        return self._pgd(
            self.target, chosen, epsilon, ("pgd", epsilon, restart), loss=LOSSES[restart % 2], slower=slower
        )

    def transfer(self, chosen: IntArray, epsilon: float) -> BoolArray:
        """(len(chosen),): PGD on the margin of the surrogate; only what it returns is shown to the target."""
        assert self.surrogate is not None
        return self._pgd(self.surrogate, chosen, epsilon, ("transfer", epsilon), loss=negative_margin)

    def targeted(self, chosen: IntArray, epsilon: float) -> BoolArray:
        """(len(chosen),): PGD towards each of the likeliest wrong classes in turn, while an image stands."""
        broken = np.zeros(len(chosen), dtype=bool)
        for place, classes in enumerate(self._likeliest(chosen)[:, : self.settings.targeted_classes].T):
            left = np.flatnonzero(~broken)
            name = ("targeted", epsilon, place)
            broken[left] = self._pgd(self.target, chosen[left], epsilon, name, targets=classes[left])
        return broken

    def one_step(self, chosen: IntArray, epsilon: float) -> BoolArray:
        """(len(chosen),): FGSM (Goodfellow et al. 2015), one step of epsilon from the image itself."""
        seed = derive(self.seed, self.norm, "one step")
        return np.asarray(self._foolbox(FGSM[self.norm](random_start=False), chosen, (epsilon,), seed)[0])

    def minimum_norm(self, chosen: IntArray, epsilons: Sequence[float]) -> BoolArray:
        """(len(epsilons), len(chosen)): FMN or DDN, which search for the nearest adversarial image.

        Foolbox 3.3.4's FMN for L2 never projects onto its ball, so DDN takes its place there.
        """
        steps = self.settings.minimum_norm_steps
        if self.norm == "linf":
            attack = foolbox.attacks.LInfFMNAttack(steps=steps, max_stepsize=3.0)
        else:
            attack = foolbox.attacks.DDNAttack(steps=steps, init_epsilon=2.0, gamma=0.2)
        return self._foolbox(attack, chosen, epsilons, derive(self.seed, self.norm, "minimum norm"))

    def deepfool(self, chosen: IntArray, epsilons: Sequence[float]) -> BoolArray:
        """(len(epsilons), len(chosen)): DeepFool, which walks to the nearest boundary of a linear picture."""
        attack = DEEPFOOL[self.norm](steps=self.settings.deepfool_steps, candidates=DEEPFOOL_CLASSES)
        seed = derive(self.seed, self.norm, "deepfool")
        return self._foolbox(attack, chosen, epsilons, seed)

    def noise(self, chosen: IntArray, epsilon: float) -> BoolArray:
        """(len(chosen),): uniform noise in L∞, Gaussian noise of length epsilon in L2, drawn repeatedly."""
        attack = NOISE[self.norm](repeats=self.settings.noise_repeats)
        seed = derive(self.seed, self.norm, "noise", epsilon)
        return np.asarray(self._foolbox(attack, chosen, (epsilon,), seed)[0])

    def square(self, chosen: IntArray, epsilon: float) -> BoolArray:
        """(len(chosen),): random search with squares, which asks for no gradient."""
        generator = torch_generator(self.seed, self.norm, "square", epsilon)
        queries = self.settings.square_queries

        def attack(images: Tensor, labels: Tensor, _: Tensor) -> list[Tensor]:
            options = {"norm": self.norm, "epsilon": epsilon, "queries": queries, "generator": generator}
            return [square_attack(self.target, images, labels, **options)]  # type: ignore[arg-type]

        return np.asarray(self._in_batches(attack, chosen, (epsilon,))[0])

    def gen_attack(self, chosen: IntArray, epsilon: float) -> BoolArray:
        """(len(chosen),): GenAttack's genetic search towards the likeliest wrong class, in L∞."""
        attack = foolbox.attacks.GenAttack(steps=self.settings.gen_attack_steps)
        seed = derive(self.seed, self.norm, "gen_attack", epsilon)
        classes = self._likeliest(chosen)[:, 0]
        bounded = Bounded(self.target).eval()
        return np.asarray(self._foolbox(attack, chosen, (epsilon,), seed, targets=classes, asked=bounded)[0])

    def advgan(self, chosen: IntArray, epsilon: float) -> BoolArray:
        """(len(chosen),): one pass of a generator that was trained against the target for this epsilon."""
        images, labels = (self.images, self.labels) if self.training is None else self._training_images()
        generator = train_generator(
            self.target,
            images,
            labels,
            classes=self._outputs(torch.arange(1, device=self.images.device)).shape[1],
            epsilon=epsilon,
            settings=AdvGANSettings(steps=self.settings.advgan_steps),
            seed=derive(self.seed, "advgan", epsilon),
        )

        @torch.no_grad()
        def attack(images: Tensor, labels: Tensor, _: Tensor) -> list[Tensor]:
            return [(images + generator(images)).clamp(0, 1)]

        return np.asarray(self._in_batches(attack, chosen, (epsilon,))[0])

    def _training_images(self) -> tuple[Tensor, Tensor]:
        assert self.training is not None
        return self.training.images.to(self.images.device), self.training.labels.to(self.images.device)

    def hop_skip_jump(self, chosen: IntArray, epsilons: Sequence[float]) -> BoolArray:
        """(len(epsilons), len(chosen)): HopSkipJump, from an image of the data that is decided otherwise.

        Where there is none, or where the classifier contradicts itself so that the walk ends, nothing is broken.
        """
        decided = self._decisions().cpu().numpy()
        other = [np.flatnonzero(decided != label) for label in self.labels[chosen].cpu().numpy()]
        if any(len(found) == 0 for found in other):
            return np.zeros((len(epsilons), len(chosen)), dtype=bool)
        starts = self.images[[found[place % len(found)] for place, found in enumerate(other)]]
        attack = foolbox.attacks.HopSkipJumpAttack(
            steps=self.settings.hop_skip_jump_steps, initial_gradient_eval_steps=50, constraint=self.norm
        )
        seed = derive(self.seed, self.norm, "hop_skip_jump")
        try:
            return self._foolbox(attack, chosen, epsilons, seed, starts=starts)
        except (AssertionError, ValueError):  # Foolbox asserts that its starts stay adversarial
            return np.zeros((len(epsilons), len(chosen)), dtype=bool)

    @torch.no_grad()
    def _outputs(self, chosen: Tensor) -> Tensor:
        return torch.cat([self.target(self.images[part]) for part in chosen.split(self.settings.batch_size)])

    def _decisions(self) -> Tensor:
        return self._outputs(torch.arange(len(self.images), device=self.images.device)).argmax(1)

    def _likeliest(self, chosen: IntArray) -> Tensor:
        """(len(chosen), classes − 1): the classes that are not the label, the likeliest first."""
        places = torch.as_tensor(chosen, device=self.images.device)
        # NaN would come first in a descending order; the label, made the least likely, comes last and is dropped
        outputs = self._outputs(places).nan_to_num().scatter(1, self.labels[places][:, None], -torch.inf)
        return outputs.argsort(1, descending=True)[:, :-1]

    def _pgd(
        self,
        asked: AttackedModel,
        chosen: IntArray,
        epsilon: float,
        name: tuple[str | float, ...],
        *,
        loss: Loss = negative_margin,
        slower: int = 1,
        targets: Tensor | None = None,
    ) -> BoolArray:
        """One start of PGD on `asked`, each name with random numbers of its own."""
        generator = torch_generator(self.seed, self.norm, *name)
        step = epsilon * self.settings.pgd_relative_step / slower**0.5

        def attack(images: Tensor, labels: Tensor, rows: Tensor) -> list[Tensor]:
            moved = pgd_attack(
                asked,
                images,
                labels,
                norm=self.norm,
                epsilon=epsilon,
                steps=self.settings.pgd_steps * slower,
                step=step,
                loss=loss,
                start=random_change(images, self.norm, epsilon, generator),
                targets=None if targets is None else targets[rows],
            )
            return [moved]

        return np.asarray(self._in_batches(attack, chosen, (epsilon,))[0])

    def _foolbox(
        self,
        attack: foolbox.Attack,
        chosen: IntArray,
        epsilons: Sequence[float],
        seed: int,
        *,
        targets: Tensor | None = None,
        starts: Tensor | None = None,
        asked: torch.nn.Module | None = None,
    ) -> BoolArray:
        model = foolbox.PyTorchModel(asked or self.target, bounds=(0, 1), device=self.images.device)

        def run(images: Tensor, labels: Tensor, rows: Tensor) -> list[Tensor]:
            criterion = labels if targets is None else foolbox.criteria.TargetedMisclassification(targets[rows])
            options = {} if starts is None else {"starting_points": starts[rows]}
            found: list[Tensor] = attack(model, images, criterion, epsilons=list(epsilons), **options)[1]
            return found

        with seeded(self.images.device, seed):
            return self._in_batches(run, chosen, epsilons)

    def _in_batches(
        self, attack: Callable[[Tensor, Tensor, Tensor], list[Tensor]], chosen: IntArray, epsilons: Sequence[float]
    ) -> BoolArray:
        """(len(epsilons), len(chosen)): `attack` gets images, labels and their places in `chosen`, a batch at a time.

        It returns the candidates for each epsilon.
        """
        columns = [np.zeros((len(epsilons), 0), dtype=bool)]
        places = torch.as_tensor(chosen, device=self.images.device)
        for rows in torch.arange(len(chosen), device=self.images.device).split(self.settings.batch_size):
            if len(rows) == 0:  # nothing splits into one empty batch, at which `x.view(len(x), -1)` in a network fails
                continue
            images, labels = self.images[places[rows]], self.labels[places[rows]]
            found = zip(attack(images, labels, rows), epsilons, strict=True)
            columns.append(
                np.stack([verified(self.target, images, tried, labels, self.norm, epsilon) for tried, epsilon in found])
            )
        return np.concatenate(columns, axis=1)
