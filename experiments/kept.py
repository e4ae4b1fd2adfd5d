"""Results that are written as they come, one JSON line each, so that a run that was stopped goes on where it was."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from explainfb.core.errors import InputError
from explainfb.core.progress import with_progress_bar
from explainfb.core.types import FloatArray

Line = dict[str, Any]


def lines(
    path: Path, settings: Mapping[str, object], keys: Sequence[str], make: Callable[[str], Line]
) -> Iterator[Line]:
    """What `make` says of each key, in their order: read from `path` where it is there already, else made and added.

    The first line of the file has the settings. Raises `InputError` where they are others than now.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    told = json.loads(json.dumps(settings, default=str))
    there = _read(path)
    if not there:
        path.write_text(json.dumps({"settings": told}) + "\n", encoding="utf-8")
    elif there[0] != {"settings": told}:
        raise InputError(
            f"{path} was begun with other settings: {there[0].get('settings')}; now {told}. "
            "Name another folder by --out, or delete the file."
        )
    known = {line["key"]: line for line in there[1:]}
    with path.open("a", encoding="utf-8") as file:
        for key in with_progress_bar(keys, path.stem):
            if key not in known:
                known[key] = {"key": key, **make(key)}
                file.write(json.dumps(known[key]) + "\n")
                file.flush()
            yield known[key]


def _read(path: Path) -> list[Line]:
    """The whole lines of a file; of a line that was being written when a run was killed nothing is kept."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def interval(values: Sequence[float] | FloatArray) -> Line:
    """The mean over seeds with its 95 % t-interval; no interval of one seed."""
    found = [float(value) for value in values]
    mean = sum(found) / len(found)
    half = None
    if len(found) > 1:
        half = float(stats.sem(found) * stats.t.ppf(0.975, len(found) - 1))
    return {"mean": round(mean, 5), "half": None if half is None else round(half, 5), "n": len(found)}


def share(values: Sequence[float]) -> Line:
    """The mean of values in [0, 1], one from each independent pair, with a 95 % bootstrap interval over pairs."""
    found = np.array(values, dtype=np.float64)
    draws = np.random.default_rng(0).choice(found, size=(2000, len(found))).mean(axis=1)
    low, high = (round(float(bound), 4) for bound in np.quantile(draws, [0.025, 0.975]))
    return {"mean": round(float(found.mean()), 4), "low": low, "high": high, "n": len(found)}
