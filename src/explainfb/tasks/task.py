"""Tasks: labelled images with what is known of their reasons, found by name.

Only the simulated annotator and the evaluation may read the masks of a task.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.names import check_name
from explainfb.core.types import check_images
from explainfb.tasks.settings import TaskRecipe
from explainfb.tasks.stored.on_demand import ImagesOnDemand, taken

if TYPE_CHECKING:
    from explainfb.tasks.planting.kinds import Plant


@dataclass(frozen=True, eq=False)
class Split:
    """Images that are used together, with what is known of each. NumPy's arrays become tensors.

    >>> from explainfb import load_task
    >>> train = load_task("digits-decoy").train
    >>> train.images.shape, train.labels.shape, train.relevance.shape
    (torch.Size([1209, 1, 28, 28]), torch.Size([1209]), torch.Size([1209, 28, 28]))
    >>> len(train.take(slice(10)))
    10
    """

    images: Tensor
    """(N, C, H, W) float32 in [0, 1]. Those of a large folder of pictures are read from the disk as they are used:
    index them, or take them in parts with `split`; anything else reads them all."""
    labels: Tensor
    """(N,) int64."""
    relevance: Tensor | None = None
    """(N, H, W) bool: where a person would accept to find the reason; None where nobody knows."""
    shortcut: Tensor | None = None
    """(N, H, W) bool: where the planted patch is; None where nothing was planted."""
    shortcut_class: Tensor | None = None
    """(N,) int64: the class that each image's shortcut stands for, −1 without one; None where nobody knows."""
    groups: Tensor | None = None
    """(N,) int64 from 0: what else each image is, such as its background; None where nobody says."""

    def __post_init__(self) -> None:
        for name in ("images", "labels", "relevance", "shortcut", "groups"):
            object.__setattr__(self, name, _as_tensor(getattr(self, name)))
        if not isinstance(self.images, ImagesOnDemand):  # which come from 8 bits, and to look at all takes long
            check_images(self.images)
        if len(self.images) != len(self.labels):
            raise InputError(f"Every image needs a label; found {len(self.images)} images, {len(self.labels)} labels.")
        if self.labels.ndim != 1 or self.labels.dtype != torch.int64:
            raise InputError(
                f"Labels must be int64 of shape (N,); found {self.labels.dtype} of shape {tuple(self.labels.shape)}."
            )
        if self.shortcut_class is not None and self.shortcut_class.shape != self.labels.shape:
            raise InputError(
                f"Every shortcut needs the class it stands for; found {len(self.shortcut_class)} for {len(self)}."
            )
        if self.groups is not None and self.groups.shape != self.labels.shape:
            raise InputError(f"Every image needs its group; found {len(self.groups)} for {len(self)}.")
        for name in ("relevance", "shortcut"):
            mask = getattr(self, name)
            if mask is not None and mask.shape != (len(self.images), *self.images.shape[2:]):
                raise InputError(f"The {name} masks must have shape (N, H, W); found {tuple(mask.shape)}.")
            if mask is not None and mask.dtype != torch.bool:
                raise InputError(f"The {name} masks must be bool; found {mask.dtype}. Compare them with a threshold.")

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Tensor | slice) -> "Split":
        """The split of these images alone."""
        names = ("relevance", "shortcut", "shortcut_class", "groups")
        known = {name: values[indices] for name in names if (values := getattr(self, name)) is not None}
        return Split(taken(self.images, indices), self.labels[indices], **known)

    def subgroups(self) -> Tensor | None:
        """(N,) int64, equal for images of the same label whose shortcut says the same, or of the same group where no
        shortcut is known; None where neither is."""
        other = self.groups if self.shortcut_class is None else self.shortcut_class
        if other is None:
            return None
        # −1, without a shortcut, is a group too
        return self.labels * (int(other.max()) + 2) + other + 1


def _as_tensor(given: Any) -> Any:
    """NumPy's arrays as tensors, floats in 32 bits and whole numbers in 64; what is so already is not copied."""
    found = torch.from_numpy(np.ascontiguousarray(given)) if isinstance(given, np.ndarray) else given
    if not isinstance(found, Tensor) or found.dtype in (torch.bool, torch.uint8):
        return found
    return found.to(torch.float32 if found.is_floating_point() else torch.int64)


@dataclass(frozen=True, eq=False)
class Task:
    """A classification task with its splits.

    >>> from explainfb import load_task
    >>> task = load_task("digits-decoy")
    >>> task.image_shape, task.class_names[:3], len(task.clean) == len(task.shifted)
    ((1, 28, 28), ('0', '1', '2'), True)
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    """Carries the shortcut as the training images do."""
    clean: Split
    """Test images without a shortcut."""
    shifted: Split | None = None
    """Test images whose shortcut misleads: the clean ones with the shortcut of a random class each, or of a folder of
    pictures those in `test-shifted`; None where there are none."""
    train_without_shortcut: Split | None = None
    """The training images without the patch, for the `no_shortcut` arm."""
    validation_without_shortcut: Split | None = None
    notes: tuple[str, ...] = ()
    """What whoever gave the data should know of them, in sentences."""
    recipe: TaskRecipe | None = None
    """How it is made again; None of one that was made by hand, of which a study cannot be begun without its name."""

    def __post_init__(self) -> None:
        check_name(self.name, "The task")
        for name in self.class_names:
            check_name(name, "A class")
        for name in ("train", "validation", "clean"):
            if not len(getattr(self, name)):
                raise InputError(f"Task {self.name} has no {name} images; every split needs some.")
        for split in (self.train, self.validation, self.clean, *(() if self.shifted is None else (self.shifted,))):
            for label in (int(bound) for bound in torch.aminmax(split.labels)):
                if not 0 <= label < len(self.class_names):
                    raise InputError(f"Label {label} has no class name; {len(self.class_names)} names were given.")

    def plant(self, what: "Plant | str", *, rate: float = 1.0, seed: int = 0) -> "Task":
        """The task with a shortcut planted: in a share `rate` of its training and validation images, saying their
        class, and in a copy of all test images, its `shifted` split, saying a class at random.

        `what` is a `Watermark`, `Sticker`, `Frame`, `Background`, `Tint`, `Position` or `Grey`, or its name. Its place
        is in the `shortcut` masks; where there are relevance masks it is taken out of them, and where there are none
        everything else is relevant. The images without it stay beside. Raises `InputError` for a task that has a
        shortcut, and for backgrounds without masks.

        >>> from explainfb import Frame, load_task
        >>> task = load_task("digits").plant(Frame(), rate=0.9)
        >>> 0.85 < (task.train.shortcut_class >= 0).float().mean() < 0.95, len(task.shifted) == len(task.clean)
        (tensor(True), True)
        """
        from explainfb.tasks.planting.planting import plant_shortcut  # which stands on this module

        return plant_shortcut(self, what, rate=rate, seed=seed)

    @property
    def test(self) -> Split:
        """The images that robustness and calibration are measured on: the shifted ones where there are any."""
        return self.shifted if self.shifted is not None else self.clean

    @property
    def image_shape(self) -> tuple[int, int, int]:
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width
