"""Networks of timm and of Hugging Face by name, where these libraries are installed: `timm:NAME` and `hf:NAME`."""

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from explainfb.core.errors import InputError

T = TypeVar("T")
TIMM, HUGGING_FACE = "timm:", "hf:"


def library(name: str) -> Any:
    """The library called `name`. Raises `InputError` saying how to get one that is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"{name} is not installed; `pip install {name}`, or explainfb[photographs].") from error


def is_of_library(name: str) -> bool:
    """Whether the name says which library the network is of."""
    return name.startswith((TIMM, HUGGING_FACE))


def build_of_library(name: str, classes: int) -> nn.Module:
    """The network called `timm:NAME` or `hf:NAME` with fresh weights. Raises `InputError` where it cannot be had."""
    return _tried(name, lambda: _fresh(name, classes))


def load_of_library(name: str) -> tuple[nn.Module, object, tuple[str, ...] | None]:
    """The network with its published weights, its configuration of preprocessing, and its class names if it has any."""
    return _tried(name, lambda: _published(name))


def _tried(name: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except InputError:
        raise
    except Exception as error:  # of any kind: the library's own, and those of its downloads
        raise InputError(f"{name} cannot be had: {type(error).__name__}: {error}") from error


def _fresh(name: str, classes: int) -> nn.Module:
    if name.startswith(TIMM):
        network: nn.Module = library("timm").create_model(name.removeprefix(TIMM), num_classes=classes)
        return network
    transformers = library("transformers")
    config = transformers.AutoConfig.from_pretrained(name.removeprefix(HUGGING_FACE), num_labels=classes)
    return transformers.AutoModelForImageClassification.from_config(config)  # type: ignore[no-any-return]


def _published(name: str) -> tuple[nn.Module, object, tuple[str, ...] | None]:
    if name.startswith(TIMM):
        network = library("timm").create_model(name.removeprefix(TIMM), pretrained=True)
        return network, configuration_of(network), None
    transformers, place = library("transformers"), name.removeprefix(HUGGING_FACE)
    network = transformers.AutoModelForImageClassification.from_pretrained(place)
    config: Any = network.config
    names = tuple(str(config.id2label[number]) for number in range(config.num_labels))
    preprocess, _ = transformers.ImageProcessingMixin.get_image_processor_dict(place)
    return network, preprocess, names


def configuration_of(network: nn.Module) -> object:
    """The configuration of preprocessing that a network of timm's carries with it; None of any other."""
    return getattr(network, "pretrained_cfg", None) or getattr(network, "default_cfg", None)
