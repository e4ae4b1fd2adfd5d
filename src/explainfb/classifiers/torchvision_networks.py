"""Torchvision's image classifiers by name: how to build one, what it wants of its input, and where its head is."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
from torch import nn

Interpolation = Literal["bilinear", "bicubic"]
CHANNELS = 3
"""Every network of torchvision takes red, green and blue."""
PROBE_CLASSES = 1009
"""A prime that is the width of no layer, so that the tensors that carry it are the head's."""
WITH_AUXILIARY_HEADS = ("inception_v3", "googlenet")


@dataclass(frozen=True)
class Preprocessing:
    """What a network's weights were trained on.

    >>> from explainfb import Preprocessing
    >>> Preprocessing(128, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).interpolation
    'bilinear'
    """

    side: int
    """Images are square, this many pixels a side."""
    mean: tuple[float, ...]
    """One value a channel, of pixels in [0, 1]."""
    std: tuple[float, ...]
    interpolation: Interpolation = "bilinear"


def _models() -> Any:
    """`torchvision.models`, loaded where it is wanted: it takes seconds, which a study of our own networks need not."""
    import torchvision.models

    return torchvision.models


@cache
def network_names() -> tuple[str, ...]:
    """Every classifier of `torchvision.models`."""
    models = _models()
    return tuple(models.list_models(module=models))


def weights_of(name: str, file_name: str | None = None) -> Any:
    """The published weights whose file has this name, or else the ones torchvision takes by default."""
    published = _models().get_model_weights(name)
    return next((weights for weights in published if weights.url.endswith(f"/{file_name}")), published.DEFAULT)


def preprocessing(weights: Any) -> Preprocessing:
    """What these weights of torchvision expect, with the whole picture brought to the side of their centre crop.

    Torchvision enlarges a picture and cuts its border off; here the border stays, because a reason may lie there.
    """
    preset = weights.transforms()
    return Preprocessing(preset.crop_size[0], tuple(preset.mean), tuple(preset.std), preset.interpolation.value)


def build_network(name: str, classes: int, side: int | None = None) -> nn.Module:
    """The network called `name` with fresh weights, for images `side` pixels a side; it returns logits alone.

    Auxiliary heads are left out. The two networks that have them want the rescaling that their weights were trained
    with, on top of the usual normalisation.
    """
    options: dict[str, Any] = {}
    if name in WITH_AUXILIARY_HEADS:
        options = {"aux_logits": False, "transform_input": True, "init_weights": False}
    elif name.startswith("vit_") and side is not None:
        options = {"image_size": side}
    network: nn.Module = _models().get_model(name, weights=None, num_classes=classes, **options)
    return network


def body_and_head(name: str, side: int) -> tuple[dict[str, torch.Size], tuple[str, ...]]:
    """The shape of every tensor of the network's body, by name, and the names of its head's tensors.

    The head is what depends on the number of classes: a linear layer for most, a convolution for SqueezeNet.
    """
    # only shapes are wanted, and the meta device has no weights to draw; RegNets work their widths out with tensors,
    # which the meta device cannot
    with torch.device("cpu" if name.startswith("regnet") else "meta"), torch.random.fork_rng(devices=[]):
        state = build_network(name, PROBE_CLASSES, side).state_dict()
    head = tuple(key for key, tensor in state.items() if tensor.shape[:1] == (PROBE_CLASSES,))
    return {key: tensor.shape for key, tensor in state.items() if key not in head}, head
