"""Networks that learned on ImageNet, made classifiers of a task: `pretrained("alexnet").transfer(task)`.

The body keeps what it knows, and a head of other classes is drawn anew for the task's (Yosinski et al. 2014).
"""

import http.client
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from explainfb.classifiers.classifier import Classifier, build_classifier, load_weights
from explainfb.classifiers.loading.sound import fault_of
from explainfb.classifiers.loading.weights_files import UNREADABLE, read_weights, with_names_of
from explainfb.classifiers.networks import BUILDERS, Architecture, nearest_name
from explainfb.classifiers.settings import TrainingSettings, check_train
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

TRANSFER = TrainingSettings(steps=300, batch_size=32, validate_every=25, patience=4, body_rate=0.1)
"""For networks that are trained already."""
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
        train: str = "head",
        keep_head: bool = True,
        seed: int = 0,
        device: str | torch.device = "cpu",
        on_validation: Callable[[TrainingPoint], None] | None = None,
    ) -> Classifier:
        """A classifier of images (N, C, H, W) in [0, 1] of the task's own size, with its preprocessing inside.

        The head is drawn anew, but for weights that have one for as many classes as the task has: it is taken to be of
        the task's classes in their order, and stays, unless `keep_head` is False.
        `train` says what learns, here and in feedback: the `head`, the `last N blocks` with it, or `all`. Everything
        else is frozen and stays as published to the last bit. `settings.classifier` and `settings.train` are not read.
        Raises `InputError` for images that are neither grey nor coloured.
        """
        check_train(train)
        classifier = build_classifier(self._architecture(task, train), seed)
        fresh = classifier.network.state_dict()
        load_weights(
            classifier.network,
            {**fresh, **self.body, **(self.own_head if keep_head and self.keeps_head_of(task) else {})},
        )
        return fit(
            classifier.to(device),
            task.train,
            task.validation,
            settings=settings,
            seed=seed,
            on_validation=on_validation,
        )

    def keeps_head_of(self, task: Task) -> bool:
        """Whether the weights have a head for as many classes as the task has, which then stays."""
        return all(key in self.own_head and len(self.own_head[key]) == len(task.class_names) for key in self.head)

    def _architecture(self, task: Task, train: str) -> Architecture:
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
            train=train,
        )


def pretrained(name: str, weights: Path | str | None = None) -> Pretrained:
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
    weights = None if weights is None else Path(weights)
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
    tensors = (
        with_names_of({*shapes, *head}, read_weights(weights))
        if weights is not None
        else published_weights(name, published)
    )
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
        if (fault := fault_of({key: tensor})) is not None:
            raise InputError(f"{source} is damaged: {fault}; fetch the file anew.")
        body[key] = tensor
    return body


def published_weights(name: str, published: Any) -> dict[str, Tensor]:
    """Torchvision's, downloaded once into torch's cache. Raises `InputError` where they cannot be had."""
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
