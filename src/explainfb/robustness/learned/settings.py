"""How an adversarial generator is trained."""

from dataclasses import dataclass
from typing import Literal

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields

Knows = Literal["gradients", "answers"]


@dataclass(frozen=True, kw_only=True)
class AdvGANSettings:
    """How AdvGAN's generator is trained (Xiao et al. 2018).

    >>> from explainfb import AdvGANSettings
    >>> AdvGANSettings(knows="answers").steps
    1500
    """

    knows: Knows = "gradients"
    """What it may ask of the classifier while it is trained: its gradients (the paper's semi-white-box), or its answers
    alone, of which a model is distilled as it goes (dynamic distillation, the black box)."""
    steps: int = 1500
    """Steps of the generator, at least 1."""
    batch_size: int = 64
    """Images a step, at least 1."""
    learning_rate: float = 1e-3
    """Step size of Adam, greater than 0."""
    adversarial_weight: float = 10.0
    """Weight of the attack's loss beside the discriminator's, greater than 0."""
    hinge_weight: float = 1.0
    """Weight of the hinge on the length of the change, at least 0."""
    margin: float = 1.0
    """By how much a wrong logit is to exceed the right one, at least 0."""
    save_every: int = 250
    """Steps from one writing of its file to the next, at least 1."""

    def __post_init__(self) -> None:
        check_fields(self, "AdvGANSettings.")
        for name in ("steps", "batch_size", "learning_rate", "adversarial_weight", "save_every"):
            if not getattr(self, name) > 0:
                raise InputError(f"AdvGANSettings.{name} must be greater than 0; found {getattr(self, name)}.")
        for name in ("hinge_weight", "margin"):
            if not getattr(self, name) >= 0:
                raise InputError(f"AdvGANSettings.{name} must be at least 0; found {getattr(self, name)}.")
