"""How a classifier is trained."""

import re
from dataclasses import dataclass
from typing import Literal

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields

Pixels = Literal["normalised", "raw", "unit"]
Augment = Literal["none", "flips", "standard"]
LAST_BLOCKS = re.compile(r"last (\d+) blocks?")
WHAT = "'head', 'last N blocks' (such as 'last 2 blocks') or 'all'"


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a classifier is trained.

    >>> from explainfb import TrainingSettings
    >>> TrainingSettings(classifier="mlp", steps=300).learning_rate
    0.001
    """

    classifier: str = "lenet"
    """`lenet`, `mlp`, `pooled_lenet` or a torchvision classifier; from Python also a name put into
    `explainfb.BUILDERS`."""
    pixels: Pixels = "normalised"
    """What the network is fed: pixels with the training images' mean and deviation taken out, or `raw` values from 0 to
    255, as some papers have it, or `unit`, from 0 to 1; the last two not for torchvision's classifiers."""
    steps: int = 1000
    """Gradient steps at most; 0 leaves the weights as they are."""
    batch_size: int = 64
    """Training images a step, at least 1."""
    learning_rate: float = 1e-3
    """Step size of Adam (Kingma & Ba 2015), greater than 0."""
    train: str = "all"
    """Of a network with published weights, what learns, here and in feedback: its `head` (the last layer), the `last N
    blocks` with it, or `all`."""
    body_rate: float = 1.0
    """The learning rate of all but the head, as a share of the head's, greater than 0; for networks with published
    weights a tenth suits."""
    augment: Augment = "none"
    """What is done to training images, each time anew: `flips` mirrors half of them; `standard` takes a part of 8 to
    100 % of each as well, enlarged, as is usual for photographs. Never in validation, explanations or attacks."""
    validate_every: int = 50
    """Steps from one measurement of the validation loss to the next, at least 1."""
    patience: int = 6
    """Training stops after so many measurements without a lower validation loss, at least 1."""

    def __post_init__(self) -> None:
        check_fields(self, "training.")
        for name, least in (("steps", 0), ("batch_size", 1), ("validate_every", 1), ("patience", 1)):
            if getattr(self, name) < least:
                raise InputError(f"Training needs {name} of at least {least}; found {getattr(self, name)}.")
        if not self.learning_rate > 0:
            raise InputError(f"The learning rate must be a positive number; found {self.learning_rate}.")
        if not self.body_rate > 0:
            raise InputError(f"training.body_rate must be greater than 0; found {self.body_rate}.")
        check_train(self.train)
        check_pixels(self.classifier, self.pixels)


def check_train(train: object) -> None:
    """Raise `InputError` unless `train` is `head`, `last N blocks` or `all`."""
    if isinstance(train, str) and (train in ("head", "all") or LAST_BLOCKS.fullmatch(train)):
        return
    raise InputError(f"Unknown train {train!r}; expected {WHAT}.")


def check_pixels(name: str, pixels: Pixels) -> None:
    """Raise `InputError` where the classifier `name` cannot be fed such pixels."""
    if pixels not in ("normalised", "raw", "unit"):
        raise InputError(f"Unknown pixels {pixels!r}; expected 'normalised', 'raw' or 'unit'.")
    if pixels == "normalised":
        return
    from explainfb.classifiers.networks import BUILDERS, OURS  # with PyTorch, which most settings do without

    if name not in BUILDERS:
        raise InputError(f"{name} is not made for {pixels} pixels; leave them normalised, or use one of {OURS}.")
