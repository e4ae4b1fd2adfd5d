"""The networks that can be trained by name: three of our own, and torchvision's."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from explainfb.classifiers.torchvision_networks import Interpolation, network_names
from explainfb.core.errors import InputError
from explainfb.core.names import check_name


@dataclass(frozen=True)
class Architecture:
    """All that is needed to build a network anew, before its weights are loaded."""

    name: str
    """One of `BUILDERS`, or the name of a torchvision classifier such as `alexnet`; of a network that was built
    elsewhere, anything."""
    classes: int
    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    """One value a channel, of pixels in [0, 1]."""
    std: tuple[float, ...]
    resize: int | None = None
    """The side to which images are resized before they enter the network; None leaves them as they are."""
    interpolation: Interpolation = "bilinear"
    """How they are resized, always with antialiasing."""
    class_names: tuple[str, ...] | None = None
    """What the classes are called; None where nobody said."""
    train: str = "all"
    """What of it learns: `head`, `last N blocks` or `all`; everything else stays frozen, from its file on."""

    def __post_init__(self) -> None:
        for name in self.class_names or ():
            check_name(name, "A class")


def lenet(architecture: Architecture) -> nn.Module:
    """Two convolutions of stride 2 and two linear layers, after LeCun et al. 1989; 114,314 weights on 28×28.

    Strides in place of pooling: ten times faster on a CPU, where pooling would take most of the time.
    """
    height, width = (-(-side // 4) for side in (architecture.height, architecture.width))
    return nn.Sequential(
        nn.Conv2d(architecture.channels, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * height * width, 64),
        nn.ReLU(),
        nn.Linear(64, architecture.classes),
    )


def mlp(architecture: Architecture) -> nn.Module:
    """Two hidden layers of 50 and 30 units with ReLU, the network of Ross et al. 2017; 41,090 weights on 28×28."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(architecture.channels * architecture.height * architecture.width, 50),
        nn.ReLU(),
        nn.Linear(50, 30),
        nn.ReLU(),
        nn.Linear(30, architecture.classes),
    )


def pooled_lenet(architecture: Architecture) -> nn.Module:
    """LeNet with max-pooling, as Rieger et al. 2020 and Friedrich et al. 2023 train it; 233,196 weights on 28×28.

    Convolutions of 20 and 50 kernels of 5×5, unpadded, each followed by ReLU and 2×2 max-pooling; 256 hidden units.
    """
    if min(architecture.height, architecture.width) < 16:
        raise InputError(
            f"pooled_lenet takes images of at least 16×16 pixels; found {architecture.height}×{architecture.width}. "
            "Use lenet or mlp."
        )
    height, width = (((side - 4) // 2 - 4) // 2 for side in (architecture.height, architecture.width))
    network = nn.Sequential(
        nn.Conv2d(architecture.channels, 20, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(50 * height * width, 256),
        nn.ReLU(),
        nn.Linear(256, architecture.classes),
    )
    return network.to(memory_format=torch.channels_last)  # two thirds of the time a step on a CPU


BUILDERS: dict[str, Callable[[Architecture], nn.Module]] = {"lenet": lenet, "mlp": mlp, "pooled_lenet": pooled_lenet}
"""What makes each network that is not torchvision's. One that is put here can be trained by name, kept in a file and
read again, wherever it has been put here.

>>> from torch import nn
>>> from explainfb import BUILDERS, TrainingSettings, load_task, train
>>> BUILDERS["linear"] = lambda shape: nn.Sequential(nn.Flatten(), nn.Linear(shape.height * shape.width, shape.classes))
>>> train(load_task("digits"), settings=TrainingSettings(classifier="linear", steps=10)).architecture.name
'linear'
>>> del BUILDERS["linear"]
"""
OURS = ", ".join(BUILDERS)


def classifier_names() -> list[str]:
    """Every name that `build_classifier` knows."""
    return [*BUILDERS, *network_names()]


def nearest_name(name: str, names: list[str]) -> str:
    """The one of `names` that is spelled most like `name`."""
    return difflib.get_close_matches(name.lower(), names, n=1, cutoff=0)[0]
