"""What was tried on a seed or two while the method was looked for, and how it is kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Probe:
    """One change, on some seeds."""

    name: str
    task: str
    arm: str
    """As the probe called it."""
    settings: str
    """What was changed of a study's settings, as options of `explainfb run`."""
    full: bool
    """Whether all attacks of a study were run."""
    seeds: tuple[int, ...]
    measured: Mapping[str, tuple[float, ...]]
    """By the key of a measure of studies, or by what only probes measured; one number a seed, and what was not measured
    is not there.

    Robust accuracies are of PGD with two restarts at 200 images whose shortcut misleads, of all attacks of a study
    where `full`. *validation* is accuracy on validation images with random patches, *margin* the median difference of
    the logits, and a slope the L1 norm of its gradient over a part of the image.
    """
    reward_accuracy: tuple[float, ...] = ()
    """Of the last round's reward on held-out answers, one number a seed; none where none was learned."""
    not_followed: tuple[int, ...] = ()
    """How many rounds were not followed, one number a seed."""
    flags: tuple[str, ...] = ()
    """Sanity checks that failed on some seed."""


def read_probes(path: Path) -> list[Probe]:
    """From a results.json; none where it has none."""
    return [_read(row) for row in json.loads(path.read_text(encoding="utf-8")).get("probes", [])]


def _read(row: dict[str, Any]) -> Probe:
    measured = {name: tuple(values) for name, values in row["measured"].items()}
    lists = {name: tuple(row[name]) for name in ("seeds", "reward_accuracy", "not_followed", "flags")}
    return Probe(**{**row, **lists, "measured": measured})
