from dataclasses import replace

import pytest
import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.tasks.datasets import load_task
from explainfb.tasks.task import Split, Task


def split(images: Tensor, **changes: Tensor) -> Split:
    return Split(**{"images": images, "labels": torch.zeros(len(images), dtype=torch.int64), **changes})


@pytest.mark.parametrize(
    ("value", "message"),
    [(float("nan"), "Image 1 contains NaN"), (float("inf"), "Image 1 contains NaN"), (-0.01, "found"), (255.0, "255")],
)
def test_broken_pixels_are_refused(value: float, message: str) -> None:
    images = torch.zeros(2, 1, 4, 5)
    split(images)
    images[1, 0, 2, 3] = value
    with pytest.raises(InputError, match=message):
        split(images)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": torch.zeros(2, 4, 5)}, "shape"),
        ({"images": torch.zeros(2, 1, 4, 5, dtype=torch.uint8)}, "float tensor"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, "2 images, 3 labels"),
        ({"labels": torch.zeros(2)}, "must be int64"),
        ({"labels": torch.zeros(2, 1, dtype=torch.int64)}, "must be int64"),
        ({"relevance": torch.zeros(2, 5, 4, dtype=torch.bool)}, "relevance masks must have shape"),
        ({"shortcut": torch.zeros(2, 4, 5)}, "shortcut masks must be bool"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message):
        split(**{"images": torch.zeros(2, 1, 4, 5), **changes})


def test_take_keeps_images_labels_and_masks_together() -> None:
    task = load_task("digits-decoy")
    some = task.train.take(torch.tensor([5, 2]))
    assert torch.equal(some.images[1], task.train.images[2])
    assert some.labels.tolist() == task.train.labels[[5, 2]].tolist()
    assert task.train.shortcut is not None
    assert some.shortcut is not None
    assert torch.equal(some.shortcut[0], task.train.shortcut[5])


@pytest.mark.parametrize("label", [10, -1])
def test_labels_need_names(label: int) -> None:
    task = load_task("digits")
    labels = task.clean.labels.clone()
    labels[7] = label
    with pytest.raises(InputError, match=f"Label {label} has no class name"):
        replace(task, clean=replace(task.clean, labels=labels))


def test_a_task_needs_every_split() -> None:
    task = load_task("digits")
    with pytest.raises(InputError, match="has no validation images"):
        Task("empty", task.class_names, task.train, task.validation.take(slice(0)), task.clean)
