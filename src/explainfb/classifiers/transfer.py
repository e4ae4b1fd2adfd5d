"""Networks that learned on ImageNet, made classifiers of a task: `pretrained("alexnet").transfer(task)`.

The body keeps what it knows, and a head of other classes is drawn anew for the task's (Yosinski et al. 2014).
"""

import argparse
import http.client
import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, build_classifier, load_weights
from explainfb.classifiers.networks import BUILDERS, Architecture, nearest_name
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.torchvision_networks import (
    Preprocessing,
    body_and_head,
    network_names,
    preprocessing,
    weights_of,
)
from explainfb.classifiers.training import TrainingPoint, fit
from explainfb.core.errors import InputError
from explainfb.tasks.task import Task

Layers = Literal["head", "all"]
TRANSFER = TrainingSettings(steps=300, batch_size=32, validate_every=25, patience=4)
"""For the head alone; a learning rate of 1e-4 suits all layers better."""
UNREADABLE = (
    *(SafetensorError, pickle.UnpicklingError, RuntimeError, OSError, EOFError),
    *(ValueError, LookupError, TypeError, AttributeError, AssertionError),
)
"""What torch and safetensors raise on files that are cut short, garbled or of another kind."""
IN_CHECKPOINTS = ("state_dict", "model_state_dict", "model", "model_ema", "net", "network", "weights")
"""What training scripts call the weights in the dictionaries that they save, the likeliest first."""
OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")
"""Published DenseNet files say `norm.1.weight` where the network says `norm1.weight`."""
COUNTER = "num_batches_tracked"
"""Batch normalisation's counter, which files of 2018 lack and nothing reads."""


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A torchvision network with published weights, ready for any task."""

    name: str
    """As torchvision calls it."""
    body: Mapping[str, Tensor]
    """Every tensor but the head's, by torchvision's name for it."""
    head: tuple[str, ...]
    """The names of the tensors that depend on the number of classes."""
    preprocessing: Preprocessing
    own_head: Mapping[str, Tensor] = field(default_factory=dict)
    """The head's tensors, as far as the weights have them."""

    def transfer(
        self,
        task: Task,
        *,
        settings: TrainingSettings = TRANSFER,
        layers: Layers = "head",
        keep_head: bool = True,
        seed: int = 0,
        device: str | torch.device = "cpu",
        on_validation: Callable[[TrainingPoint], None] | None = None,
    ) -> Classifier:
        """A classifier of images (N, C, H, W) in [0, 1] of the task's own size, with its preprocessing inside.

        The head is drawn anew, but for weights that have one for as many classes as the task has: it is taken to be of
        the task's classes in their order, and stays, unless `keep_head` is False.
        `layers` says what is trained: the head alone, or all; with the head, everything else stays as published to
        the last bit. All of its parameters are free when it is returned. `settings.classifier` is not read. Raises
        `InputError` for images that are neither grey nor coloured.
        """
        if layers not in ("head", "all"):
            raise InputError(f"Unknown layers {layers!r}; expected 'head' or 'all'.")
        classifier = build_classifier(self._architecture(task), seed)
        fresh = classifier.network.state_dict()
        load_weights(
            classifier.network,
            {**fresh, **self.body, **(self.own_head if keep_head and self.keeps_head_of(task) else {})},
        )
        for name, parameter in classifier.network.named_parameters():
            parameter.requires_grad_(layers == "all" or name in self.head)
        fit(
            classifier.to(device),
            task.train,
            task.validation,
            settings=settings,
            seed=seed,
            on_validation=on_validation,
        )
        return classifier.requires_grad_(True)

    def keeps_head_of(self, task: Task) -> bool:
        """Whether the weights have a head for as many classes as the task has, which then stays."""
        return all(key in self.own_head and len(self.own_head[key]) == len(task.class_names) for key in self.head)

    def _architecture(self, task: Task) -> Architecture:
        channels, height, width = task.image_shape
        wanted = self.preprocessing
        return Architecture(
            name=self.name,
            classes=len(task.class_names),
            channels=channels,
            height=height,
            width=width,
            mean=wanted.mean,
            std=wanted.std,
            resize=wanted.side,
            interpolation=wanted.interpolation,
            class_names=task.class_names,
        )


def pretrained(name: str, weights: Path | None = None) -> Pretrained:
    """The torchvision classifier called `name` with the weights in the file `weights`.

    The file is a state dict (.pth) or .safetensors of the very network, with a head for any number of classes; one in a
    checkpoint, or of a network inside DataParallel or torch.compile, is found. None
    takes torchvision's default weights, downloaded once into torch's cache. Raises `InputError` for an unknown name,
    for a file of another network, and when there is neither a file nor a network connection.

    >>> from pathlib import Path
    >>> import torch, torchvision
    >>> from explainfb import TrainingSettings, load_task, pretrained
    >>> torch.save(torchvision.models.squeezenet1_1().state_dict(), "squeezenet.pth")  # or published ones
    >>> task = load_task("digits")
    >>> network = pretrained("squeezenet1_1", Path("squeezenet.pth"))
    >>> classifier = network.transfer(task, settings=TrainingSettings(steps=0))
    >>> classifier(task.clean.images[:2]).shape
    torch.Size([2, 10])
    """
    if name in BUILDERS:
        raise InputError(
            f"torchvision has no classifier {name!r}, and so there are no weights of it; leave --weights out, or name "
            "the network that they are of with --training.classifier."
        )
    if name not in network_names():
        nearest = nearest_name(name, list(network_names()))
        raise InputError(f"torchvision has no classifier {name!r}; did you mean {nearest!r}?")
    published = weights_of(name, weights.name if weights is not None else None)
    wanted = preprocessing(published)
    shapes, head = body_and_head(name, wanted.side)
    source = weights if weights is not None else _cache() / _file_name(published)
    tensors = _with_names_of({*shapes, *head}, _read(weights)) if weights is not None else _download(name, published)
    if name.startswith("densenet"):
        tensors = {OLD_DENSENET.sub(r"\1\2", key): tensor for key, tensor in tensors.items()}
    own_head = {key: tensors[key] for key in head if key in tensors}
    return Pretrained(name, _body(tensors, shapes, name, source), head, wanted, own_head)


def _body(tensors: dict[str, Tensor], shapes: dict[str, torch.Size], name: str, source: Path) -> dict[str, Tensor]:
    body = {}
    for key, shape in shapes.items():
        tensor = torch.tensor(0) if key.endswith(COUNTER) and key not in tensors else tensors.get(key)
        if tensor is None or tensor.shape != shape:
            found = "is missing" if tensor is None else f"has shape {tuple(tensor.shape)}, not {tuple(shape)}"
            raise InputError(f"{source} does not hold the weights of {name}: {key} {found}; give the file of a {name}.")
        if not torch.isfinite(tensor).all():
            raise InputError(f"{source} is damaged: {key} holds NaN or infinity; fetch the file anew.")
        body[key] = tensor
    return body


def _with_names_of(expected: set[str], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without what was put before every name: `module.` by DataParallel, `_orig_mod.` by torch.compile."""
    first = next(iter(expected & set(tensors)), None)
    if first is not None:
        return tensors
    prefixes = {name.removesuffix(known) for name in tensors for known in expected if name.endswith("." + known)}
    matching = max(prefixes, key=lambda prefix: sum(prefix + known in tensors for known in expected), default="")
    return {name.removeprefix(matching): tensor for name, tensor in tensors.items()}


def _state_dict_in(found: Any, path: Path) -> dict[str, Tensor]:
    """The tensors by name of what a file holds: a state dict, or a checkpoint that has one in it."""
    if _is_state_dict(found):
        return dict(found)
    if isinstance(found, Mapping):
        inside = {str(name): value for name, value in found.items() if _is_state_dict(value)}
        named = [name for name in IN_CHECKPOINTS if name in inside]
        if named or len(inside) == 1:
            return dict(inside[named[0] if named else next(iter(inside))])
        held = f", but {', '.join(map(repr, found))}" if found else ""
    else:
        held = f", but a {type(found).__name__}"
    raise InputError(
        f"{path} holds no state dict, tensors by name{held}; save `network.state_dict()` and give that file."
    )


def _is_state_dict(found: Any) -> bool:
    return isinstance(found, Mapping) and bool(found) and all(isinstance(tensor, Tensor) for tensor in found.values())


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(f"No weights at {path}; expected a .pth state dict or a .safetensors file.")
    try:
        if path.suffix == ".safetensors":
            found: Any = safetensors.torch.load_file(path)
        else:
            # a namespace holds values and no code; training scripts save their arguments in one beside the weights
            with (
                warnings.catch_warnings(action="ignore"),  # torch warns of pickles that it then refuses
                torch.serialization.safe_globals([argparse.Namespace]),
            ):
                # a pickle may run any code when it is loaded
                found = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        other = re.search(r"GLOBAL ([\w.]+) was not an allowed global", str(error))
        why = f"it holds a {other[1]}, whose code would be run" if other else type(error).__name__
        raise InputError(
            f"{path} cannot be read as weights ({why}); expected a state dict in .pth or .safetensors, such as "
            "torch.save(network.state_dict(), FILE) writes."
        ) from error
    return _state_dict_in(found, path)


def _download(name: str, published: Any) -> dict[str, Tensor]:
    file = _cache() / _file_name(published)
    try:
        return dict(published.get_state_dict(progress=True, check_hash=True, weights_only=True, map_location="cpu"))
    except (OSError, http.client.HTTPException) as error:
        raise InputError(
            f"The weights of {name}, {file.name}, are not in {file.parent} and cannot be downloaded ({error}); "
            f"fetch {published.url} where there is a network and give it as --weights FILE."
        ) from error
    except UNREADABLE as error:
        raise InputError(f"{file} is damaged ({type(error).__name__}); delete it to have it fetched anew.") from error


def _cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _file_name(published: Any) -> str:
    return str(published.url.rsplit("/", 1)[1])
