"""Calibration of one arm over seeds, before and after a temperature: how it is kept, and what is tested."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from explainfb.core.types import FloatArray
from explainfb.statistics.contrasts import Contrast, contrast, corrected

Images = Literal["shifted", "clean"]
Scaling = Literal["as it is", "temperature", "temperature told"]
"""No temperature; one fitted to validation images; one fitted to other images of the set that is judged."""
MEASURES = ("accuracy", "confidence", "ece", "nll", "brier")
SCORES: Mapping[str, str] = {"ece": "ECE", "nll": "NLL", "brier": "Brier"}
"""What is tested; lower is better."""
Way = tuple[str, Scaling]
PAIRS: tuple[tuple[Way, Way], ...] = (
    (("feedback", "as it is"), ("before", "as it is")),
    (("feedback", "as it is"), ("before", "temperature")),
    (("feedback", "as it is"), ("before", "temperature told")),
    (("feedback", "temperature"), ("before", "temperature")),
    (("feedback", "temperature"), ("feedback", "as it is")),
    (("feedback", "as it is"), ("no_shortcut", "as it is")),
)
"""What is tested: the first less the second, in every score on every set of images that both have."""


@dataclass(frozen=True, eq=False)
class Bins:
    """A reliability diagram's, of one seed."""

    count: FloatArray
    """(bins,): how many images."""
    confidence: FloatArray
    """(bins,): the sum of their confidences."""
    right: FloatArray
    """(bins,): how many are right."""


@dataclass(frozen=True)
class Calibrated:
    """One arm on one set of images with one way to scale its logits."""

    arm: str
    images: Images
    scaling: Scaling
    seeds: tuple[int, ...]
    measured: Mapping[str, tuple[float, ...]]
    """By the name of a measure, one value a seed."""
    temperatures: tuple[float, ...] = ()
    """Those that were fitted, on all seeds."""
    at_limit: int = 0
    """How many of them ran into the end of the range that was searched."""
    bins: tuple[Bins, ...] = ()
    """One a seed, or none where they are not kept."""


def read_calibrated(path: Path) -> dict[str, list[Calibrated]]:
    """From a results.json, by task."""
    kept = json.loads(path.read_text(encoding="utf-8"))["arms"]
    return {task: [_read(row) for row in rows] for task, rows in kept.items()}


def _read(row: dict[str, Any]) -> Calibrated:
    bins = tuple(Bins(*(np.array(each[name]) for name in ("count", "confidence", "right"))) for each in row["bins"])
    return Calibrated(
        row["arm"],
        row["images"],
        row["scaling"],
        tuple(row["seeds"]),
        {name: tuple(row[name]) for name in MEASURES},
        tuple(row["temperatures"]),
        row["at_limit"],
        bins,
    )


def as_plain(one: Calibrated) -> dict[str, object]:
    """For a file."""
    named = {"arm": one.arm, "images": one.images, "scaling": one.scaling, "seeds": one.seeds}
    measured = {name: [round(value, 6) for value in values] for name, values in one.measured.items()}
    fitted = {"temperatures": [round(value, 3) for value in one.temperatures], "at_limit": one.at_limit}
    bins = [
        {"count": each.count.astype(int).tolist()}
        | {"confidence": each.confidence.round(2).tolist(), "right": each.right.round().astype(int).tolist()}
        for each in one.bins
    ]
    return named | measured | fitted | {"bins": bins}


def of(found: Sequence[Calibrated], arm: str, images: Images, scaling: Scaling) -> Calibrated | None:
    """None where it was not measured."""
    wanted = (arm, images, scaling)
    return next((each for each in found if (each.arm, each.images, each.scaling) == wanted), None)


@dataclass(frozen=True)
class Tested:
    """One pair in one score, on one set of images."""

    images: Images
    reference: Way
    contrast: Contrast


def tests_of(found: Sequence[Calibrated]) -> list[Tested]:
    """The pairs of one task in every score, with p-values corrected for all of them together."""
    named: list[tuple[Images, Way]] = []
    contrasts: list[Contrast] = []
    for images in ("shifted", "clean"):
        for way, (other_arm, other_scaling) in PAIRS:
            here, there = of(found, *_key(way, images)), of(found, *_key((other_arm, other_scaling), images))
            if here is None or there is None:
                continue
            for score in SCORES:
                both = zip(here.measured[score], there.measured[score], strict=True)
                pairs = [(np.array([a]), np.array([b])) for a, b in both]
                contrasts.append(contrast(f"{other_arm}, {other_scaling}", score, pairs))
                named.append((images, way))
    return [Tested(*name, each) for name, each in zip(named, corrected(contrasts), strict=True)]


def _key(way: Way, images: Images) -> tuple[str, Images, Scaling]:
    return way[0], images, way[1]
