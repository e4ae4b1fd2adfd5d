"""Files of weights as training scripts leave them: read, or told what was found in them."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor

from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.transfer import pretrained
from explainfb.core.errors import InputError
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Task

UNTRAINED = TrainingSettings(steps=0)
NAME = "shufflenet_v2_x0_5"


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("digits", train_images=20)


def differing(left: dict[str, Tensor], right: dict[str, Tensor]) -> set[str]:
    assert left.keys() == right.keys()
    return {name for name in left if not torch.equal(left[name], right[name])}


def inside(weights: dict[str, Tensor]) -> dict[str, object]:
    """The same weights as training scripts leave them."""
    return {
        "plain": weights,
        "DataParallel": {"module." + name: tensor for name, tensor in weights.items()},
        "torch.compile": {"_orig_mod." + name: tensor for name, tensor in weights.items()},
        "both": {"module._orig_mod." + name: tensor for name, tensor in weights.items()},
        "a module's part": {"backbone." + name: tensor for name, tensor in weights.items()} | {"extra": torch.ones(1)},
        "checkpoint": {"epoch": 3, "state_dict": weights, "optimizer": {"state": {}}},
        "checkpoint of two": {"model_ema": {"other": torch.ones(1)}, "model": weights},
        "a namespace beside": {"model": weights, "args": argparse.Namespace(lr=0.1)},
        "nested and wrapped": {"net": {"module." + name: tensor for name, tensor in weights.items()}, "acc": 0.9},
    }


@pytest.mark.parametrize("kind", inside({}))
def test_weights_are_found_as_training_scripts_leave_them(kind: str, task: Task, tmp_path: Path) -> None:
    """With the head, where it is of as many classes as the task."""
    weights = torchvision.models.get_model(NAME, weights=None, num_classes=10).state_dict()
    torch.save(inside(weights)[kind], tmp_path / "w.pth")
    source = pretrained(NAME, tmp_path / "w.pth")
    assert differing(source.transfer(task, settings=UNTRAINED, train="all").network.state_dict(), weights) == set()
    drawn = source.transfer(task, settings=UNTRAINED, keep_head=False).network.state_dict()
    assert differing(drawn, weights) == {"fc.weight", "fc.bias"}


class Trainer:
    """What cannot be loaded without its code."""


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"epoch": 3}, "holds no state dict, tensors by name, but 'epoch'"),
        ([torch.ones(1)], "holds no state dict, tensors by name, but a list"),
        ({"model": {}, "trainer": Trainer()}, "it holds a .*Trainer, whose code would be run"),
        ({"one": {"a": torch.ones(1)}, "two": {"b": torch.ones(1)}}, "but 'one', 'two'"),
    ],
)
def test_what_was_found_in_place_of_weights_is_told(content: object, found: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(InputError, match=found):
        pretrained(NAME, tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (lambda weight: (weight * 100).to(torch.int8), "int8"),
        (lambda weight: weight.to(torch.complex64), "complex64"),
        (lambda weight: weight.to_sparse(), "sparse_coo"),
    ],
)
def test_numbers_that_would_be_taken_for_others_are_told(
    kind: Callable[[Tensor], Tensor], told: str, tmp_path: Path
) -> None:
    weights = torchvision.models.get_model(NAME, weights=None, num_classes=10).state_dict()
    torch.save(weights | {"fc.weight": kind(weights["fc.weight"])}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=rf"fc\.weight is of {told}; expected plain floating-point"):
        pretrained(NAME, tmp_path / "w.pth")


def test_half_precision_is_read_as_it_is(task: Task, tmp_path: Path) -> None:
    weights = torchvision.models.get_model(NAME, weights=None, num_classes=10).half().state_dict()
    torch.save(weights, tmp_path / "w.pth")
    read = pretrained(NAME, tmp_path / "w.pth").transfer(task, settings=UNTRAINED, train="all").network.state_dict()
    assert torch.equal(read["fc.weight"], weights["fc.weight"].float())
