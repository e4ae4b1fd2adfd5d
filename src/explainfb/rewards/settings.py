"""How the reward is learned."""

from dataclasses import dataclass
from typing import Literal

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields

Kind = Literal["additive", "free"]
Scale = Literal["share", "probability"]
Seen = Literal["pixels", "classifier"]


@dataclass(frozen=True, kw_only=True)
class RewardSettings:
    """How the reward is learned.

    >>> from explainfb import RewardSettings
    >>> RewardSettings(members=5, reliability="learned").kind
    'additive'
    """

    kind: Kind = "additive"
    """The model: `additive`, two maps of the image that say where weight is wanted and where it is not, or `free`, a
    network of image and explanation, whose reward no map explains."""
    scale: Scale = "share"
    """What the reward is given: `share`, weights with Σ|β| = 1, or `probability`, weights as they are."""
    features: Seen = "pixels"
    """What an additive reward reads of each place: the `pixels` around it, or what the convolutions of the `classifier`
    before any feedback see there, in which a shortcut that it learned stands out wherever it lies."""
    members: int = 3
    """How many models are averaged, each fitted to a bootstrap draw of its own; 1 is no ensemble, and has nothing to
    disagree about when comparisons are chosen."""
    normalised: bool = True
    """Whether every member is brought to mean 0 and standard deviation 1 over the explanations it was fitted to, before
    they are averaged; if not, members count by their own scales, and so does finetune.reward_weight."""
    learned_from: Literal["comparisons", "utilities"] = "comparisons"
    """What members are fitted to: the answers, or by squared error the utility that a simulated annotator gives each
    compared explanation, standardised (the ablation of Christiano et al. 2017, section 3.3). With probability
    error_rate an explanation is given the utility of another one, drawn at random. Comparisons are asked all the same,
    so that both are judged by answers."""
    reliability: Literal["equal", "learned"] = "equal"
    """Whether all annotators are taken to err as often as `noise` says, or each one's share of noise is learned beside
    the reward (Chen et al. 2013). Few answers are learned by heart, and everyone then seems reliable: hundreds of
    answers put five annotators in order, and a hundred did not."""
    steps: int = 150
    """Gradient steps of each member, at least 1."""
    batch_size: int = 64
    """Comparisons a step, at least 1."""
    learning_rate: float = 1e-2
    """Step size of AdamW (Loshchilov & Hutter 2019), greater than 0."""
    noise: float = 0.1
    """The share of answers, in [0, 1), taken to be uniformly random; of each annotator at the start where it is
    learned."""
    weight_decay: float = 1e-3
    """Weight decay at the start, in [0, 10]; adapted to keep the validation loss between 1.1 and 1.5 times the training
    loss. 0 stays 0."""

    def __post_init__(self) -> None:
        check_fields(self, "reward.")
        for name in ("members", "steps", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise InputError(f"reward.{name} must be greater than 0; found {getattr(self, name)}.")
        if not 0 <= self.noise < 1:
            raise InputError(f"reward.noise is a share in [0, 1); found {self.noise}.")
        if not 0 <= self.weight_decay <= 10:
            raise InputError(f"reward.weight_decay lies in [0, 10]; found {self.weight_decay}.")
        if self.features == "classifier" and self.kind != "additive":
            raise InputError("reward.features classifier are read by additive rewards; set reward.kind to additive.")
        if self.reliability == "learned" and self.learned_from == "utilities":
            raise InputError("reward.reliability is learned from comparisons; set reward.learned_from to comparisons.")
