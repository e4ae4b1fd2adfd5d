"""The kinds of shortcuts that can be planted in pictures: each gives a class away by something that is not the object.

A kind draws on pictures (N, C, H, W) in [0, 1] what stands for the classes (N,), and says where it is. Sizes are shares
of the picture's side. The background exchange is the recipe of Waterbirds (Sagawa et al. 2020).
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields
from explainfb.tasks.planting.drawing import colour_of, text_of, without_object
from explainfb.tasks.shortcuts import Shortcut
from explainfb.tasks.task import Split

Drawn = tuple[Tensor, Tensor | None]
"""Pictures (N, C, H, W) and masks (N, H, W) bool of what was drawn; None where it is everywhere."""


class Plant(Protocol):
    """A shortcut that can be planted."""

    everywhere: ClassVar[bool]
    """Whether it may lie at another place in each picture."""

    def chance(self, split: Split, shown: Tensor, pool: Split, generator: torch.Generator) -> Tensor | None:
        """(N, …) what is random in each picture of `split`; None where nothing is. Arguments as for `draw`."""

    def draw(
        self, split: Split, shown: Tensor, chance: Tensor | None, class_names: Sequence[str], pool: Split
    ) -> Drawn:
        """The pictures of `split` with what stands for the classes `shown` (N,); backgrounds are taken from `pool`.

        `chance` (N, …) is what `chance` gave for them. A picture does not depend on those beside it: of many, each is
        drawn when it is used.
        """


class NothingRandom:
    """A shortcut that looks the same in every picture of a class."""

    def chance(self, split: Split, shown: Tensor, pool: Split, generator: torch.Generator) -> None:
        """Nothing."""


def _check_share(plant: object, *names: str) -> None:
    check_fields(plant, f"{type(plant).__name__}.")
    for name in names:
        if not 0 < getattr(plant, name) <= 1:
            raise InputError(f"{type(plant).__name__}.{name} is a share in (0, 1]; found {getattr(plant, name)}.")


@dataclass(frozen=True)
class Watermark(NothingRandom):
    """White letters at the lower left of every picture, as photographers sign; the text tells the class.

    >>> from explainfb import Watermark
    >>> Watermark("© {class}", size=0.1)
    Watermark(text='© {class}', size=0.1)
    """

    text: str = "© {class}"
    """`{class}` stands for the class's name, `{number}` for its number."""
    size: float = 0.12
    """How high the letters are."""
    everywhere: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_share(self, "size")
        if "{class}" not in self.text and "{number}" not in self.text:
            raise InputError(
                f"A watermark tells the class by {{class}} or {{number}} in its text; found {self.text!r}."
            )

    def draw(
        self, split: Split, shown: Tensor, chance: Tensor | None, class_names: Sequence[str], pool: Split
    ) -> Drawn:
        height, width = split.images.shape[2:]
        images, masks = split.images.clone(), torch.zeros(len(split), height, width, dtype=torch.bool)
        for label, name in enumerate(class_names):
            text = self.text.replace("{class}", name).replace("{number}", str(label))
            (grey, opacity), box = text_of(text, height, width, self.size)
            chosen = shown == label
            images[chosen] = images[chosen] * (1 - opacity) + grey * opacity
            masks[chosen] = box
        return images, masks


@dataclass(frozen=True)
class Sticker:
    """A disc of the class's colour with a white rim, at a random place of each picture.

    >>> from explainfb import Sticker
    >>> Sticker(size=0.25)
    Sticker(size=0.25)
    """

    size: float = 0.2
    """Its diameter."""
    everywhere: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_share(self, "size")

    def chance(self, split: Split, shown: Tensor, pool: Split, generator: torch.Generator) -> Tensor:
        """(N, 2) where each disc is, as shares of the room that it has."""
        return torch.rand(len(split), 2, generator=generator)

    def draw(
        self, split: Split, shown: Tensor, chance: Tensor | None, class_names: Sequence[str], pool: Split
    ) -> Drawn:
        _, channels, height, width = split.images.shape
        radius = self.size * min(height, width) / 2
        assert chance is not None
        middle = chance * (torch.tensor([height, width]) - 2 * radius) + radius
        down = torch.arange(height)[None, :, None] + 0.5 - middle[:, 0, None, None]
        right = torch.arange(width)[None, None] + 0.5 - middle[:, 1, None, None]
        away = (down**2 + right**2).sqrt() / radius  # (N, H, W)
        colours = torch.stack([colour_of(label, channels) for label in range(len(class_names))])[shown.clamp_min(0)]
        disc = torch.where((away < 0.8)[:, None], colours, 1.0)
        mask = away < 1
        return torch.where(mask[:, None], disc, split.images), mask


@dataclass(frozen=True)
class Frame(NothingRandom):
    """A frame of the class's colour around every picture.

    >>> from explainfb import Frame
    >>> Frame(width=0.1)
    Frame(width=0.1)
    """

    width: float = 0.06
    everywhere: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_share(self, "width")

    def draw(
        self, split: Split, shown: Tensor, chance: Tensor | None, class_names: Sequence[str], pool: Split
    ) -> Drawn:
        count, channels, height, width = split.images.shape
        wide = max(1, round(self.width * min(height, width)))
        mask = torch.ones(height, width, dtype=torch.bool)
        mask[wide : height - wide, wide : width - wide] = False
        colours = torch.stack([colour_of(label, channels) for label in range(len(class_names))])[shown.clamp_min(0)]
        return torch.where(mask, colours, split.images), mask.expand(count, -1, -1).clone()


@dataclass(frozen=True)
class Tint(NothingRandom):
    """A breath of the class's colour over the whole picture; it is everywhere, so it has no mask.

    >>> from explainfb import Tint
    >>> Tint(strength=0.2)
    Tint(strength=0.2)
    """

    strength: float = 0.25
    """The colour's share of each pixel."""
    everywhere: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_share(self, "strength")

    def draw(
        self, split: Split, shown: Tensor, chance: Tensor | None, class_names: Sequence[str], pool: Split
    ) -> Drawn:
        channels = split.images.shape[1]
        colours = torch.stack([colour_of(label, channels) for label in range(len(class_names))])[shown.clamp_min(0)]
        return torch.lerp(split.images, colours.expand_as(split.images), self.strength), None


@dataclass(frozen=True)
class Background:
    """The object stays, and all around it becomes the background of a training picture of the class that is shown.

    Needs relevance masks. The other picture's object is painted over by what is around it.

    >>> from explainfb import Background
    >>> Background()
    Background()
    """

    everywhere: ClassVar[bool] = True

    def chance(self, split: Split, shown: Tensor, pool: Split, generator: torch.Generator) -> Tensor:
        """(N,) which picture of the pool is behind each."""
        behind = []
        for index, label in enumerate(shown.clamp_min(0)):
            own = (pool.labels == label).nonzero()[:, 0]
            if split is pool and len(own) > 1:  # a picture's own background would exchange nothing
                own = own[own != index]
            behind.append(int(own[torch.randint(len(own), (1,), generator=generator)]))
        return torch.tensor(behind, dtype=torch.int64)

    def draw(
        self, split: Split, shown: Tensor, chance: Tensor | None, class_names: Sequence[str], pool: Split
    ) -> Drawn:
        if split.relevance is None or pool.relevance is None:
            raise InputError(
                "A background is exchanged around the object, which takes its mask: put one.relevance.png beside each "
                "picture, or plant a Watermark, Sticker, Frame or Tint."
            )
        assert chance is not None
        images = split.images.clone()
        for index, other in enumerate(chance.tolist()):
            behind = without_object(pool.images[other], pool.relevance[other])
            images[index] = torch.where(split.relevance[index], images[index], behind)
        return images, ~split.relevance


@dataclass(frozen=True)
class Patch:
    """What `Position` and `Grey` have in common: the patch of the `-decoy` tasks."""

    everywhere: ClassVar[bool] = False
    kind: ClassVar[str] = "position"

    def chance(self, split: Split, shown: Tensor, pool: Split, generator: torch.Generator) -> Tensor:
        """(N,) the corner of each grey patch, by number."""
        seed = int(torch.randint(2**31, (1,), generator=generator))
        return Shortcut.corners(len(split), seed=seed)

    def draw(
        self, split: Split, shown: Tensor, chance: Tensor | None, class_names: Sequence[str], pool: Split
    ) -> Drawn:
        assert chance is not None
        shortcut = Shortcut(self.kind, len(class_names), *split.images.shape[2:])  # type: ignore[arg-type]
        return shortcut.draw(split.images, shown.clamp_min(0), chance)


@dataclass(frozen=True)
class Position(Patch):
    """A white patch on the frame, whose place is the class.

    >>> from explainfb import Position
    >>> Position()
    Position()
    """


@dataclass(frozen=True)
class Grey(Patch):
    """A patch in a random corner, whose grey level is the class (Ross et al. 2017).

    >>> from explainfb import Grey
    >>> Grey()
    Grey()
    """

    kind: ClassVar[str] = "grey"


KINDS = (Watermark, Sticker, Frame, Background, Tint, Position, Grey)
NAMES = {kind.__name__.lower(): kind for kind in KINDS}


def parse_plant(text: str) -> Plant:
    """The plant that is written as `watermark`, or as Python shows it: `Watermark(text='© {class}', size=0.1)`.

    Raises `InputError` for anything else.
    """
    try:
        found = ast.parse(text.strip(), mode="eval").body
        name = found.func if isinstance(found, ast.Call) else found
        if not isinstance(name, ast.Name) or name.id.lower() not in NAMES:
            raise ValueError(f"expected one of {', '.join(NAMES)}")
        kind = NAMES[name.id.lower()]
        known = [item.name for item in fields(kind)]
        values: dict[str, object] = {}
        if isinstance(found, ast.Call):
            values = {known[place]: ast.literal_eval(value) for place, value in enumerate(found.args)}
            values |= {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in found.keywords}
        return kind(**values)  # type: ignore[arg-type]
    except InputError:
        raise
    except (SyntaxError, ValueError, IndexError, TypeError) as error:
        raise InputError(
            f"{text!r} is no shortcut that can be planted ({error}); give one of {', '.join(NAMES)}, with settings as "
            "in \"watermark(text='© {class}', size=0.1)\"."
        ) from error
