"""A tensor of images that are read as they are used, because all of them at once would not fit into memory.

It says its shape like any tensor. Indexing it reads those images, splitting it reads nothing yet, and whatever else is
done with it reads all of them. So code that takes a batch at a time needs not know.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any, Protocol, SupportsIndex

import torch
from torch import Tensor

IN_MEMORY = 2**27
"""Bytes of 32-bit pixels up to which images are held in memory: 222 photographs of 224×224. A task has several such
tensors, of each part one, and another where something is planted."""
PART = 16
"""Images that are read at a time where something is computed over all of them: 10 MB of photographs of 224×224, of
which there are several copies for a moment."""
ASKED_OF_ITSELF = frozenset(
    {
        Tensor.__len__,
        Tensor.size,
        Tensor.dim,
        Tensor.numel,
        Tensor.is_floating_point,
        *(getattr(Tensor, name).__get__ for name in ("shape", "ndim", "dtype", "device", "layout", "requires_grad")),
    }
)
"""What is answered without a look at a pixel."""
PERHAPS_THE_SAME = frozenset({Tensor.to, Tensor.cpu, Tensor.float})
"""What gives a tensor back as it is where it is so already."""


class Source(Protocol):
    """Where images come from."""

    def read(self, rows: Tensor) -> Tensor:
        """(n, C, H, W) float32 in [0, 1]: a new tensor of the images with numbers `rows` (n,)."""


@dataclass(frozen=True, eq=False)
class _Some:
    """Some of the images of a source."""

    source: Source
    rows: Tensor

    def read(self, rows: Tensor) -> Tensor:
        return self.source.read(self.rows[rows])


class ImagesOnDemand(Tensor):
    """(N, C, H, W) float32 in [0, 1], of which nothing is in memory. It cannot be changed in place."""

    source: Source

    def __getitem__(self, index: Any) -> Tensor:
        first, *others = index if isinstance(index, tuple) else (index,)
        chosen = torch.arange(len(self))[_on_cpu(first)]
        found: Tensor = self.source.read(chosen.flatten()).view(*chosen.shape, *self.shape[1:])
        return found[(*[slice(None)] * chosen.ndim, *others)] if others else found

    def __iter__(self) -> Iterator[Tensor]:
        return (self[index] for index in range(len(self)))

    def split(self, split_size: Any, dim: SupportsIndex = 0) -> Any:
        """Parts that are read when they are used."""
        if dim != 0 or not isinstance(split_size, int):
            return self[:].split(split_size, int(dim))
        return tuple(part_of(self, rows) for rows in torch.arange(len(self)).split(split_size))

    def index_select(self, dim: Any, index: Tensor) -> Tensor:
        return self[index] if dim == 0 else self[:].index_select(dim, index)

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        known = dict(kwargs or {})
        if func in ASKED_OF_ITSELF or func in PERHAPS_THE_SAME:
            with torch._C.DisableTorchFunctionSubclass():
                found = func(*args, **known)
            if func in ASKED_OF_ITSELF or found is args[0]:
                return found
        if func is Tensor.__repr__:
            return f"ImagesOnDemand{tuple(args[0].shape)}"
        name = getattr(func, "__name__", "")
        if name == "__setitem__" or (name.endswith("_") and not name.endswith("__")):
            raise TypeError("These images are read from a file and cannot be changed in place; take images[:] of them.")
        return func(*map(_read, args), **{key: _read(value) for key, value in known.items()})


def on_demand(source: Source, shape: Sequence[int]) -> ImagesOnDemand:
    """The images (N, C, H, W) of the source."""
    # NaN, so that what goes past all that is written above is seen
    made = torch.tensor(torch.nan).expand(tuple(shape)).as_subclass(ImagesOnDemand)
    made.source = source
    return made


def part_of(images: Tensor, rows: Tensor | slice) -> Tensor:
    """The images with these numbers (n,), in memory unless they are on demand and still too many for it."""
    if not isinstance(images, ImagesOnDemand):
        return images[rows]
    chosen = torch.arange(len(images))[_on_cpu(rows)]
    return on_demand(_Some(images.source, chosen), (len(chosen), *images.shape[1:]))


def taken(images: Tensor, rows: Tensor | slice) -> Tensor:
    """As `part_of`, and in memory where they fit."""
    some = part_of(images, rows)
    return some[:] if isinstance(some, ImagesOnDemand) and not too_many(some.shape) else some


def too_many(shape: Sequence[int]) -> bool:
    """Whether images (N, C, H, W) in 32 bits are not to be held in memory."""
    return 4 * prod(shape) > IN_MEMORY


def mean_and_deviation(images: Tensor) -> tuple[Tensor, Tensor]:
    """(C,) the mean and (C,) the standard deviation of each channel."""
    if not isinstance(images, ImagesOnDemand):
        return images.mean((0, 2, 3)), images.std((0, 2, 3))
    sums = torch.cat([part[:].sum((2, 3)) for part in images.split(PART)])  # (N, C)
    pixels = images.shape[0] * images.shape[2] * images.shape[3]
    # one image after another in 32 bits, as torch adds them up where all are there: the same to the last bit
    *_, total = accumulate(sums, torch.add)
    exact = sums.double().sum(0) / pixels
    squares = [(part[:].double() - exact[:, None, None]).square().sum((0, 2, 3)) for part in images.split(PART)]
    return total / pixels, (torch.stack(squares).sum(0) / (pixels - 1)).sqrt().float()


def lowest_and_highest(images: Tensor) -> tuple[float, float]:
    """The darkest and the brightest pixel of all."""
    bounds = [torch.aminmax(part[:]) for part in images.split(PART)]
    return min(float(low) for low, _ in bounds), max(float(high) for _, high in bounds)


def _on_cpu(index: Any) -> Any:
    return index.cpu() if isinstance(index, Tensor) else index


def _read(given: Any) -> Any:
    """What a function of torch's is given, with images in memory in place of those that are not."""
    if isinstance(given, ImagesOnDemand):
        return given[:]
    if isinstance(given, list | tuple) and any(isinstance(each, ImagesOnDemand) for each in given):
        return type(given)([_read(each) for each in given])
    return given
