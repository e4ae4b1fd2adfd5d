"""An ensemble of reward models (Christiano et al. 2017): its rewards, its maps, and its file."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from explainfb.classifiers.classifier import Classifier
from explainfb.classifiers.loading.sound import check_sound
from explainfb.core.errors import InputError
from explainfb.core.files import RESTORE, check_file, parse_json, write_tensors
from explainfb.rewards.compared import Compared
from explainfb.rewards.features import ClassifierFeatures
from explainfb.rewards.models import AdditiveReward, ExplainedImages, FreeReward, build_reward

HEADER = "reward"
RELIABILITY = "reliability"
READS = "features of"
BUILT_FROM = ("kind", "channels", "scale", "feature_channels")
"""Of a member, what `build_reward` is given."""


class RewardEnsemble(nn.Module):
    """Several reward models; once normalised, each has mean 0 and standard deviation 1; then they are averaged.

    >>> import torch
    >>> from explainfb import RewardEnsemble
    >>> from explainfb.rewards.models import build_reward
    >>> reward = RewardEnsemble([build_reward("additive", channels=1, scale="share") for _ in range(3)])
    >>> reward.relevance_map(torch.rand(2, 1, 28, 28)).shape
    torch.Size([2, 28, 28])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        members: Sequence[nn.Module],
        reliability: Mapping[str, float] | None = None,
        features: ClassifierFeatures | None = None,
    ) -> None:
        super().__init__()
        self.features = features
        """What members read of an image in place of its pixels; None where they read pixels."""
        self.reliability = dict(reliability or {})
        """Of each annotator, the probability in (0, 1) of the right answer where one explanation is clearly better,
        averaged over members; empty where it was not learned."""
        self.members = nn.ModuleList(members)
        self.register_buffer("mean", torch.zeros(len(members)))
        self.register_buffer("std", torch.ones(len(members)))

    @torch.no_grad()
    def normalise(self, compared: Compared) -> None:
        """Let every member have mean 0 and standard deviation 1 over these explanations, or whatever is compared."""
        raw = self._raw(compared)
        self.mean.copy_(raw.mean(1))
        self.std.copy_(raw.std(1).clamp_min(1e-6))  # a member that learned nothing may be constant

    def each(self, compared: Compared) -> Tensor:
        """(members, B) normalised rewards."""
        return (self._raw(compared) - self.mean[:, None]) / self.std[:, None]

    def forward(self, compared: Compared) -> Tensor:
        """(B,) rewards."""
        return self.each(compared).mean(0)

    @torch.no_grad()
    def maps(self, images: Tensor) -> Tensor | None:
        """(B, 2, H, W) what should count and what should not, averaged over additive members; None for free ones."""
        features = None if self.features is None else self.features(images)
        scaled = [
            member.maps(images, features) / std
            for member, std in zip(self.members, self.std, strict=True)
            if isinstance(member, AdditiveReward)
        ]
        return torch.stack(scaled).mean(0) if scaled else None

    def relevance_map(self, images: Tensor) -> Tensor:
        """(B, H, W) the reward for a unit of weight that speaks for the class at each place: `A − B`, over all members.

        Raises `InputError` where a member is a free one, which has no maps.
        """
        maps = self.maps(images) if all(isinstance(member, AdditiveReward) for member in self.members) else None
        if maps is None:
            raise InputError("Only additive rewards have a map of the image; set reward.kind to additive.")
        return maps[:, 0] - maps[:, 1]

    def _raw(self, compared: Compared) -> Tensor:
        size = compared.part
        parts = [self._as_read(compared.take(slice(start, start + size))) for start in range(0, len(compared), size)]
        return torch.stack([torch.cat([member(part) for part in parts]) for member in self.members])

    def _as_read(self, part: Compared) -> Compared:
        """With the features that members read, where they read any."""
        if self.features is None or not isinstance(part, ExplainedImages) or part.features is not None:
            return part
        return part.with_features(self.features)


def save_ensemble(ensemble: RewardEnsemble, path: Path) -> None:
    """Write the ensemble to one safetensors file. Raises `InputError` where members are neither additive nor free."""
    if not all(isinstance(member, AdditiveReward | FreeReward) for member in ensemble.members):
        raise InputError("Only additive and free rewards have a file; keep the state_dict of a reward of your own.")
    tensors = {name: tensor.cpu().contiguous() for name, tensor in ensemble.state_dict().items()}
    header = [{name: getattr(member, name) for name in BUILT_FROM} for member in ensemble.members]
    metadata = {HEADER: json.dumps(header), RELIABILITY: json.dumps(ensemble.reliability)}
    if ensemble.features is not None:
        metadata[READS] = ensemble.features.fingerprint
    write_tensors(save_file, tensors, path, metadata)


def load_ensemble(path: Path, features_of: Callable[[], Classifier] | None = None) -> RewardEnsemble:
    """What `save_ensemble` wrote, on the CPU. Raises `InputError` naming the file when it is damaged.

    `features_of` gives the classifier whose features the reward reads, and is called where it reads any; `InputError`
    is raised as well where it is another one than the reward was fitted with.
    """
    check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = parse_json(file.metadata()[HEADER])
            reliability, reads = parse_json(file.metadata().get(RELIABILITY, "{}")), file.metadata().get(READS)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        check_sound(tensors)
        with torch.device("meta"):  # which takes no memory: a few bytes can name models of any size
            wanted = RewardEnsemble([build_reward(**member) for member in header]).state_dict()
        if {name: each.shape for name, each in wanted.items()} != {name: each.shape for name, each in tensors.items()}:
            raise ValueError("the weights are not those of the models that it names")
        with torch.random.fork_rng(devices=[]):  # weights are drawn only to be overwritten
            ensemble = RewardEnsemble([build_reward(**member) for member in header], reliability)
        ensemble.load_state_dict(tensors)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError, InputError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}); {RESTORE}.") from error
    if reads is not None:
        ensemble.features = _features(path, reads, features_of)
    return ensemble.requires_grad_(False).eval()  # fine-tuning follows a reward and must not change it


def _features(path: Path, reads: str, features_of: Callable[[], Classifier] | None) -> ClassifierFeatures:
    if features_of is None:
        raise InputError(f"The reward in {path} reads the features of a classifier; give the one of round 0.")
    features = ClassifierFeatures(features_of())
    if features.fingerprint != reads:
        raise InputError(
            f"The reward in {path} reads the features of another classifier than round 0's; one of the two files was "
            f"replaced; {RESTORE}."
        )
    return features
