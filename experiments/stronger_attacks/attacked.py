"""What held of the images that studies attacked, classifier by classifier, and how it is kept."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from explainfb.core.types import BoolArray, ThreatModel

Attacks = Literal["study", "thorough", "autoattack"]
"""The study's own, those of the preset THOROUGH, AutoAttack."""


@dataclass(frozen=True, eq=False)
class HeldUnder:
    """Which images hold at one size of attack."""

    threat_model: ThreatModel
    held: Mapping[Attacks, BoolArray]
    """(N,) by whose attacks, those that were run."""
    flags: tuple[str, ...]
    """Sanity checks that failed under THOROUGH."""

    @property
    def fell_only_now(self) -> int:
        """How many images held in the study and fall to the stronger attacks."""
        by_all = np.all(list(self.held.values()), axis=0)
        return int((self.held["study"] & ~by_all).sum())


@dataclass(frozen=True)
class Attacked:
    """One classifier."""

    task: str
    study: str
    """Of the sweep's folder."""
    arm: str
    seed: int
    digest: str
    """Of the classifier's file, and how many images were attacked by what."""
    seconds: float
    threats: tuple[HeldUnder, ...]


def as_plain(one: Attacked) -> dict[str, object]:
    """For a file: a 1 for each image that holds."""
    threats = [
        {"norm": each.threat_model.norm, "epsilon": each.threat_model.epsilon, "flags": each.flags}
        | {name: "".join(str(int(image)) for image in held) for name, held in each.held.items()}
        for each in one.threats
    ]
    return vars(one) | {"threats": threats}


def from_plain(row: dict[str, Any]) -> Attacked:
    """The inverse of `as_plain`."""
    threats = tuple(
        HeldUnder(
            ThreatModel(each.pop("norm"), each.pop("epsilon")),
            flags=tuple(each.pop("flags")),
            held={name: np.array(list(letters)) == "1" for name, letters in each.items()},
        )
        for each in map(dict, row["threats"])
    )
    return Attacked(**{**row, "threats": threats})


def read_attacked(path: Path) -> list[Attacked]:
    """From a results.json."""
    return [from_plain(row) for row in json.loads(path.read_text(encoding="utf-8"))["classifiers"]]


def by_arm(found: Iterable[Attacked]) -> dict[tuple[str, str, str], list[Attacked]]:
    """By task, study and arm, one classifier a seed."""
    groups: dict[tuple[str, str, str], list[Attacked]] = {}
    for each in sorted(found, key=lambda one: (one.task, one.study, one.arm, one.seed)):
        groups.setdefault((each.task, each.study, each.arm), []).append(each)
    return groups
