"""AdvGAN's training: L = w·L_adv + L_GAN + h·L_hinge (Xiao et al. 2018, equations 1 to 4).

    L_adv    max(z_y − max_{k≠y} z_k + margin, 0), of the classifier or of what is distilled from it
    L_GAN    (D(x + G(x)) − 1)², least squares (Mao et al. 2017)
    L_hinge  max(‖G(x)‖₂ − c, 0), c half of the longest change that ε allows

Every step draws its images by its number, so that a training that was stopped goes on as one that was not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainfb.core.errors import InputError
from explainfb.core.files import write_whole
from explainfb.core.seeding import torch_generator, torch_globally
from explainfb.robustness.learned.networks import Generator, discriminator, student
from explainfb.robustness.learned.settings import AdvGANSettings

WARM_UP = 3
"""Steps of the distilled model for each of the generator's first."""


@dataclass(eq=False)
class Players:
    """The networks that learn, and what moves them."""

    generator: Generator
    discriminator: nn.Module
    student: nn.Module | None
    optimisers: dict[str, torch.optim.Optimizer]

    def state(self, step: int, identity: str) -> dict[str, Any]:
        found: dict[str, Any] = {"step": step, "identity": identity, "generator": self.generator.state_dict()}
        found["discriminator"] = self.discriminator.state_dict()
        if self.student is not None:
            found["student"] = self.student.state_dict()
        return found | {f"adam {name}": each.state_dict() for name, each in self.optimisers.items()}

    def load(self, state: dict[str, Any]) -> None:
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        if self.student is not None:
            self.student.load_state_dict(state["student"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state[f"adam {name}"])


def players(shape: tuple[int, int, int], classes: int, epsilon: float, settings: AdvGANSettings, seed: int) -> Players:
    """Fresh networks, whose weights are drawn from `seed`."""
    channels, height, width = shape
    with torch_globally(seed, "advgan", "weights"):
        made: dict[str, nn.Module] = {
            "generator": Generator(channels, epsilon),
            "discriminator": discriminator(channels),
        }
        if settings.knows == "answers":
            made["student"] = student(channels, height, width, classes)
    adam = {name: torch.optim.Adam(each.parameters(), lr=settings.learning_rate) for name, each in made.items()}
    generator = made["generator"]
    assert isinstance(generator, Generator)
    return Players(generator, made["discriminator"], made.get("student"), dict(adam))


def train_generator(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    classes: int,
    epsilon: float,
    settings: AdvGANSettings,
    seed: int,
    file: Path | None = None,
    identity: str = "",
    on_step: Callable[[float], None] | None = None,
) -> Generator:
    """A generator trained against `classifier`, which is in evaluation mode with frozen parameters.

    With a `file`, what is there is gone on with, and what is learned is written there. Raises `InputError` for a file
    of another adversary, `identity` saying which this is.
    """
    shape = (images.shape[1], images.shape[2], images.shape[3])
    device = images.device
    all_players = players(shape, classes, epsilon, settings, seed)
    for each in (all_players.generator, all_players.discriminator, all_players.student):
        if each is not None:
            each.to(device)
    done = _resume(all_players, file, identity)
    for step in range(done + 1, settings.steps + 1):
        chosen = torch.randint(
            len(images), (settings.batch_size,), generator=torch_generator(seed, "advgan", "batch", step)
        )
        _step(all_players, classifier, images[chosen], labels[chosen], settings, step)
        if file is not None and (step % settings.save_every == 0 or step == settings.steps):
            state = all_players.state(step, identity)
            write_whole(file, lambda partial, state=state: torch.save(state, partial))  # type: ignore[misc]
        if on_step is not None:
            on_step(1 / settings.steps)
    return all_players.generator.eval()


def _resume(all_players: Players, file: Path | None, identity: str) -> int:
    """How many steps the file has behind it, 0 where there is none."""
    if file is None or not file.is_file():
        return 0
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        same = state["identity"] == identity
        if same:
            all_players.load(state)
            return int(state["step"])
    except Exception as error:  # torch raises errors of many kinds on files that are no pickles of its own
        raise InputError(f"{file} is damaged or holds no adversary ({type(error).__name__}); delete it.") from error
    raise InputError(f"{file} holds an adversary of another classifier, settings, seed or ε; give another file.")


def _step(
    all_players: Players, classifier: nn.Module, images: Tensor, labels: Tensor, settings: AdvGANSettings, step: int
) -> None:
    generator, judge, optimisers = all_players.generator, all_players.discriminator, all_players.optimisers
    asked: nn.Module = classifier
    if all_players.student is not None:
        asked = all_players.student
        for _ in range(WARM_UP if step <= settings.steps // 2 else 1):
            _distil(all_players, classifier, images)
    change = generator(images)
    moved = (images + change).clamp(0, 1)
    optimisers["discriminator"].zero_grad(set_to_none=True)
    real, fake = judge(images), judge(moved.detach())
    ((real - 1) ** 2 + fake**2).mean().backward()
    optimisers["discriminator"].step()
    optimisers["generator"].zero_grad(set_to_none=True)
    logits = asked(moved)
    truth = logits.gather(1, labels[:, None])[:, 0]
    other = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    adversarial = (truth - other + settings.margin).clamp_min(0).mean()
    longest = generator.epsilon * images[0].numel() ** 0.5
    hinge = (change.flatten(1).norm(dim=1) / longest - 0.5).clamp_min(0).mean()
    fooled = ((judge(moved) - 1) ** 2).mean()
    (settings.adversarial_weight * adversarial + fooled + settings.hinge_weight * hinge).backward()
    optimisers["generator"].step()


def _distil(all_players: Players, classifier: nn.Module, images: Tensor) -> None:
    """A step of the student towards the classifier's answers, on images and on what the generator makes of them."""
    learner = all_players.student
    assert learner is not None
    with torch.no_grad():
        shown = torch.cat([images, (images + all_players.generator(images)).clamp(0, 1)])
        answers = classifier(shown).softmax(1)
    optimiser = all_players.optimisers["student"]
    optimiser.zero_grad(set_to_none=True)
    F.cross_entropy(learner(shown), answers).backward()
    optimiser.step()
