"""Curves of robust accuracy over seeds: how they are kept, what sums them up, and what is tested."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from explainfb.core.types import BoolArray, FloatArray, IntArray, Norm
from explainfb.results.measures import NORM_SIGNS
from explainfb.robustness.curves import RobustCurve
from explainfb.statistics.contrasts import Contrast, contrast, corrected, half_width

Images = Literal["shifted", "clean"]
FIXED = 0.1
"""The L∞ epsilon at which accuracies are tested."""


@dataclass(frozen=True)
class Key:
    """What is measured on each seed."""

    start: str
    """A kind of classifier that feedback was given to, named after its sweep's folder."""
    task: str
    arm: str
    images: Images
    norm: Norm


@dataclass(frozen=True)
class Mean:
    """A mean over seeds, and half of its 95 % t-interval."""

    mean: float
    half: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        return cls(float(np.mean(values)), half_width(np.array(values)))


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of one arm, one a seed, on the same sizes of attack."""

    key: Key
    epsilons: tuple[float, ...]
    """Ascending from 0."""
    sizes_held: Mapping[int, IntArray]
    """By seed (N,): at how many of the epsilons each image holds; it holds at the smallest so many."""
    flags: Mapping[int, Mapping[float, tuple[str, ...]]]
    """By seed and epsilon the sanity checks that failed; those at which none did are not there."""

    @property
    def by_seed(self) -> list[RobustCurve]:
        """In the order of the seeds."""
        return [self._curve(seed) for seed in self.sizes_held]

    def _curve(self, seed: int) -> RobustCurve:
        held: BoolArray = np.arange(len(self.epsilons))[:, None] < self.sizes_held[seed]
        flags = tuple(self.flags.get(seed, {}).get(epsilon, ()) for epsilon in self.epsilons)
        return RobustCurve(self.key.norm, self.epsilons, held, flags)

    def accuracy_at(self, epsilon: float) -> Mean:
        place = self.epsilons.index(epsilon)
        return Mean.of([float(curve.accuracy[place]) for curve in self.by_seed])

    @property
    def mean_distance(self) -> Mean:
        """How far an attack has to go until an image is wrong."""
        return Mean.of([float(curve.distances.mean()) for curve in self.by_seed])

    def is_flagged(self, epsilon: float | None = None) -> bool:
        """Whether a sanity check failed on some seed, at this epsilon or anywhere on the curve."""
        found = [size for flags in self.flags.values() for size in flags]
        return bool(found) if epsilon is None else epsilon in found


def read_curves(path: Path) -> dict[str, list[Curves]]:
    """By the name of what was measured together, such as `mnist`."""
    kept = json.loads(path.read_text(encoding="utf-8"))["curves"]
    return {name: [_read(row) for row in rows] for name, rows in kept.items()}


def _read(row: dict[str, Any]) -> Curves:
    key = Key(*(row[name] for name in Key.__dataclass_fields__))
    held = {int(seed): np.array([int(digit, 36) for digit in digits]) for seed, digits in row["held"].items()}
    flags = {
        int(seed): {float(epsilon): tuple(names) for epsilon, names in by_epsilon.items()}
        for seed, by_epsilon in row["flags"].items()
    }
    return Curves(key, tuple(row["epsilons"]), held, flags)


def as_plain(curves: Curves) -> dict[str, object]:
    """For a file: of each image one digit, at how many sizes of attack it holds (in base 36)."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return vars(curves.key) | {
        "epsilons": curves.epsilons,
        "held": {seed: "".join(digits[size] for size in sizes) for seed, sizes in curves.sizes_held.items()},
        "flags": {seed: dict(by_epsilon) for seed, by_epsilon in curves.flags.items() if by_epsilon},
    }


@dataclass(frozen=True)
class Tested:
    """Feedback of one start less another arm of it, or less the feedback of the first start of the same task."""

    key: Key
    """Of feedback."""
    contrast: Contrast


def tests_of(curves: Sequence[Curves]) -> list[Tested]:
    """What is tested of curves that were measured together, corrected for all of these tests."""
    by_key = {each.key: each for each in curves}
    firsts: dict[str, str] = {}
    for each in curves:
        firsts.setdefault(each.key.task, each.key.start)
    named: list[Key] = []
    found: list[Contrast] = []
    for each in curves:
        key = replace(each.key, arm="feedback")
        there, name = each, each.key.arm
        if each.key == key:
            first = replace(key, start=firsts[key.task])
            there, name = by_key.get(first, each), f"{first.start}: feedback"
        here = by_key[key]
        if here is not there and list(here.sizes_held) == list(there.sizes_held):
            for one in _contrasts(name, here, there):
                named.append(key)
                found.append(one)
    return [Tested(key, each) for key, each in zip(named, corrected(found), strict=True)]


def _contrasts(name: str, here: Curves, there: Curves) -> Iterator[Contrast]:
    pairs = list(zip(here.by_seed, there.by_seed, strict=True))
    distances: list[tuple[FloatArray, FloatArray]] = [
        (a.distances.mean(keepdims=True), b.distances.mean(keepdims=True)) for a, b in pairs
    ]
    reliable = not (here.is_flagged() or there.is_flagged())
    yield contrast(name, f"mean {NORM_SIGNS[here.key.norm]} distance", distances, reliable=reliable)
    if here.key.norm == "linf":
        place = here.epsilons.index(FIXED)
        held = [(a.held[place].astype(np.float64), b.held[place].astype(np.float64)) for a, b in pairs]
        reliable = not (here.is_flagged(FIXED) or there.is_flagged(FIXED))
        yield contrast(name, f"accuracy at L∞ {FIXED:g}", held, reliable=reliable)
