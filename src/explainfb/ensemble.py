"""An ensemble of reward models (Christiano et al. 2017): its settings, what it says, and its file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from explainfb.errors import InputError
from explainfb.files import RESTORE, write_whole
from explainfb.reward import AdditiveReward, ExplainedImages, FreeReward, Kind, Scale, build_reward

HEADER = "reward"
RELIABILITY = "reliability"
CHUNK = 512
"""Explanations that go through a model at a time."""


@dataclass(frozen=True, kw_only=True)
class RewardSettings:
    """How the reward is learned."""

    kind: Kind = "additive"
    scale: Scale = "share"
    """What the reward looks at: `share`, weights with Σ|β| = 1, or `probability`, weights as they are."""
    members: int = 3
    """Models that are averaged, each fitted to a bootstrap draw of its own; 1 is no ensemble, and has nothing to
    disagree about when comparisons are chosen."""
    normalised: bool = True
    """Every member is brought to mean 0 and standard deviation 1 over the explanations it was fitted to, before they
    are averaged; without, members count by their own scales, and so does finetune.strength."""
    learned_from: Literal["comparisons", "utilities"] = "comparisons"
    """What members are fitted to: the answers, or by squared error what a simulated annotator says each compared
    explanation is worth, standardised (the ablation of Christiano et al. 2017, section 3.3). An annotator who errs
    gives with probability error_rate an explanation the worth of another one drawn at random. Comparisons are asked all
    the same, so that answers judge both."""
    reliability: Literal["equal", "learned"] = "equal"
    """Whether all annotators are taken to err as often as `noise` says, or each one's share of noise is learned beside
    the reward (Chen et al. 2013). From few answers, which the reward learns by heart, everyone seems reliable: of five
    annotators, hundreds of answers put them in order and a hundred did not."""
    steps: int = 150
    batch: int = 64
    learning_rate: float = 1e-2
    noise: float = 0.1
    """The share of answers taken to be uniformly random; of each annotator at the start where it is learned."""
    weight_decay: float = 1e-3
    """At the start; adapted to keep the validation loss between 1.1 and 1.5 times the training loss. 0 stays 0."""

    def __post_init__(self) -> None:
        for name in ("members", "steps", "batch", "learning_rate"):
            if not getattr(self, name) > 0:
                raise InputError(f"reward.{name} must be greater than 0; found {getattr(self, name)}.")
        if not 0 <= self.noise < 1:
            raise InputError(f"reward.noise is a share in [0, 1); found {self.noise}.")
        if not 0 <= self.weight_decay <= 10:
            raise InputError(f"reward.weight_decay lies in [0, 10]; found {self.weight_decay}.")
        for name, allowed in (("reliability", ("equal", "learned")), ("learned_from", ("comparisons", "utilities"))):
            if getattr(self, name) not in allowed:
                raise InputError(f"reward.{name} is one of {', '.join(allowed)}; found {getattr(self, name)!r}.")
        if self.reliability == "learned" and self.learned_from == "utilities":
            raise InputError("reward.reliability is learned from comparisons; set reward.learned_from to comparisons.")


class RewardEnsemble(nn.Module):
    """Several reward models; once normalised, each has mean 0 and standard deviation 1; then they are averaged."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, members: Sequence[AdditiveReward | FreeReward], reliability: Mapping[str, float] | None = None
    ) -> None:
        super().__init__()
        self.reliability = dict(reliability or {})
        """Of each annotator, the probability in (0, 1) of the right answer where one explanation is clearly better,
        averaged over members; empty where it was not learned."""
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


def save_ensemble(ensemble: RewardEnsemble, path: Path) -> None:
    """Write the ensemble to one safetensors file."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in ensemble.state_dict().items()}
    header = [{"kind": member.kind, "channels": member.channels, "scale": member.scale} for member in ensemble.members]
    metadata = {HEADER: json.dumps(header), RELIABILITY: json.dumps(ensemble.reliability)}
    write_whole(path, lambda partial: save_file(tensors, partial, metadata=metadata))


def load_ensemble(path: Path) -> RewardEnsemble:
    """What `save_ensemble` wrote, on the CPU. Raises `InputError` naming the file when it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()[HEADER])
            reliability = json.loads(file.metadata().get(RELIABILITY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        with torch.random.fork_rng(devices=[]):
            ensemble = RewardEnsemble([build_reward(**member) for member in header], reliability)
        ensemble.load_state_dict(tensors)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError, InputError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}); {RESTORE}.") from error
    return ensemble.requires_grad_(False).eval()
