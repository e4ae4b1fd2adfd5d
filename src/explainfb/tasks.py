"""Tasks: labelled images with what is known of their reasons, found by name.

Only the simulated annotator and the evaluation may read the masks of a task.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import sklearn.datasets
import torch
import torch.nn.functional as F
import torchvision.datasets
from torch import Tensor

from explainfb.errors import InputError
from explainfb.folders import read_folder
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
        for name in ("relevance", "shortcut"):
            mask = getattr(self, name)
            if mask is not None and mask.shape != (len(self.images), *self.images.shape[2:]):
                raise InputError(f"The {name} masks must have shape (N, H, W); found {tuple(mask.shape)}.")

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
        highest = max(int(split.labels.max()) for split in (self.train, self.validation, self.clean))
        if highest >= len(self.class_names):
            raise InputError(f"Label {highest} has no class name; {len(self.class_names)} names were given.")

    @property
    def test(self) -> Split:
        """The images that robustness and calibration are measured on: the shifted ones where there are any."""
        return self.shifted if self.shifted is not None else self.clean

    @property
    def image_shape(self) -> tuple[int, int, int]:
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width


def digits() -> tuple[LabelledImages, LabelledImages, tuple[str, ...]]:
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


def torchvision_set(name: str, data_dir: Path | None) -> tuple[LabelledImages, LabelledImages, tuple[str, ...]]:
    """One of torchvision's data sets, read from `data_dir` or downloaded to `data/`."""
    dataset = {
        "mnist": torchvision.datasets.MNIST,
        "fashion-mnist": torchvision.datasets.FashionMNIST,
        "cifar10": torchvision.datasets.CIFAR10,
    }[name]
    root = data_dir if data_dir is not None else DATA_DIR
    if data_dir is not None and not data_dir.is_dir():
        raise InputError(
            f"The data folder {data_dir} does not exist; give the folder that holds {dataset.__name__} in torchvision's "
            f"layout, or leave --data-dir out to download it to {DATA_DIR}/."
        )
    try:
        splits = [dataset(root=str(root), train=train, download=data_dir is None) for train in (True, False)]
    except (RuntimeError, OSError) as error:
        raise InputError(
            f"{dataset.__name__} is neither in {root} nor could it be downloaded; run torchvision.datasets."
            f"{dataset.__name__}('{root}', download=True) where there is a network, and copy the folder here."
        ) from error
    train, test = ((_as_images(np.asarray(split.data)), torch.as_tensor(split.targets)) for split in splits)
    return train, test, tuple(splits[0].classes)


def _as_images(pixels: np.ndarray) -> Tensor:
    images = torch.from_numpy(pixels)
    images = images[:, None] if images.ndim == 3 else images.movedim(-1, 1)
    return images.float() / 255


SOURCES: dict[str, Callable[[Path | None], tuple[LabelledImages, LabelledImages, tuple[str, ...]]]] = {
    "digits": lambda data_dir: digits(),
    "mnist": lambda data_dir: torchvision_set("mnist", data_dir),
    "fashion-mnist": lambda data_dir: torchvision_set("fashion-mnist", data_dir),
    "cifar10": lambda data_dir: torchvision_set("cifar10", data_dir),
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

    At most the first `train_images` training images are used; the next tenth as many are for validation, or the last
    tenth of the training images where there are no more. `seed` draws the shortcuts' random parts; `image_size` is the
    side of the pictures of a folder. Raises `InputError` for a name that is not known or data that cannot be read.
    """
    if train_images < 10:
        raise InputError(f"--train-images must be at least 10; found {train_images}.")
    if name.startswith(FOLDER):
        folder = read_folder(Path(name.removeprefix(FOLDER)), image_size=image_size)
        task = Task(
            name, folder.class_names, *(Split(*part) for part in (folder.train, folder.validation, folder.test))
        )
        return replace(task, train=task.train.take(slice(train_images)))
    base = name.removesuffix(DECOY)
    if base not in SOURCES:
        nearest = difflib.get_close_matches(name, task_names(), n=1, cutoff=0)[0]
        raise InputError(f"Unknown task {name!r}; did you mean {nearest!r}? Or give folder:PATH for your own pictures.")
    task = _official(base, data_dir, train_images)
    return _with_shortcut(task, shortcut, seed) if name.endswith(DECOY) else task


def _official(name: str, data_dir: Path | None, train_images: int) -> Task:
    (images, labels), test, class_names = SOURCES[name](data_dir)
    used = min(train_images, len(images))
    spare = max(1, used // 10)
    start = used if used + spare <= len(images) else len(images) - spare
    parts = [(images[:start][:used], labels[:start][:used]), (images[start:][:spare], labels[start:][:spare]), test]
    splits = [Split(*part, relevance=near_ink(part[0]) if name in ON_BLACK else None) for part in parts]
    return Task(name, class_names, *splits)


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
