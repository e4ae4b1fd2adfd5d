"""A task with a planted shortcut: its training images, its shifted test images, and its twin without the shortcut."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.seeding import torch_generator
from explainfb.tasks.planting.kinds import Drawn, Plant, parse_plant
from explainfb.tasks.stored.on_demand import PART, ImagesOnDemand, on_demand
from explainfb.tasks.task import Split, Task


def plant_shortcut(task: Task, what: Plant | str, *, rate: float = 1.0, seed: int = 0) -> Task:
    """As `Task.plant` says."""
    plant = parse_plant(what) if isinstance(what, str) else what
    if not 0 < rate <= 1:
        raise InputError(f"The rate of a planted shortcut is a share in (0, 1]; found {rate}.")
    if task.shifted is not None:
        raise InputError(
            f"{task.name} has a shortcut, and images where it misleads, already; plant one in a task without."
        )
    classes, pool = len(task.class_names), task.train
    fixed = None if plant.everywhere else _possible_area(task, plant, seed)

    def mark(split: Split, name: str, shown: Tensor, rate: float) -> Split:
        generator = torch_generator(seed, "plant", name)
        carries = torch.rand(len(split), generator=generator) < rate
        chance = plant.chance(split, shown, pool, generator)
        planted = Planted(plant, split, shown, carries, chance, task.class_names, pool)
        images, known = planted.everything()
        relevance = split.relevance
        if known is not None:
            # every place that it can have, where places tell classes apart, so that a mask does not tell its class
            free = ~known if fixed is None else (~fixed).expand(len(split), -1, -1)
            relevance = free if relevance is None else relevance & free
        return Split(images, split.labels, relevance, known, torch.where(carries, shown, -1))

    random_class = torch.randint(classes, (len(task.clean),), generator=torch_generator(seed, "plant", "random class"))
    return replace(
        task,
        train=mark(task.train, "train", task.train.labels, rate),
        validation=mark(task.validation, "validation", task.validation.labels, rate),
        shifted=mark(task.clean, "shifted", random_class, 1.0),
        train_without_shortcut=task.train,
        validation_without_shortcut=task.validation,
        recipe=None if task.recipe is None else replace(task.recipe, plant=repr(plant), rate=rate, seed=seed),
    )


@dataclass(frozen=True, eq=False)
class Planted:
    """The pictures of a split with the shortcut, as a source from which some can be read."""

    plant: Plant
    split: Split
    shown: Tensor
    """(N,) the class that each shortcut says."""
    carries: Tensor
    """(N,) bool: which pictures have it."""
    chance: Tensor | None
    """(N, …) what is random in each picture."""
    class_names: tuple[str, ...]
    pool: Split

    def read(self, rows: Tensor) -> Tensor:
        return self._drawn(rows)[0]

    def everything(self) -> Drawn:
        """All pictures, drawn when they are used where the split's are read then, and where the shortcut is."""
        images, masks = self.split.images, []
        here = None if isinstance(images, ImagesOnDemand) else torch.empty_like(images)
        for rows in torch.arange(len(self.split)).split(
            PART
        ):  # a few at a time: drawing takes several times their room
            drawn, mask = self._drawn(rows)
            if here is not None:
                here[rows] = drawn
            if mask is not None:
                masks.append(mask)
        return on_demand(self, images.shape) if here is None else here, torch.cat(masks) if masks else None

    def _drawn(self, rows: Tensor) -> Drawn:
        some, carries = self.split.take(rows), self.carries[rows]
        chance = None if self.chance is None else self.chance[rows]
        images, mask = self.plant.draw(some, self.shown[rows], chance, self.class_names, self.pool)
        images = torch.where(carries[:, None, None, None], images, some.images)
        return images, None if mask is None else mask & carries[:, None, None]


def _possible_area(task: Task, plant: Plant, seed: int) -> Tensor:
    """(H, W) bool: wherever a shortcut of any class can be whose place is the same in every picture."""
    classes = len(task.class_names)
    one = task.train.take(torch.zeros(classes, dtype=torch.int64))
    found = torch.zeros(one.images.shape[2:], dtype=torch.bool)
    for turn in range(8):  # the grey patch has four corners
        generator = torch_generator(seed, "plant", "area", turn)
        chance = plant.chance(one, torch.arange(classes), task.train, generator)
        _, mask = plant.draw(one, torch.arange(classes), chance, task.class_names, task.train)
        assert mask is not None
        found |= mask.any(0)
    return found
