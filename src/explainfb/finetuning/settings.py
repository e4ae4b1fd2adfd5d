"""How a classifier follows a reward: the settings of `finetune`."""

from dataclasses import dataclass
from typing import Literal

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """How a classifier follows a reward.

    >>> from explainfb import FinetuneSettings
    >>> FinetuneSettings(steps=480, gradient_penalty=0.01538).counterexample_share
    1.0
    """

    steps: int = 160
    """Gradient steps a round, at least 1."""
    reward_weight: float = 0.0
    """λ: the weight of a standard deviation of reward beside the cross-entropy; 0 leaves the gradient of explanations
    out. Alone, without `counterexample_share`, 0.7 did best."""
    learning_rate: float = 2e-3
    """Step size of Adam at the round's first step, greater than 0."""
    body_rate: float = 1.0
    """The learning rate of all but the last layer, as a share of the last layer's, greater than 0."""
    schedule: Literal["linear", "constant"] = "linear"
    """Whether the learning rate falls linearly to nothing at the round's last step, or stays."""
    batch_size: int = 64
    """Images a step for the cross-entropy, at least 1."""
    explain_batch_size: int = 12
    """Images a step whose explanation is rewarded, at least 1; without `reward_weight` there are none."""
    n_samples: int = 48
    """Masks for each explanation in a step, drawn anew each time: an even number, at least 4."""
    counterexample_share: float = 1.0
    """The share of the cross-entropy's images, in [0, 1], whose irrelevant superpixels show another training image."""
    gradient_penalty: float = 0.0
    """γ ≥ 0 of a penalty on the gradient of the log-probabilities where superpixels are irrelevant, on the images of
    the cross-entropy: that of `rrr`, with what the answers taught in place of pixel masks. 0 leaves it out. It needs a
    network with second derivatives, which some of torchvision's lack (mobilenet_v3, vit)."""
    adversarial_epsilon: float = 0.0
    """The largest change of a pixel, in [0, 1], by which the cross-entropy's images, counterexamples or not, are
    attacked before the classifier learns from them (Madry et al. 2018), and with them those of the penalties of
    `gradient_penalty`, `rrr` and `input_gradient`; 0 leaves them as they are."""
    adversarial_steps: int = 7
    """Steps of PGD for each batch, at least 1."""
    adversarial_relative_step: float = 0.25
    """A step of PGD as a share of epsilon, greater than 0."""
    significance: float = 0.01
    """A round's reward is followed only where p ≤ this, in (0, 1], in a test of whether it predicts answers that it
    was not fitted to better than a coin's could be; else the round leaves the classifier as it is. 1 follows every
    reward."""

    def __post_init__(self) -> None:
        check_fields(self, "finetune.")
        positive = (
            "steps",
            "learning_rate",
            "body_rate",
            "batch_size",
            "explain_batch_size",
            "adversarial_steps",
            "adversarial_relative_step",
        )
        for name in positive:
            if not getattr(self, name) > 0:
                raise InputError(f"finetune.{name} must be greater than 0; found {getattr(self, name)}.")
        if not 0 <= self.counterexample_share <= 1:
            raise InputError(f"finetune.counterexample_share is a share in [0, 1]; found {self.counterexample_share}.")
        if not self.gradient_penalty >= 0:
            raise InputError(f"finetune.gradient_penalty must be at least 0; found {self.gradient_penalty}.")
        if not 0 <= self.adversarial_epsilon <= 1:
            raise InputError(
                f"finetune.adversarial_epsilon is a change of pixels in [0, 1]; found {self.adversarial_epsilon}."
            )
        if not 0 < self.significance <= 1:
            raise InputError(f"finetune.significance is a probability in (0, 1]; found {self.significance}.")
        if self.n_samples < 4 or self.n_samples % 2:
            raise InputError(f"finetune.n_samples must be an even number of at least 4; found {self.n_samples}.")

    @property
    def needs_relevance_map(self) -> bool:
        """Whether anything depends on how relevant each pixel is."""
        return self.counterexample_share > 0 or self.gradient_penalty > 0


DEFAULT = FinetuneSettings()
"""The reward is followed by counterexamples alone."""

Masks = Literal["relevance", "shortcut"]
Region = Literal["turned_round", "random"]


@dataclass(frozen=True, kw_only=True)
class BaselineSettings:
    """How strongly each baseline does what it does; pixels lie in [0, 1].

    >>> from explainfb import BaselineSettings
    >>> BaselineSettings(rrr_strength=1.538).rrr_masks
    'relevance'
    """

    wrong_masks: Region = "turned_round"
    """Where the annotator of `wrong_masks` wants the reason: wherever it should not be, or in a region of the right
    size and shape at a random place of each image."""
    rrr_strength: float = 1000 / 255**2
    """λ ≥ 0 of the penalty of `rrr`: its authors' 1,000 for pixels of 0 to 255, on pixels of 0 to 1."""
    rrr_masks: Masks = "relevance"
    """What `rrr` knows of each image: the relevant pixels, as the annotator does, or those of the shortcut alone, as in
    the paper's Decoy MNIST."""
    rrr_steps: int = 1
    """How many times as many steps `rrr` takes as feedback, at least 1."""
    rrr_start: Literal["before", "fresh"] = "before"
    """The classifier that `rrr` starts from: the one before any feedback, as feedback does, or the same network with
    fresh weights; a pretrained one with a fresh head."""
    cutout_size: float = 0.5
    """The side of the square that `cutout` blackens, as a share of the image's, in (0, 1]."""
    cutout_steps: int = 1
    """How many times as many steps `cutout` takes as feedback, at least 1."""
    jtt_steps: int = 50
    """Steps that the first classifier of `jtt` is trained for, at least 1."""
    jtt_factor: float = 20.0
    """How much more an image counts in `jtt` that the first classifier gets wrong, at least 1."""
    group_dro_step: float = 0.01
    """How fast `group_dro` turns to the worst group, at least 0; its authors' 0.01."""
    dfr_images: Literal["validation", "train"] = "validation"
    """The images that `dfr` fits the last layer to."""
    dfr_inverse_strength: float = 1.0
    """C > 0 of the logistic regressions of `dfr`, the inverse of their penalty's weight."""
    input_gradient_strength: float = 6.0
    """λ ≥ 0 of the penalty of `input_gradient`: the middle of its authors' 10² to 10⁵, over 2 · 256 images."""
    adversarial_epsilon: float = 0.1
    """The largest change of a pixel, in (0, 1], in `adversarial_training`; its steps are those of
    `finetune.adversarial_steps`."""

    def __post_init__(self) -> None:
        check_fields(self, "baselines.")
        for name in ("rrr_strength", "input_gradient_strength", "group_dro_step"):
            if not getattr(self, name) >= 0:
                raise InputError(f"baselines.{name} must be at least 0; found {getattr(self, name)}.")
        for name in ("rrr_steps", "cutout_steps", "jtt_steps", "jtt_factor"):
            if getattr(self, name) < 1:
                raise InputError(f"baselines.{name} must be at least 1; found {getattr(self, name)}.")
        if not self.dfr_inverse_strength > 0:
            raise InputError(
                f"baselines.dfr_inverse_strength must be greater than 0; found {self.dfr_inverse_strength}."
            )
        if not 0 < self.cutout_size <= 1:
            raise InputError(f"baselines.cutout_size is a share of the side in (0, 1]; found {self.cutout_size}.")
        if not 0 < self.adversarial_epsilon <= 1:
            raise InputError(
                f"baselines.adversarial_epsilon is a change of pixels in [0, 1]; found {self.adversarial_epsilon}."
            )
