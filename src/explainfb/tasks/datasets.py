"""The tasks that are known by name, a folder of pictures, and the shortcut that a -decoy task plants."""

import difflib
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import sklearn.datasets
import torch
import torch.nn.functional as F
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.fields import whole_number
from explainfb.core.seeding import derive, numpy_generator, torch_generator
from explainfb.tasks.image_folder import read_folder
from explainfb.tasks.image_shortcuts import PLANTS, with_image_shortcut
from explainfb.tasks.recipes import read_recipe
from explainfb.tasks.settings import Fit, Kind, TaskRecipe
from explainfb.tasks.shortcuts import Shortcut
from explainfb.tasks.stored.reading import Part
from explainfb.tasks.task import Split, Task

DATA_DIR = Path("data")
DECOY = "-decoy"
FOLDER = "folder:"
LabelledImages = tuple[Tensor, Tensor]
"""Images (N, C, H, W), uint8 or float in [0, 1], and their labels (N,) int64."""
Source = tuple[LabelledImages, LabelledImages, tuple[str, ...]]
"""Training and test images with the class names."""


def digits() -> Source:
    """The 1,797 handwritten digits that scikit-learn carries (Alpaydin & Kaynak 1998).

    8×8 pixels, enlarged to 20×20 in the middle of a 28×28 image, as MNIST frames its digits. The set has no split of
    its own: a fixed quarter of each class is the test.
    """
    bunch = sklearn.datasets.load_digits()
    small = torch.tensor(bunch.images / 16, dtype=torch.float32)[:, None]
    large = F.interpolate(small, size=(20, 20), mode="bicubic", align_corners=False).clamp(0, 1)
    images, labels = F.pad(large, (4, 4, 4, 4)), torch.tensor(bunch.target, dtype=torch.int64)
    # seed 0, not the study's: the test images are the same in every study
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
    import torchvision.datasets  # takes seconds to load, and digits do without

    class_name, folder = TORCHVISION[name]
    dataset = getattr(torchvision.datasets, class_name)
    root = data_dir if data_dir is not None else DATA_DIR
    get = (
        f"run `python -c \"import torchvision; torchvision.datasets.{class_name}('data', download=True)\"` where "
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
        raise InputError(f"{class_name} was expected in {root / folder}, which {found}; {get}.") from error
    # torchvision calls MNIST's classes "0 - zero", "1 - one" and so on
    return train, test, tuple(each.split(" - ")[0] for each in splits[0].classes)


def _as_images(pixels: np.ndarray) -> Tensor:
    images = torch.from_numpy(pixels)
    return images[:, None] if images.ndim == 3 else images.movedim(-1, 1)


DAMAGE = (ValueError, TypeError, AssertionError, IndexError, KeyError, EOFError, pickle.UnpicklingError)
"""What torchvision's readers raise, besides RuntimeError and OSError, on files that are cut short or garbled."""
TORCHVISION = {
    "mnist": ("MNIST", "MNIST/raw"),
    "fashion-mnist": ("FashionMNIST", "FashionMNIST/raw"),
    "cifar10": ("CIFAR10", "cifar-10-batches-py"),
}
SOURCES: dict[str, Callable[[Path | None], Source]] = {
    "digits": lambda data_dir: digits(),
    **{name: partial(torchvision_set, name) for name in TORCHVISION},
}
ON_BLACK = ("digits", "mnist", "fashion-mnist")
"""Sets whose background is black, so that the object is known to be where there is ink."""


TASKS: dict[str, Callable[[Path | None, int, int], Task]] = {}
"""Tasks of one's own by name: (data_dir, at most how many training images, seed) → the task.

They are known to `load_task`, and so to studies, in every process that has put them here.

>>> from explainfb import TASKS, load_task
>>> TASKS["my-digits"] = lambda data_dir, train_images, seed: load_task("digits", train_images=train_images, seed=seed)
>>> len(load_task("my-digits", train_images=300).train)
300
"""


def task_names() -> list[str]:
    """Every name that `load_task` knows, `folder:PATH` aside."""
    named = [name + suffix for name in SOURCES for suffix in ("", DECOY)]
    return [*named, "digits-ring", *(f"{name}-{kind}" for name in ON_BLACK[1:] for kind in PLANTS), *TASKS]


def near_ink(images: Tensor) -> Tensor:
    """(N, H, W): pixels within two of a pixel brighter than 0.1, the object and its immediate surroundings."""
    return F.max_pool2d((images.amax(1, keepdim=True) > 0.1).float(), 5, stride=1, padding=2)[:, 0].bool()


def load_task(
    name: str,
    *,
    data_dir: Path | str | None = None,
    train_images: int = 10_000,
    shortcut: Kind = "position",
    image_size: int = 64,
    shortcut_rate: float = 1.0,
    fit: Fit = "crop",
    plant: str | None = None,
    seed: int = 0,
) -> Task:
    """The task called `name`, one of `task_names()`, `folder:PATH`, or a file of settings, `task.toml`.

    `digits`, `mnist`, `fashion-mnist` and `cifar10` are plain. With `-decoy` they have a shortcut on the frame or in
    the corners of every image, as `shortcut` says; MNIST and Fashion-MNIST with `-ring`, `-canvas`, `-two`, `-stripe`
    or `-texture`, and `digits-ring`, one that lies elsewhere in each image (`explainfb.tasks.image_shortcuts`). It is
    in a share `shortcut_rate` of the training and validation images.

    At most the first `train_images` training images are used (of a folder: the first by hash); the next tenth as many
    are for validation, or the last tenth of the training images where there are no more. `data_dir` holds torchvision's
    data sets; None downloads to `data/`. `seed` draws the shortcuts' random parts. `image_size` is the side, in pixels,
    to which a folder's pictures are brought, cropped or padded as `fit` says.
    `plant` is a shortcut, as `Task.plant` has it. A `task.toml` holds these settings by their names (`path` for
    a folder of pictures beside it), which win over what is given here. Raises `InputError` for an unknown name or data
    that cannot be read.

    >>> from explainfb import load_task
    >>> task = load_task("digits-decoy", train_images=500, seed=1)
    >>> len(task.train), len(task.shifted)
    (500, 454)
    """
    train_images = whole_number(train_images, "--train-images", least=10)
    image_size = whole_number(image_size, "--image-size", least=8)
    if not isinstance(name, str):
        raise InputError(f"A task is given by its name, such as 'digits-decoy' or 'folder:pictures'; found {name!r}.")
    data_dir = None if data_dir is None else Path(data_dir)
    if not 0 <= shortcut_rate <= 1:
        raise InputError(f"--shortcut-rate is a share in [0, 1]; found {shortcut_rate}.")
    recipe = TaskRecipe(
        task=name,
        train_images=train_images,
        shortcut=shortcut,
        image_size=image_size,
        fit=fit,
        plant=plant,
        rate=shortcut_rate,
        seed=seed,
        data_dir=data_dir,
    )
    if name.endswith(".toml"):
        recipe = read_recipe(Path(name), recipe)
    made = _made(recipe)
    if recipe.plant is not None:
        made = made.plant(recipe.plant, rate=recipe.rate, seed=recipe.seed)
    return replace(made, recipe=recipe, notes=made.notes + _never_shown(made))


def _never_shown(task: Task) -> tuple[str, ...]:
    """A note where training images of some classes are missing, as among the first few of many."""
    there = set(task.train.labels.tolist())
    missing = [name for label, name in enumerate(task.class_names) if label not in there]
    if not missing:
        return ()
    named = ", ".join(missing[:20]) + (f" and {len(missing) - 20} more" if len(missing) > 20 else "")
    return (f"No training image shows {named}, which can so not be learned; take more with --train-images.",)


def folder(path: Path | str, *, size: int = 64, fit: Fit = "crop", train_images: int = 10_000) -> Task:
    """The pictures in the folder `path`, one folder for each class, as squares of `size` pixels.

    `fit` crops each to its middle, or pads it with black. `train_images` are used at most. Raises `InputError` for
    what cannot be read, naming all of it.

    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from explainfb import Watermark, folder
    >>> for number, name in enumerate(["cat"] * 8 + ["dog"] * 8):  # or pictures of your own
    ...     Path("pets", name).mkdir(parents=True, exist_ok=True)
    ...     Image.new("RGB", (80, 60), (number, 90, 200)).save(f"pets/{name}/{number}.png")
    >>> task = folder("pets", size=64, fit="pad").plant(Watermark("© {class}"), rate=0.9)
    >>> task.class_names, task.image_shape
    (('cat', 'dog'), (3, 64, 64))
    """
    return load_task(f"{FOLDER}{path}", image_size=size, fit=fit, train_images=train_images)


def _made(recipe: TaskRecipe) -> Task:
    """The task before anything is planted in it."""
    name, data_dir, train_images, seed = recipe.task, recipe.data_dir, recipe.train_images, recipe.seed
    shortcut, shortcut_rate = recipe.shortcut, recipe.rate
    if name.startswith(FOLDER):
        return folder_task(name, recipe.image_size, train_images, recipe.fit)
    if name in TASKS:
        return TASKS[name](data_dir, train_images, seed)
    base, _, kind = name.rpartition("-")
    if kind in PLANTS and name in task_names():
        return with_image_shortcut(_named_task(base, data_dir, train_images), kind, rate=shortcut_rate, seed=seed)
    base = name.removesuffix(DECOY)
    if base not in SOURCES:
        near = difflib.get_close_matches(name.lower(), task_names(), n=1)
        known = f"did you mean {near[0]!r}?" if near else f"give one of {', '.join(task_names())}."
        raise InputError(f"Unknown task {name!r}; {known} Or give folder:PATH for your own pictures.")
    task = _named_task(base, data_dir, train_images)
    return _with_shortcut(task, shortcut, shortcut_rate, seed) if name.endswith(DECOY) else task


def folder_task(name: str, image_size: int, train_images: int, fit: Fit = "crop", *, every_class: bool = True) -> Task:
    """A folder of pictures, `name` folder:PATH, as `load_task` gives it; `every_class` as `read_folder` takes it."""
    path = name.removeprefix(FOLDER)
    if not path:
        raise InputError("folder: needs a path, such as folder:pictures, to a folder of pictures for each class.")

    def split(part: Part) -> Split:
        return Split(part.images, part.labels, part.relevance, part.shortcut, groups=part.groups)

    found = read_folder(Path(path), image_size=image_size, train_images=train_images, fit=fit, every_class=every_class)
    train, validation, test = (split(part) for part in (found.train, found.validation, found.test))
    shifted = None if found.shifted is None else split(found.shifted)
    return Task(name, found.class_names, train, validation, test, shifted, notes=found.notes)


def _named_task(name: str, data_dir: Path | None, train_images: int) -> Task:
    (images, labels), test, class_names = SOURCES[name](data_dir)
    used = min(train_images, len(images))
    spare = max(1, used // 10)
    start = min(used, len(images) - spare)
    parts = [(images[:start], labels[:start]), (images[start:][:spare], labels[start:][:spare]), test]
    train, validation, test_split = (_named_split(name, *part) for part in parts)
    return Task(name, class_names, train, validation, test_split)


def _named_split(name: str, images: Tensor, labels: Tensor) -> Split:
    pixels = images.float() / (255 if images.dtype == torch.uint8 else 1)
    return Split(pixels, labels, relevance=near_ink(pixels) if name in ON_BLACK else None)


def _with_shortcut(task: Task, kind: Kind, rate: float, seed: int) -> Task:
    _, height, width = task.image_shape
    shortcut = Shortcut(kind, len(task.class_names), height, width)

    def mark(split: Split, name: str, shown_classes: Tensor, rate: float) -> Split:
        images, mask = shortcut.plant(split.images, shown_classes, seed=derive(seed, "shortcut", name))
        if rate < 1:
            carries = torch.rand(len(split), generator=torch_generator(seed, "shortcut", "rate", name)) < rate
            images = torch.where(carries[:, None, None, None], images, split.images)
            mask, shown_classes = mask & carries[:, None, None], torch.where(carries, shown_classes, -1)
        # every place that a patch can have, so that an image's mask does not tell its class
        relevance = (~shortcut.possible_area()).expand(len(split), -1, -1)
        return Split(images, split.labels, relevance, mask, shown_classes)

    random_class = torch.randint(
        len(task.class_names), (len(task.clean),), generator=torch_generator(seed, "shortcut", "random class")
    )
    return replace(
        task,
        name=task.name + DECOY,
        train=mark(task.train, "train", task.train.labels, rate),
        validation=mark(task.validation, "validation", task.validation.labels, rate),
        shifted=mark(task.clean, "shifted", random_class, 1.0),
        train_without_shortcut=task.train,
        validation_without_shortcut=task.validation,
    )
