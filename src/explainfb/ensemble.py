"""An ensemble of reward models, each fitted to its own bootstrap draw of the answers (Christiano et al. 2017)."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from explainfb.errors import InputError
from explainfb.files import write_whole
from explainfb.reward import AdditiveReward, ExplainedImages, FreeReward, Kind, Scale, build_reward, preference_loss
from explainfb.seeds import torch_generator, torch_globally

HEADER = "reward"
CHUNK = 512
"""Explanations that go through a model at a time."""


@dataclass(frozen=True, kw_only=True)
class RewardSettings:
    """How the reward is learned."""

    kind: Kind = "additive"
    scale: Scale = "share"
    """What the reward looks at: `share`, weights with Σ|β| = 1, or `probability`, weights as they are."""
    members: int = 3
    steps: int = 150
    batch: int = 64
    learning_rate: float = 1e-2
    noise: float = 0.1
    """The share of answers taken to be uniformly random."""
    weight_decay: float = 1e-3
    """At the start; adapted to keep the validation loss between 1.1 and 1.5 times the training loss."""

    def __post_init__(self) -> None:
        for name in ("members", "steps", "batch", "learning_rate"):
            if not getattr(self, name) > 0:
                raise InputError(f"reward.{name} must be greater than 0; found {getattr(self, name)}.")
        if not 0 <= self.noise < 1:
            raise InputError(f"reward.noise is a share in [0, 1); found {self.noise}.")


@dataclass(frozen=True, eq=False)
class Answers:
    """Comparisons with their answers, as indices into explained images."""

    left: Tensor
    """(P,) index of the explanation shown on the left."""
    right: Tensor
    """(P,)"""
    share_left: Tensor
    """(P,) float: 1 left is better, 0 right is better, ½ equal."""

    def __len__(self) -> int:
        return len(self.left)

    def take(self, indices: Tensor) -> "Answers":
        return Answers(self.left[indices], self.right[indices], self.share_left[indices])

    def to(self, device: torch.device) -> "Answers":
        return Answers(self.left.to(device), self.right.to(device), self.share_left.to(device))


class RewardEnsemble(nn.Module):
    """Several reward models; each is normalised to mean 0 and standard deviation 1, then they are averaged."""

    mean: Tensor
    std: Tensor

    def __init__(self, members: Sequence[AdditiveReward | FreeReward]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("mean", torch.zeros(len(members)))
        self.register_buffer("std", torch.ones(len(members)))

    @torch.no_grad()
    def normalise(self, explained: ExplainedImages) -> None:
        """Let every member have mean 0 and standard deviation 1 over these explanations."""
        raw = self._raw(explained)
        self.mean.copy_(raw.mean(1))
        self.std.copy_(raw.std(1).clamp_min(1e-6))

    def each(self, explained: ExplainedImages) -> Tensor:
        """(members, B) normalised rewards."""
        return (self._raw(explained) - self.mean[:, None]) / self.std[:, None]

    def forward(self, explained: ExplainedImages) -> Tensor:
        """(B,) rewards."""
        return self.each(explained).mean(0)

    @torch.no_grad()
    def maps(self, images: Tensor) -> Tensor | None:
        """(B, 2, H, W) what should count and what should not, averaged over additive members; None for free ones."""
        scaled = [
            member.maps(images) / std
            for member, std in zip(self.members, self.std, strict=True)
            if isinstance(member, AdditiveReward)
        ]
        return torch.stack(scaled).mean(0) if scaled else None

    def worth(self, images: Tensor) -> Tensor:
        """(B, H, W) what weight of the better sign is worth at each place, |A| − B, averaged over additive members.

        Raises `InputError` where a member is a free one, which has no maps.
        """
        maps = self.maps(images) if all(isinstance(member, AdditiveReward) for member in self.members) else None
        if maps is None:
            raise InputError("Only additive rewards say what each place is worth; set reward.kind to additive.")
        return maps[:, 0].abs() - maps[:, 1]

    def _raw(self, explained: ExplainedImages) -> Tensor:
        parts = [explained.take(slice(start, start + CHUNK)) for start in range(0, len(explained), CHUNK)]
        return torch.stack([torch.cat([member(part) for part in parts]) for member in self.members])


def fit_ensemble(
    explained: ExplainedImages,
    answers: Answers,
    *,
    settings: RewardSettings,
    seed: int,
    on_member: Callable[[], None] | None = None,
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
        with torch_globally(seed, "reward", index, "weights"):
            member = build_reward(settings.kind, channels, settings.scale).to(explained.images.device)
        _fit_member(member, explained, answers, settings, torch_generator(seed, "reward", index, "draws"))
        members.append(member.eval())
        if on_member is not None:
            on_member()
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


def save_ensemble(ensemble: RewardEnsemble, path: Path) -> None:
    """Write the ensemble to one safetensors file."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in ensemble.state_dict().items()}
    header = [{"kind": member.kind, "channels": member.channels, "scale": member.scale} for member in ensemble.members]
    write_whole(path, lambda partial: save_file(tensors, partial, metadata={HEADER: json.dumps(header)}))


def load_ensemble(path: Path) -> RewardEnsemble:
    """What `save_ensemble` wrote, on the CPU. Raises `InputError` naming the file when it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()[HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        with torch.random.fork_rng(devices=[]):
            ensemble = RewardEnsemble([build_reward(**member) for member in header])
        ensemble.load_state_dict(tensors)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError, InputError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}); delete it and run again.") from error
    return ensemble.requires_grad_(False).eval()
