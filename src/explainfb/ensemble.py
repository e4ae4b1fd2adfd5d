"""An ensemble of reward models, each fitted to its own bootstrap draw of the answers (Christiano et al. 2017)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from explainfb.errors import InputError
from explainfb.reward import ExplainedImages, Kind, Scale, build_reward, preference_loss
from explainfb.seeds import derive, torch_generator


@dataclass(frozen=True, kw_only=True)
class RewardSettings:
    """How the reward is learned."""

    kind: Kind = "additive"
    scale: Scale = "share"
    """What the reward looks at: `share`, weights with Σ|β| = 1, or `probability`, weights as they are."""
    members: int = 3
    steps: int = 300
    batch: int = 64
    learning_rate: float = 1e-2
    noise: float = 0.1
    """The share of answers taken to be uniformly random."""
    weight_decay: float = 1e-3
    """At the start; adapted to keep the validation loss between 1.1 and 1.5 times the training loss."""


class Answers(NamedTuple):
    """Comparisons with their answers, as indices into explained images."""

    left: Tensor
    """(P,) index of the explanation shown on the left."""
    right: Tensor
    """(P,)"""
    share_left: Tensor
    """(P,) float: 1 left is better, 0 right is better, ½ equal."""

    def take(self, indices: Tensor) -> "Answers":
        return Answers(*(part[indices] for part in self))

    def __len__(self) -> int:
        return len(self.left)


class RewardEnsemble(nn.Module):
    """Several reward models; each is normalised to mean 0 and standard deviation 1, then they are averaged."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("mean", torch.zeros(len(members)))
        self.register_buffer("std", torch.ones(len(members)))

    mean: Tensor
    std: Tensor

    @torch.no_grad()
    def normalise(self, explained: ExplainedImages) -> None:
        """Let every member have mean 0 and standard deviation 1 over these explanations."""
        raw = torch.stack([member(explained) for member in self.members])
        self.mean.copy_(raw.mean(1))
        self.std.copy_(raw.std(1).clamp_min(1e-6))

    def each(self, explained: ExplainedImages) -> Tensor:
        """(members, B) normalised rewards."""
        raw = torch.stack([member(explained) for member in self.members])
        return (raw - self.mean[:, None]) / self.std[:, None]

    def forward(self, explained: ExplainedImages) -> Tensor:
        """(B,) rewards."""
        return self.each(explained).mean(0)


def fit_ensemble(
    explained: ExplainedImages, answers: Answers, *, settings: RewardSettings, seed: int
) -> RewardEnsemble:
    """An ensemble fitted to the answers about these explanations.

    Every member sees as many answers as there are, drawn with replacement; the 1/e that were not drawn validate it.
    Raises `InputError` when there are fewer than 4 answers.
    """
    if len(answers) < 4:
        raise InputError(f"A reward needs at least 4 answers to learn from; found {len(answers)}.")
    channels = explained.images.shape[1]
    members = []
    for index in range(settings.members):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "reward", index, "weights"))
            member = build_reward(settings.kind, channels, settings.scale).to(explained.images.device)
        _fit_member(member, explained, answers, settings, torch_generator(seed, "reward", index, "draws"))
        members.append(member.eval())
    ensemble = RewardEnsemble(members).to(explained.images.device).requires_grad_(False).eval()
    ensemble.normalise(explained)
    return ensemble


def _fit_member(
    member: nn.Module,
    explained: ExplainedImages,
    answers: Answers,
    settings: RewardSettings,
    generator: torch.Generator,
) -> None:
    drawn = torch.randint(len(answers), (len(answers),), generator=generator)
    unseen = torch.ones(len(answers), dtype=torch.bool)
    unseen[drawn] = False
    validation = answers.take(unseen.nonzero().squeeze(1))
    optimiser = torch.optim.AdamW(member.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    train_loss = 0.0
    for step in range(1, settings.steps + 1):
        batch = answers.take(drawn[torch.randint(len(drawn), (settings.batch,), generator=generator)])
        loss = _loss(member, explained, batch, settings.noise)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        train_loss = loss.item() if step == 1 else 0.9 * train_loss + 0.1 * loss.item()
        if step % 20 == 0 and len(validation):
            with torch.no_grad():
                ratio = _loss(member, explained, validation, settings.noise).item() / max(train_loss, 1e-8)
            _adapt_weight_decay(optimiser, ratio)


def _adapt_weight_decay(optimiser: torch.optim.Optimizer, ratio: float) -> None:
    """More regularisation where the validation loss is over 1.5 times the training loss, less under 1.1 times."""
    factor = 2.0 if ratio > 1.5 else 0.5 if ratio < 1.1 else 1.0
    for group in optimiser.param_groups:
        group["weight_decay"] = min(max(group["weight_decay"] * factor, 1e-4), 10.0)


def _loss(member: nn.Module, explained: ExplainedImages, answers: Answers, noise: float) -> Tensor:
    both = member(explained.take(torch.cat([answers.left, answers.right])))
    left, right = both.chunk(2)
    return preference_loss(left, right, answers.share_left, noise)


@torch.no_grad()
def correct_answers(ensemble: RewardEnsemble, explained: ExplainedImages, answers: Answers) -> Tensor:
    """(Q,) bool: whether the ensemble foretells each answer that is left or right; equal ones are left out."""
    decided = answers.take((answers.share_left != 0.5).nonzero().squeeze(1))
    rewards: Tensor = ensemble(explained)
    return (rewards[decided.left] > rewards[decided.right]) == (decided.share_left > 0.5)
