"""A trained network as a classifier of its own classes, which can be made one of a task's."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from explainfb.classifiers.classifier import Classifier, build_classifier, load_weights
from explainfb.classifiers.loading.layers import freeze, head_of
from explainfb.classifiers.networks import Architecture
from explainfb.classifiers.settings import TrainingSettings, check_train
from explainfb.classifiers.training import TrainingPoint, fit
from explainfb.classifiers.transfer import TRANSFER
from explainfb.core.errors import InputError
from explainfb.tasks.task import Task


@dataclass(frozen=True, eq=False)
class Origin:
    """What a transferred classifier was made of, so that a twin can be made on other images."""

    network: "Network"
    settings: TrainingSettings
    """How it was trained, with what learned of it in `train`."""

    def __deepcopy__(self, memo: object) -> "Origin":
        return self  # a clone of a classifier has the same origin, and no network of its own for it


class Network(Classifier):
    """A trained network as a classifier of its own classes, of pictures in [0, 1], `size` pixels a side.

    It can be explained, attacked and measured as it is. `transfer` makes a classifier of a task of it.

    >>> from torch import nn
    >>> from explainfb import Preprocessing, network
    >>> mine = nn.Sequential(nn.Flatten(), nn.Linear(16 * 16 * 3, 5))
    >>> net = network(mine, preprocess=Preprocessing(16, (0.5,), (0.3,)))
    >>> net.size, net.head
    (16, '1')
    """

    head: str | None = None
    """The name of the layer that gives the logits; None where there is none that can be exchanged."""

    @property
    def size(self) -> int:
        """The side, in pixels, of the square pictures that it was made for."""
        return self.architecture.height

    def transfer(
        self,
        task: Task,
        *,
        train: str = "head",
        settings: TrainingSettings = TRANSFER,
        seed: int = 0,
        device: str | torch.device = "cpu",
        on_validation: Callable[[TrainingPoint], None] | None = None,
    ) -> Classifier:
        """A classifier of `task`: the same body, a head for its classes drawn anew, trained on its training images.

        `train` says what learns, here and in feedback: the `head`, the `last N blocks` with it, or `all`. What is
        frozen stays as published to the last bit, running statistics too. The body learns at `settings.body_rate` of
        the head's learning rate. A head for the same class names in the same order is kept. Images of another size
        than `size` are resized inside. Raises `InputError` for images of other channels, and where the network has no
        head that can be exchanged.

        >>> from torch import nn
        >>> from explainfb import Preprocessing, TrainingSettings, load_task, network
        >>> mine = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 16), nn.ReLU(), nn.Linear(16, 5))
        >>> net = network(mine, preprocess=Preprocessing(28, (0.5,), (0.3,)))
        >>> classifier = net.transfer(load_task("digits"), train="head", settings=TrainingSettings(steps=10))
        >>> [name for name, weight in classifier.named_parameters() if weight.requires_grad]
        ['network.3.weight', 'network.3.bias']
        """
        check_train(train)
        if self.head is None:
            raise InputError(
                f"No last layer of {type(self.network).__name__} gives its logits, so its classes cannot be exchanged; "
                "give the network with one, or wrap(network, task) where its classes are the task's."
            )
        architecture = self._for(task, train)
        built = build_classifier(architecture, seed)
        own = self.network.state_dict()
        if self.class_names != task.class_names:
            own = {name: own.get(name, tensor) for name, tensor in built.network.state_dict().items()}
            own |= built.network.get_submodule(self.head).state_dict(prefix=f"{self.head}." if self.head else "")
        load_weights(built.network, own)
        for old, new in zip(self.network.parameters(), built.network.parameters(), strict=True):
            new.requires_grad_(old.requires_grad)
        built.network.get_submodule(self.head).requires_grad_(True)
        freeze(built.network, train, architecture.classes)
        built.origin = Origin(self, replace(settings, train=train, classifier=self.architecture.name))
        return fit(
            built.to(device), task.train, task.validation, settings=settings, seed=seed, on_validation=on_validation
        )

    def _for(self, task: Task, train: str) -> Architecture:
        channels, height, width = task.image_shape
        mine = self.architecture
        if channels not in (1, mine.channels):
            raise InputError(f"The network takes {mine.channels} channels; {task.name} has {channels}.")
        return Architecture(
            name=mine.name,
            classes=len(task.class_names),
            channels=channels,
            height=height,
            width=width,
            mean=mine.mean,
            std=mine.std,
            resize=None if (height, width) == (mine.height, mine.width) else mine.height,
            interpolation=mine.interpolation,
            class_names=task.class_names,
            train=train,
        )


def as_network(classifier: Classifier) -> Network:
    """A network that was kept in a file with `save_classifier` and read as a classifier, ready for a task again."""
    found = Network(classifier.architecture, classifier.network).eval()
    found.head = head_of(classifier.network, classifier.architecture.classes)
    return found
