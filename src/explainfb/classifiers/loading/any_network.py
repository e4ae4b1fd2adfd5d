"""A network that was trained elsewhere, of whatever kind, as a classifier of its own classes, and then of a task's."""

import copy
import hashlib
import inspect
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from explainfb.classifiers.classifier import Classifier, load_weights
from explainfb.classifiers.loading.layers import gives_the_logits, head_of, with_classes
from explainfb.classifiers.loading.libraries import configuration_of, is_of_library, load_of_library
from explainfb.classifiers.loading.preprocessing import read_preprocessing
from explainfb.classifiers.loading.sound import fault_of
from explainfb.classifiers.loading.transferable import Network
from explainfb.classifiers.loading.weights_files import read_weights, with_names_of
from explainfb.classifiers.networks import BUILDERS, Architecture, classifier_names, nearest_name
from explainfb.classifiers.outputs import are_probabilities, logits_of, number_of_classes
from explainfb.classifiers.torchvision_networks import (
    CHANNELS,
    Preprocessing,
    build_network,
    network_names,
    preprocessing,
    weights_of,
)
from explainfb.classifiers.transfer import published_weights
from explainfb.core.errors import InputError

Builder = Callable[[], nn.Module] | Callable[[Architecture], nn.Module]
FILES = (".pth", ".pt", ".bin", ".safetensors", ".ckpt", ".tar")
"""How the names of weight files end."""


def network(
    source: nn.Module | str | Path,
    *,
    builder: Builder | None = None,
    weights: str | Path | None = None,
    preprocess: object = None,
    size: int | None = None,
    class_names: Sequence[str] | None = None,
) -> Network:
    """A network that was trained elsewhere, as a classifier of its own classes with its preprocessing inside.

    `source` is a module, which is copied; a classifier of torchvision by name; one of timm, `timm:NAME`, or of Hugging
    Face, `hf:NAME` or `hf:FOLDER`, where these are installed; or a file of weights (.pth or .safetensors), with the
    `builder` that makes the network they are of: a function of nothing, or of an `Architecture`. `weights` is such a
    file for a name or a module; published ones are taken without. Files hold a state dict, by itself or in a
    checkpoint; prefixes such as `module.` are taken off, and no code that lies in them is run.

    `preprocess` is `IMAGENET`, a `Preprocessing`, a preset of torchvision's, or a configuration of timm's or Hugging
    Face's; libraries' own is taken without. `size` is the side of the pictures in pixels, where another than the
    preprocessing's is wanted. Outputs in tuples, dictionaries and records are understood, and one logit is made two.
    The network is tried in both modes. A module or a builder is known by its class's or its own name to this process:
    a study with it is read where the same call was made before.

    Warns where nothing is normalised. Raises `InputError` for what cannot be read, built or fed, for weights of
    another network, for normalisation of pixels from 0 to 255, and for probabilities in place of logits.

    >>> from torch import nn
    >>> from explainfb import Preprocessing, network
    >>> mine = nn.Sequential(nn.Flatten(), nn.Linear(16 * 16 * 3, 5))
    >>> net = network(mine, preprocess=Preprocessing(16, (0.5,), (0.3,)))
    >>> net.size, net.architecture.classes
    (16, 5)
    """
    name, module, config, names = _found(source, builder, weights)
    wanted = read_preprocessing(config if preprocess is None else preprocess, size, name)
    classes, head = _try(module, wanted, name)
    given = tuple(class_names) if class_names is not None else names
    if given is not None and len(given) != classes:
        raise InputError(f"{name} has {classes} classes; found {len(given)} class names.")
    channels = _channels(module, wanted)
    architecture = Architecture(
        name, classes, channels, wanted.side, wanted.side, wanted.mean, wanted.std,
        interpolation=wanted.interpolation, class_names=given,
    )  # fmt: skip
    found = Network(architecture, module).eval()
    found.head = head
    return found


def _found(
    source: nn.Module | str | Path, builder: Builder | None, weights: str | Path | None
) -> tuple[str, nn.Module, object, tuple[str, ...] | None]:
    """The name that builds it anew, the network with its weights, its configuration, and its class names."""
    if isinstance(source, Classifier):
        raise InputError("Expected a network that is no classifier of explainfb yet; transfer or tune that one.")
    if isinstance(source, nn.Module):
        module = copy.deepcopy(source)
        _load(module, weights)
        return _register(_name_of(source), lambda _: copy.deepcopy(module)), module, configuration_of(module), None
    text = str(source)
    if builder is not None:
        file = weights if weights is not None else source
        make = _of_architecture(builder)
        module = make(Architecture(text, 0, CHANNELS, 0, 0, (0.0,), (1.0,)))
        _load(module, file)
        return (
            _register(getattr(builder, "__name__", type(module).__name__), make),
            module,
            configuration_of(module),
            None,
        )
    if is_of_library(text):
        module, config, names = load_of_library(text)
        _load(module, weights)
        return text, module, config, names
    if text in network_names():
        return _of_torchvision(text, weights)
    if Path(text).suffix.lower() in FILES:
        raise InputError(f"{text} holds weights; say what they are of: network({text!r}, builder=...).")
    nearest = nearest_name(text, list(network_names()))
    raise InputError(
        f"There is no network {text!r}; did you mean {nearest!r}? Give a module, torchvision's name, timm:NAME, "
        "hf:NAME or hf:FOLDER, or a file of weights with its builder."
    )


def _name_of(module: nn.Module) -> str:
    """Its class's name and a few letters of its tensors' shapes: two of one class may be of other sizes."""
    shapes = repr([(name, tuple(tensor.shape)) for name, tensor in module.state_dict().items()])
    return f"{type(module).__name__}-{hashlib.sha256(shapes.encode()).hexdigest()[:6]}"


def _of_torchvision(name: str, file: str | Path | None) -> tuple[str, nn.Module, object, tuple[str, ...] | None]:
    path = None if file is None else Path(file)
    published = weights_of(name, None if path is None else path.name)
    wanted = preprocessing(published)
    names = tuple(published.meta["categories"])
    module = build_network(name, len(names), wanted.side)
    if path is None:
        load_weights(module, published_weights(name, published))
    else:
        _load(module, path)
    own = own_classes(module)  # a file of one's own may be of other classes
    return name, module, wanted, names if own == len(names) else None


def _of_architecture(builder: Builder) -> Callable[[Architecture], nn.Module]:
    """The builder as `BUILDERS` has them: one of a network of its own number of classes gets another head."""
    try:
        parameters = inspect.signature(builder).parameters.values()
    except ValueError:
        parameters = ()  # type: ignore[assignment]
    needed = [each for each in parameters if each.default is each.empty and each.kind < each.VAR_POSITIONAL]
    if len(needed) > 1:
        raise InputError(f"A builder takes nothing, or an Architecture; {builder!r} wants {len(needed)} arguments.")
    any_builder: Any = builder
    return any_builder if needed else lambda _: any_builder()


def _register(name: str, make: Callable[[Architecture], nn.Module]) -> str:
    """Put what makes the network into `BUILDERS`, for whatever number of classes it is asked for; returns its name."""

    def build(architecture: Architecture) -> nn.Module:
        module = make(architecture)
        own = own_classes(module)
        if own is None or own == architecture.classes:
            return module
        return with_classes(module, own, architecture.classes)

    name = f"{name} (given)" if name in classifier_names() and not getattr(BUILDERS.get(name), "given", False) else name
    build.given = True  # type: ignore[attr-defined]
    BUILDERS[name] = build
    return name


def own_classes(module: nn.Module) -> int | None:
    """How many logits the last linear layer, or without one the last convolution, gives."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    layers = layers or [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]  # type: ignore[misc]
    return max(2, layers[-1].weight.shape[0]) if layers else None


def _load(module: nn.Module, file: str | Path | None) -> None:
    """Give the network the weights in the file, whose head may be of another number of classes."""
    if file is None:
        return
    path, expected = Path(file), module.state_dict()
    tensors = with_names_of(set(expected), read_weights(path))
    own = own_classes(module)
    head = None if own is None else head_of(module, own)
    weight = None if head is None else tensors.get(f"{head}.weight")
    if own is not None and weight is not None and weight.shape[0] not in (own, 1):
        with_classes(module, own, weight.shape[0])
    try:
        load_weights(module, tensors)
    except RuntimeError as error:
        what = str(error).split("\n\t", 1)[-1].split("\n")[0].strip()
        raise InputError(
            f"{path} does not hold the weights of {type(module).__name__}: {what[:300]} Give the file of that "
            "network, or the builder of the one that the file is of."
        ) from error
    if (fault := fault_of(module.state_dict())) is not None:
        raise InputError(f"{path} is damaged: {fault}; fetch the file anew.")


def _channels(module: nn.Module, wanted: Preprocessing) -> int:
    """How many the first layer takes; a linear one as many as there are pixels for."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            return layer.in_channels
        if isinstance(layer, nn.Linear):
            found, left = divmod(layer.in_features, wanted.side**2)
            return found if found and not left else CHANNELS
    return CHANNELS


def _try(module: nn.Module, wanted: Preprocessing, name: str) -> tuple[int, str | None]:
    """How many classes the network has and the name of its head, from two pictures of noise.

    They are fed to a copy of it, in training mode and in evaluation mode.
    """
    channels = _channels(module, wanted)
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    kind = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    images = torch.rand(2, channels, wanted.side, wanted.side, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (wanted.mean, wanted.std))
    images = ((images - mean) / std).to(device, kind)
    copied = copy.deepcopy(module)
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(action="ignore"):
            for training in (True, False):
                outputs = copied.train(training)(images.clone().requires_grad_())
    except Exception as error:  # of any kind: networks of anyone's are tried
        raise InputError(
            f"{name} cannot be fed float32 pictures (2, {channels}, {wanted.side}, {wanted.side}): {error}. Give its "
            "size= and preprocess=, or put what else it wants done to them into its forward."
        ) from error
    classes = number_of_classes(outputs)
    if classes is None:
        raise InputError(
            f"{name} returns no logits (N, classes) that can be found; return them alone, first in a tuple, or by the "
            "name logits."
        )
    logits = logits_of(outputs, classes)
    if are_probabilities(logits):
        raise InputError(f"{name} returns probabilities, and logits are expected; leave its softmax or sigmoid out.")
    head = head_of(copied, classes)
    known = head is not None and gives_the_logits(copied, head, images, logits)
    return classes, head if known else None
