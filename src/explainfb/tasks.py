"""Tasks: labelled images with what is known of their reasons, found by name.

Only the simulated annotator and the evaluation may read the masks of a task.
"""

import difflib
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import sklearn.datasets
import torch
import torch.nn.functional as F
import torchvision.datasets
from torch import Tensor

from explainfb.errors import InputError
from explainfb.folders import Part, read_folder
from explainfb.seeds import derive, numpy_generator, torch_generator
from explainfb.shortcuts import Kind, Shortcut
from explainfb.types import LabelledImages, check_images

DATA_DIR = Path("data")
DECOY = "-decoy"
FOLDER = "folder:"


@dataclass(frozen=True, eq=False)
class Split:
    """Images that are used together, with what is known of each."""

    images: Tensor
    """(N, C, H, W) float32 in [0, 1]."""
    labels: Tensor
    """(N,) int64."""
    relevance: Tensor | None = None
    """(N, H, W) bool: where a person would accept to find the reason; None where nobody knows."""
    shortcut: Tensor | None = None
    """(N, H, W) bool: where the planted patch is; None where nothing was planted."""

    def __post_init__(self) -> None:
        check_images(self.images)
        if len(self.images) != len(self.labels):
            raise InputError(f"Every image needs a label; found {len(self.images)} images, {len(self.labels)} labels.")
        if self.labels.ndim != 1 or self.labels.dtype != torch.int64:
            raise InputError(
                f"Labels must be int64 of shape (N,); found {self.labels.dtype} of shape {tuple(self.labels.shape)}."
            )
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
        masks = {name: mask[indices] for name in ("relevance", "shortcut") if (mask := getattr(self, name)) is not None}
        return Split(self.images[indices], self.labels[indices], **masks)


@dataclass(frozen=True, eq=False)
class Task:
    """A classification task with its splits."""

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    """Carries the shortcut as the training images do."""
    clean: Split
    """Test images without a shortcut."""
    shifted: Split | None = None
    """The same test images, each with the shortcut of a random class; None without a shortcut."""
    sound_train: Split | None = None
    """The training images without the patch, for the `no_shortcut` arm."""
    sound_validation: Split | None = None

    def __post_init__(self) -> None:
        for name in ("train", "validation", "clean"):
            if not len(getattr(self, name)):
                raise InputError(f"Task {self.name} has no {name} images; every split needs some.")
        for split in (self.train, self.validation, self.clean):
            for label in (int(bound) for bound in torch.aminmax(split.labels)):
                if not 0 <= label < len(self.class_names):
                    raise InputError(f"Label {label} has no class name; {len(self.class_names)} names were given.")

    @property
    def test(self) -> Split:
        """The images that robustness and calibration are measured on: the shifted ones where there are any."""
        return self.shifted if self.shifted is not None else self.clean

    @property
    def image_shape(self) -> tuple[int, int, int]:
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width


Source = tuple[LabelledImages, LabelledImages, tuple[str, ...]]
"""Training and test images, uint8 or float in [0, 1], with the class names."""


def digits() -> Source:
    """The 1,797 handwritten digits that scikit-learn carries (Alpaydin & Kaynak 1998).

    8×8 pixels, enlarged to 20×20 in the middle of a 28×28 image, as MNIST frames its digits. The set has no split of
    its own: a fixed quarter of each class is the test.
    """
    bunch = sklearn.datasets.load_digits()
    small = torch.tensor(bunch.images / 16, dtype=torch.float32)[:, None]
    large = F.interpolate(small, size=(20, 20), mode="bicubic", align_corners=False).clamp(0, 1)
    images, labels = F.pad(large, (4, 4, 4, 4)), torch.tensor(bunch.target, dtype=torch.int64)
    order = torch.from_numpy(numpy_generator(0, "digits", "split").permutation(len(labels)))
    turn = torch.empty_like(labels)
    for label in range(10):
        members = order[labels[order] == label]
        turn[members] = torch.arange(len(members))
    test = turn % 4 == 0
    keep = order[~test[order]]
    return (images[keep], labels[keep]), (images[test], labels[test]), tuple(str(digit) for digit in range(10))


def torchvision_set(name: str, data_dir: Path | None) -> Source:
    """One of torchvision's data sets, read from `data_dir` or downloaded to `data/`."""
    dataset, folder = TORCHVISION[name]
    root = data_dir if data_dir is not None else DATA_DIR
    get = (
        f"run `python -c \"import torchvision; torchvision.datasets.{dataset.__name__}('data', download=True)\"` where "
        f"there is a network and give the folder `data` that it fills as --data-dir"
    )
    if data_dir is not None and not data_dir.is_dir():
        raise InputError(f"The data folder {data_dir} does not exist; leave --data-dir out to download, or {get}.")
    try:
        splits = [dataset(root=str(root), train=train, download=data_dir is None) for train in (True, False)]
        train, test = ((_as_images(np.asarray(split.data)), torch.as_tensor(split.targets)) for split in splits)
    except (RuntimeError, OSError, *DAMAGE) as error:
        there = (root / folder).exists()
        found = "is damaged or incomplete" if there else "is not there and could not be downloaded"
        found = "does not exist" if data_dir is not None and not there else found
        raise InputError(f"{dataset.__name__} was expected in {root / folder}, which {found}; {get}.") from error
    return train, test, tuple(class_name.split(" - ")[0] for class_name in splits[0].classes)


def _as_images(pixels: np.ndarray) -> Tensor:
    images = torch.from_numpy(pixels)
    return images[:, None] if images.ndim == 3 else images.movedim(-1, 1)


DAMAGE = (ValueError, TypeError, AssertionError, IndexError, KeyError, EOFError, pickle.UnpicklingError)
"""What torchvision's readers raise, besides RuntimeError and OSError, on files that are cut short or garbled."""
TORCHVISION = {
    "mnist": (torchvision.datasets.MNIST, "MNIST/raw"),
    "fashion-mnist": (torchvision.datasets.FashionMNIST, "FashionMNIST/raw"),
    "cifar10": (torchvision.datasets.CIFAR10, "cifar-10-batches-py"),
}
SOURCES: dict[str, Callable[[Path | None], Source]] = {
    "digits": lambda data_dir: digits(),
    **{name: partial(torchvision_set, name) for name in TORCHVISION},
}
ON_BLACK = ("digits", "mnist", "fashion-mnist")
"""Sets whose background is black, so that the object is known to be where there is ink."""


def task_names() -> list[str]:
    """Every name that `load_task` knows, `folder:PATH` aside."""
    return [name + suffix for name in SOURCES for suffix in ("", DECOY)]


def near_ink(images: Tensor) -> Tensor:
    """(N, H, W): pixels within two of a pixel brighter than 0.1, the object and its immediate surroundings."""
    return F.max_pool2d((images.amax(1, keepdim=True) > 0.1).float(), 5, stride=1, padding=2)[:, 0].bool()


def load_task(
    name: str,
    *,
    data_dir: Path | None = None,
    train_images: int = 10_000,
    shortcut: Kind = "position",
    image_size: int = 64,
    seed: int = 0,
) -> Task:
    """The task called `name`, one of `task_names()` or `folder:PATH`.

    At most the first `train_images` training images are used (of a folder: the first by hash); the next tenth as many
    are for validation, or the last tenth of the training images where there are no more. `data_dir` holds torchvision's
    data sets; None downloads to `data/`. `seed` draws the shortcuts' random parts. `image_size` is the side, in pixels,
    to which a folder's pictures are brought. Raises `InputError` for an unknown name or data that cannot be read.
    """
    if train_images < 10:
        raise InputError(f"--train-images must be at least 10; found {train_images}.")
    if name.startswith(FOLDER):
        return _own(name, image_size, train_images)
    base = name.removesuffix(DECOY)
    if base not in SOURCES:
        near = difflib.get_close_matches(name.lower(), task_names(), n=1)
        known = f"did you mean {near[0]!r}?" if near else f"give one of {', '.join(task_names())}."
        raise InputError(f"Unknown task {name!r}; {known} Or give folder:PATH for your own pictures.")
    task = _official(base, data_dir, train_images)
    return _with_shortcut(task, shortcut, seed) if name.endswith(DECOY) else task


def _own(name: str, image_size: int, train_images: int) -> Task:
    path = name.removeprefix(FOLDER)
    if not path:
        raise InputError("folder: needs a path, such as folder:pictures, to a folder of pictures for each class.")

    def split(part: Part) -> Split:
        return Split(part.images, part.labels, part.relevance, part.shortcut)

    folder = read_folder(Path(path), image_size=image_size, train_images=train_images)
    return Task(name, folder.class_names, split(folder.train), split(folder.validation), split(folder.test))


def _official(name: str, data_dir: Path | None, train_images: int) -> Task:
    (images, labels), test, class_names = SOURCES[name](data_dir)
    used = min(train_images, len(images))
    spare = max(1, used // 10)
    start = min(used, len(images) - spare)
    parts = [(images[:start], labels[:start]), (images[start:][:spare], labels[start:][:spare]), test]
    return Task(name, class_names, *(_official_split(name, *part) for part in parts))


def _official_split(name: str, images: Tensor, labels: Tensor) -> Split:
    pixels = images.float() / (255 if images.dtype == torch.uint8 else 1)
    return Split(pixels, labels, relevance=near_ink(pixels) if name in ON_BLACK else None)


def _with_shortcut(task: Task, kind: Kind, seed: int) -> Task:
    _, height, width = task.image_shape
    shortcut = Shortcut(kind, len(task.class_names), height, width)

    def mark(split: Split, name: str, hints: Tensor) -> Split:
        images, mask = shortcut.plant(split.images, hints, seed=derive(seed, "shortcut", name))
        relevance = (~shortcut.territory()).expand(len(split), -1, -1)
        return Split(images, split.labels, relevance, mask)

    random_class = torch.randint(
        len(task.class_names), (len(task.clean),), generator=torch_generator(seed, "shortcut", "random class")
    )
    return replace(
        task,
        name=task.name + DECOY,
        train=mark(task.train, "train", task.train.labels),
        validation=mark(task.validation, "validation", task.validation.labels),
        shifted=mark(task.clean, "shifted", random_class),
        sound_train=task.train,
        sound_validation=task.validation,
    )
