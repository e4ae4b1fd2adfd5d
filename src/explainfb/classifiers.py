"""Networks that take images in [0, 1] and return logits, and how they are kept in files.

Whatever a network wants done to its input (resizing, normalisation) happens inside it, so that attacks and
explanations see pixels in [0, 1] and nothing else.
"""

import copy
import difflib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from explainfb.errors import InputError
from explainfb.files import write_whole
from explainfb.seeds import torch_globally
from explainfb.torchvision_networks import CHANNELS, Interpolation, build_network, network_names

HEADER = "architecture"
OWN = "own:"
"""How the name of a network begins that `wrap` was given; nobody but its owner can build it."""
HOW_TO_NAME = "put what builds it into explainfb.classifiers.BUILDERS and train it by that name"
EVALUATION_PIXELS = 2**20
"""Pixels a channel that are sent through a network at a time when nothing is learned: 20 images of ImageNet's size."""


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


class Classifier(nn.Module):
    """A network with its preprocessing inside: images (N, C, H, W) in [0, 1] → logits (N, classes).

    With `grey_as_colour` a network of three channels is shown grey images as red, green and blue.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: Architecture, network: nn.Module, *, grey_as_colour: bool = False) -> None:
        super().__init__()
        self.grey_as_colour = grey_as_colour
        self.architecture = architecture
        self.network = network
        self.register_buffer("mean", torch.tensor(architecture.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(architecture.std).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        side, mode = self.architecture.resize, self.architecture.interpolation
        if side is not None:
            images = F.interpolate(images, size=(side, side), mode=mode, align_corners=False, antialias=True)
        if self.grey_as_colour:
            images = images.expand(-1, CHANNELS, -1, -1)
        logits: Tensor = self.network((images - self.mean) / self.std)
        return logits

    @property
    def device(self) -> torch.device:
        return self.mean.device

    @property
    def comfortable_batch(self) -> int:
        """How many images at a time, 1 to 512, keep memory small when nothing is learned."""
        shape = self.architecture
        pixels = shape.height * shape.width if shape.resize is None else shape.resize**2
        return min(512, max(1, EVALUATION_PIXELS // pixels))


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
    return network.to(memory_format=torch.channels_last)  # faster on a processor


BUILDERS: dict[str, Callable[[Architecture], nn.Module]] = {"lenet": lenet, "mlp": mlp, "pooled_lenet": pooled_lenet}
"""What makes each network that is not torchvision's. One that is put here can be trained by name, kept in a file and
read again, wherever it has been put here."""
OURS = ", ".join(BUILDERS)


def classifier_names() -> list[str]:
    """Every name that `build` knows."""
    return [*BUILDERS, *network_names()]


def nearest_name(name: str, names: list[str]) -> str:
    """The one of `names` that is spelled most like `name`."""
    return difflib.get_close_matches(name.lower(), names, n=1, cutoff=0)[0]


def check_classifier(found: object) -> None:
    """Raise `InputError` for what is no `Classifier`, such as a network that nobody has wrapped."""
    if not isinstance(found, Classifier):
        raise InputError(
            f"Expected a classifier of explainfb; found {type(found).__name__}. Wrap a network of your own: "
            "explainfb.wrap(network, task)."
        )


def build(architecture: Architecture, seed: int = 0) -> Classifier:
    """A classifier with fresh weights drawn from `seed`, in evaluation mode.

    Raises `InputError` for a name that is neither ours nor torchvision's, and for images that are neither grey nor
    coloured where the network is torchvision's.
    """
    name = architecture.name
    if name.startswith(OWN):
        raise InputError(f"{name.removeprefix(OWN)} cannot be built anew: {HOW_TO_NAME}.")
    if name not in classifier_names():
        nearest = nearest_name(name, classifier_names())
        raise InputError(
            f"Unknown classifier {name!r}; did you mean {nearest!r}? Give {OURS} or a torchvision classifier."
        )
    if name not in BUILDERS and architecture.channels not in (1, CHANNELS):
        raise InputError(f"{name} takes images of 1 or 3 channels; found {architecture.channels}. Use one of {OURS}.")
    with torch_globally(seed, "build", name):
        if name in BUILDERS:
            network = BUILDERS[name](architecture)
        else:
            network = build_network(name, architecture.classes, architecture.resize)
    return Classifier(architecture, network, grey_as_colour=name not in BUILDERS).eval()


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give `module` these weights; they must be all that it has, as torch lays them out today.

    Raises `RuntimeError` when a tensor is missing, left over or of another shape.
    """
    weights = OrderedDict(tensors)
    # without the layout's version MNASNet refuses its weights
    weights._metadata = module.state_dict()._metadata  # type: ignore[attr-defined]
    module.load_state_dict(weights)


def clone(classifier: Classifier) -> Classifier:
    """A copy with weights of its own, all free to be trained, in evaluation mode on the same device.

    Raises `InputError` for what is no classifier.
    """
    check_classifier(classifier)
    return copy.deepcopy(classifier).requires_grad_(True).eval()


def save(classifier: Classifier, path: Path) -> None:
    """Write the weights and the architecture to one safetensors file; a reader never sees half of it.

    Raises `InputError` naming the file when it cannot be written, and for a network that `load` could not build.
    """
    name = classifier.architecture.name
    if name not in classifier_names():
        raise InputError(
            f"{name.removeprefix(OWN)} is a network of your own; {path} could not say how to build it. Keep its "
            f"weights with torch.save(network.state_dict(), FILE), or {HOW_TO_NAME}."
        )
    metadata = {HEADER: json.dumps(asdict(classifier.architecture))}
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in classifier.state_dict().items()}
    try:
        write_whole(path, lambda partial: save_file(tensors, partial, metadata=metadata))
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be written ({error}); make room on the disk or choose another folder.") from (
            error
        )


def load(path: Path) -> Classifier:
    """The classifier that `save` wrote, on the CPU in evaluation mode.

    Raises `InputError` naming the file when it is missing, damaged or not written by `save`, and when its network is
    not known here.
    """
    if not path.is_file():
        raise InputError(f"No classifier at {path}; expected a .safetensors file written by explainfb.")
    try:
        architecture, tensors = _read(path)
        if architecture.name in classifier_names():
            classifier = build(architecture)
            load_weights(classifier, tensors)
            return classifier
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, InputError) as error:
        raise InputError(
            f"{path} is damaged or was not written by explainfb ({type(error).__name__}); delete it and run again."
        ) from error
    raise InputError(
        f"{path} holds a network called {architecture.name!r}, which is not known here; put what builds it into "
        "explainfb.classifiers.BUILDERS first."
    )


def _read(path: Path) -> tuple[Architecture, dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        fields = json.loads((file.metadata() or {})[HEADER])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    fields["mean"], fields["std"] = tuple(fields["mean"]), tuple(fields["std"])
    return Architecture(**fields), tensors
