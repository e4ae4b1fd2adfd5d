"""Networks that take images in [0, 1] and return logits, and how they are kept in files.

Whatever a network wants done to its input (resizing, normalisation) happens inside it, so that attacks and
explanations see pixels in [0, 1] and nothing else.
"""

import copy
import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from explainfb.classifiers.loading.layers import freeze
from explainfb.classifiers.loading.libraries import build_of_library, is_of_library
from explainfb.classifiers.loading.sound import check_sound
from explainfb.classifiers.networks import BUILDERS, OURS, Architecture, classifier_names, nearest_name
from explainfb.classifiers.outputs import logits_of
from explainfb.classifiers.torchvision_networks import CHANNELS, build_network, network_names, weights_of
from explainfb.core.errors import InputError
from explainfb.core.fields import whole_number
from explainfb.core.files import check_file, parse_json, write_tensors
from explainfb.core.seeding import torch_globally

HEADER = "architecture"
OWN = "own:"
"""How the architecture's name begins for a network that was given to `wrap`: it cannot be built by name."""
HOW_TO_NAME = "put what builds it into explainfb.BUILDERS and train it by that name"
EVALUATION_PIXELS = 2**20
"""Pixels a channel that are sent through a network at a time when nothing is learned: 20 images of ImageNet's size."""


class Classifier(nn.Module):
    """A network with its preprocessing inside: images (N, C, H, W) in [0, 1] → logits (N, classes).

    With `grey_as_colour` a network of three channels is shown grey images as red, green and blue.

    >>> from explainfb import TrainingSettings, load_task, train
    >>> task = load_task("digits")
    >>> classifier = train(task, settings=TrainingSettings(steps=10))
    >>> classifier(task.clean.images[:5]).shape
    torch.Size([5, 10])
    """

    mean: Tensor
    std: Tensor
    origin: object = None
    """What it was made of, where a network was transferred; a study makes its twins without the shortcut of it."""

    def __init__(self, architecture: Architecture, network: nn.Module, *, grey_as_colour: bool = False) -> None:
        super().__init__()
        self.grey_as_colour = grey_as_colour
        self.architecture = architecture
        self.network = network
        # not persistent, because the architecture already keeps them in the file
        self.register_buffer("mean", torch.tensor(architecture.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(architecture.std).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        if len(images) == 0:  # many networks fail at an empty batch, as in x.view(len(x), -1)
            return 0 * images.flatten(1).sum(1, keepdim=True).expand(-1, self.architecture.classes)
        side, mode = self.architecture.resize, self.architecture.interpolation
        if side is not None and images.shape[2:] != (side, side):
            images = F.interpolate(images, size=(side, side), mode=mode, align_corners=False, antialias=True)
        if self.grey_as_colour:
            images = images.expand(-1, CHANNELS, -1, -1)
        logits = logits_of(self.network(((images - self.mean) / self.std).to(self.dtype)), self.architecture.classes)
        # a softmax in 8 bits would not know .996 from 1
        return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in: its first parameter's type, or that of the normalisation."""
        kinds = (parameter.dtype for parameter in self.network.parameters() if parameter.is_floating_point())
        return next(kinds, self.mean.dtype)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """What its classes are called: by the task it was made for, or ImageNet's names for a network of torchvision
        with as many classes; None where it is not known."""
        shape = self.architecture
        if shape.class_names is None and shape.name not in BUILDERS and shape.name in network_names():
            published: tuple[str, ...] = tuple(weights_of(shape.name).meta["categories"])
            return published if len(published) == shape.classes else None
        return shape.class_names

    def class_number(self, given: int | str | Tensor) -> int:
        """The number of the class that is meant by its number or its name; `InputError` for a name it does not know."""
        if not isinstance(given, str):
            return whole_number(given.item() if isinstance(given, Tensor) else given, "A class")
        if self.class_names is None:
            raise InputError(
                f"The classifier does not know what its classes are called; found the class {given!r}. Give a number, "
                f"0 … {self.architecture.classes - 1}."
            )
        names = list(self.class_names)
        if names.count(given) != 1:
            problem = "There is no class" if given not in names else "Several classes are called"
            nearest = nearest_name(given, names)
            raise InputError(f"{problem} {given!r}; the nearest name is {nearest!r}, number {names.index(nearest)}.")
        return names.index(given)

    @property
    def device(self) -> torch.device:
        return self.mean.device

    @property
    def comfortable_batch(self) -> int:
        """How many images at a time, 1 to 512, keep memory small when nothing is learned."""
        shape = self.architecture
        pixels = shape.height * shape.width if shape.resize is None else shape.resize**2
        return min(512, max(1, EVALUATION_PIXELS // pixels))


def check_classifier(found: object) -> None:
    """Raise `InputError` for what is no `Classifier`, such as a bare network."""
    if not isinstance(found, Classifier):
        raise InputError(
            f"Expected a classifier of explainfb; found {type(found).__name__}. Wrap a network of your own: "
            "explainfb.wrap(network, task)."
        )


def build_classifier(architecture: Architecture, seed: int = 0) -> Classifier:
    """A classifier with fresh weights drawn from `seed`, in evaluation mode.

    Raises `InputError` for a name that is neither ours nor torchvision's, and for images that are neither grey nor
    coloured where the network is torchvision's.
    """
    name = architecture.name
    if name.startswith(OWN):
        raise InputError(f"{name.removeprefix(OWN)} cannot be built anew: {HOW_TO_NAME}.")
    if not is_known(name):
        nearest = nearest_name(name, classifier_names())
        raise InputError(
            f"Unknown classifier {name!r}; did you mean {nearest!r}? Give {OURS} or a torchvision classifier."
        )
    if name not in BUILDERS and architecture.channels not in (1, CHANNELS):
        raise InputError(f"{name} takes images of 1 or 3 channels; found {architecture.channels}. Use one of {OURS}.")
    # torch's initialisers take no generator
    with torch_globally(seed, "build", name):
        return _build(architecture)


def _build(architecture: Architecture) -> Classifier:
    name = architecture.name
    if name in BUILDERS:
        network = BUILDERS[name](architecture)
    elif is_of_library(name):
        network = build_of_library(name, architecture.classes)
    else:
        network = build_network(name, architecture.classes, architecture.resize)
    freeze(network, architecture.train, architecture.classes)
    # a network that is normalised by colour is one of colours, whatever the images are
    grey = name not in BUILDERS or len(architecture.mean) > architecture.channels
    return Classifier(architecture, network, grey_as_colour=grey).eval()


def is_known(name: str) -> bool:
    """Whether `build_classifier` can build it here."""
    return name in classifier_names() or is_of_library(name)


def _check_shapes(architecture: Architecture, tensors: Mapping[str, Tensor]) -> None:
    """Raise `ValueError` where the network is not that of the tensors, before it takes its memory: a few bytes can name
    one of any size."""
    try:
        with torch_globally(0, "shapes"), torch.device("meta"):
            wanted = {name: tensor.shape for name, tensor in _build(architecture).state_dict().items()}
    except (NotImplementedError, RuntimeError):
        return  # one that computes with its weights as it is built, which only real ones let it do
    if wanted != {name: tensor.shape for name, tensor in tensors.items()}:
        raise ValueError("the weights are not those of the network that it names")


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give `module` these weights; they must be all that it has, as torch lays them out today.

    Raises `RuntimeError` when a tensor is missing, left over or of another shape.
    """
    weights = OrderedDict(tensors)
    # the tensors come without the version of their layout, and MNASNet refuses weights that have none
    weights._metadata = module.state_dict()._metadata  # type: ignore[attr-defined]
    module.load_state_dict(weights)


def fingerprint(classifier: Classifier) -> str:
    """The same for two classifiers of a study whose weights are equal, and for no others."""
    found = hashlib.sha256()
    for name, tensor in sorted(classifier.state_dict().items()):
        found.update(name.encode() + tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def clone(classifier: Classifier) -> Classifier:
    """A copy with weights of its own, in evaluation mode on the same device; what was frozen stays frozen.

    Raises `InputError` for what is no classifier.
    """
    check_classifier(classifier)
    return copy.deepcopy(classifier).eval()


def trainable_parameters(classifier: Classifier) -> list[nn.Parameter]:
    """The parameters that steps may move. Raises `InputError` where all are frozen."""
    free = [parameter for parameter in classifier.parameters() if parameter.requires_grad]
    if not free:
        raise InputError(
            "No parameter of the classifier may be moved; set requires_grad to True for what is to be trained."
        )
    return free


def _own_memory(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, none of which shares its memory with another, as those of tied layers do."""
    kept: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        # safetensors writes neither tensors that lie in channels-last order nor two in one place
        own = tensor.detach().cpu().contiguous()
        place = own.untyped_storage().data_ptr()
        kept[name] = own.clone() if place in seen else own
        seen.add(place)
    return kept


def save_classifier(classifier: Classifier, path: Path) -> None:
    """Write the weights and the architecture to one safetensors file; a reader never sees half of it.

    Raises `InputError` naming the file when it cannot be written, and for a network that could not be built again.
    """
    name = classifier.architecture.name
    if not is_known(name):
        raise InputError(
            f"{name.removeprefix(OWN)} is a network of your own; {path} could not say how to build it. Keep its "
            f"weights with torch.save(network.state_dict(), FILE), or {HOW_TO_NAME}."
        )
    metadata = {HEADER: json.dumps(asdict(classifier.architecture))}
    tensors = _own_memory(classifier.state_dict())
    try:
        write_tensors(save_file, tensors, path, metadata)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be written ({error}); make room on the disk or choose another folder.") from (
            error
        )


def load_classifier(path: Path) -> Classifier:
    """The classifier that `save_classifier` wrote, on the CPU in evaluation mode.

    Raises `InputError` naming the file when it is missing, damaged or another kind of file, and when its network is
    not known here.
    """
    if not path.is_file():
        raise InputError(f"No classifier at {path}; expected a .safetensors file written by explainfb.")
    check_file(path)
    try:
        architecture, tensors = _read(path)
        check_sound(tensors)
        if is_known(architecture.name):
            _check_shapes(architecture, tensors)
            classifier = build_classifier(architecture)
            load_weights(classifier, tensors)
            return classifier
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, InputError) as error:
        raise InputError(
            f"{path} is damaged or was not written by explainfb ({_reason(error)}); delete it and run again."
        ) from error
    raise InputError(
        f"{path} holds a network called {architecture.name!r}, which is not known here; put what builds it into "
        "explainfb.BUILDERS first."
    )


def _reason(error: Exception) -> str:
    """What `check_sound` says, and of other errors, whose words help nobody, the kind."""
    return str(error) if type(error) is ValueError else type(error).__name__


def _read(path: Path) -> tuple[Architecture, dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        fields = parse_json((file.metadata() or {})[HEADER])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    fields["mean"], fields["std"] = tuple(fields["mean"]), tuple(fields["std"])
    if fields.get("class_names") is not None:
        fields["class_names"] = tuple(fields["class_names"])
    return Architecture(**fields), tensors
