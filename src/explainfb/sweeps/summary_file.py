"""Summaries as records ↔ sweep.json, grid.json and the results.json of an experiment, format 2.

    {"format": 2, "seeds": [11, 12], "environment": {…},
     "arm_descriptions": {"feedback": {"label", "meaning", "role"}, …},
     "cells": {NAME: {"task", "command", "settings", "seeds",
                      "arms": {"feedback": {"shifted_accuracy": OVER_SEEDS, "robust_accuracy linf 0.1": …}, …},
                      "unreliable": {"feedback": {"robust_accuracy linf 0.1": [12]}},
                      "compute": {"feedback": {"forward", "backward"}, …},
                      "contrasts": [{"arm", "measure", "difference": OVER_SEEDS, "p_seeds", …}, …],
                      "stopped": [RECORD, …], "gap_closed": OVER_SEEDS or null}}}

OVER_SEEDS is {"estimate", "low", "high", "values"}: the mean, its 95 % t-interval, which one seed does not have, and
the number on each seed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from explainfb.core.errors import InputError
from explainfb.core.files import parse_json, write_whole
from explainfb.core.renamed import RENAMED_SETTINGS
from explainfb.results.encoding import stopped_as_json, stopped_from
from explainfb.results.records import ArmDescription, Compute
from explainfb.statistics.contrasts import Contrast
from explainfb.sweeps.summary import ArmSummary, CellSummary, GridSummary, OverSeeds
from explainfb.sweeps.upgrade import upgraded

FORMAT = 2
LINE = 600
"""Characters of a line of the file at most, if it can be broken: one arm's measure, one contrast."""
Json = dict[str, Any]
DAMAGE = (ValueError, KeyError, TypeError, AttributeError)
"""What a file raises that is no JSON, or whose dictionaries are not what they should be."""


def write_summary(summary: GridSummary, path: Path) -> None:
    """Write `summary` to `path`; a reader sees the old file or the new one, never half of one.

    Raises `ValueError` when it holds NaN or infinity.
    """
    text = _laid_out(_as_json(summary)) + "\n"
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def read_summary(path: Path) -> GridSummary:
    """The summary of a grid or a sweep in the file `path`, of this format or of format 1.

    The cell of a sweep has the name of its task. Raises `InputError` naming the file where there is none.
    """
    what_to_do = "give the sweep.json, grid.json or results.json of studies that were run"
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
        current = found if "format" in found else upgraded(found)  # format 1 had no number
        if (newer := current["format"]) == FORMAT:
            return _summary_from(current)
    except (OSError, *DAMAGE) as error:
        raise InputError(
            f"{path} cannot be read as a summary ({type(error).__name__}: {error}); {what_to_do}."
        ) from error
    raise InputError(
        f"{path} is of format {newer} and this version reads formats 1 and {FORMAT}; take a newer version."
    )


def _as_json(summary: GridSummary) -> Json:
    arms = [arm.arm for cell in summary.cells.values() for arm in cell.arms.values()]
    return {
        "format": FORMAT,
        "seeds": list(summary.seeds),
        "environment": dict(summary.environment),
        "arm_descriptions": {arm.name: {"label": arm.label, "meaning": arm.meaning, "role": arm.role} for arm in arms},
        "cells": {name: _cell_as_json(cell) for name, cell in summary.cells.items()},
    }


def _cell_as_json(cell: CellSummary) -> Json:
    arms = cell.arms.items()
    return {
        "task": cell.task,
        "command": cell.command,
        "settings": dict(cell.settings),
        "seeds": list(cell.seeds),
        "arms": {name: {key: _over_seeds_as_json(value) for key, value in arm.measured.items()} for name, arm in arms},
        "unreliable": {
            name: {key: list(seeds) for key, seeds in arm.unreliable.items()} for name, arm in arms if arm.unreliable
        },
        "compute": {name: asdict(arm.compute) for name, arm in arms if arm.compute is not None},
        "contrasts": [_contrast_as_json(contrast) for contrast in cell.contrasts],
        "stopped": [stopped_as_json(stopped) for stopped in cell.stopped],
        "gap_closed": None if cell.gap_closed is None else _over_seeds_as_json(cell.gap_closed),
    }


def _over_seeds_as_json(value: OverSeeds) -> Json:
    return {"estimate": value.mean, "low": value.low, "high": value.high, "values": list(value.values)}


def _contrast_as_json(contrast: Contrast) -> Json:
    difference = OverSeeds(contrast.difference, contrast.low, contrast.high, contrast.by_seed)
    return {
        "arm": contrast.arm,
        "measure": contrast.measure,
        "difference": _over_seeds_as_json(difference),
        "p_seeds": contrast.p_seeds,
        "p_images": contrast.p_images,
        "p": contrast.p,
        "reliable": contrast.reliable,
        "noise": contrast.noise,
        "is_one": contrast.is_significant,
    }


def _summary_from(found: Json) -> GridSummary:
    arms = {name: ArmDescription(name, **words) for name, words in found["arm_descriptions"].items()}
    return GridSummary(
        seeds=tuple(found["seeds"]),
        environment=found["environment"],
        cells={name: _cell_from(cell, arms) for name, cell in found["cells"].items()},
    )


def _cell_from(found: Json, arms: Mapping[str, ArmDescription]) -> CellSummary:
    return CellSummary(
        task=found["task"],
        command=found["command"],
        settings={RENAMED_SETTINGS.get(name, name): value for name, value in found["settings"].items()},
        seeds=tuple(found["seeds"]),
        arms={name: _arm_from(found, arms[name]) for name in found["arms"]},
        contrasts=tuple(_contrast_from(contrast) for contrast in found["contrasts"]),
        stopped=tuple(stopped_from(stopped) for stopped in found["stopped"]),
        gap_closed=None if found["gap_closed"] is None else _over_seeds_from(found["gap_closed"]),
    )


def _arm_from(cell: Json, arm: ArmDescription) -> ArmSummary:
    return ArmSummary(
        arm=arm,
        measured={key: _over_seeds_from(value) for key, value in cell["arms"][arm.name].items()},
        unreliable={key: tuple(seeds) for key, seeds in cell["unreliable"].get(arm.name, {}).items()},
        compute=Compute(**cell["compute"][arm.name]) if arm.name in cell["compute"] else None,
    )


def _over_seeds_from(found: Json) -> OverSeeds:
    return OverSeeds(found["estimate"], found["low"], found["high"], tuple(found["values"]))


def _contrast_from(found: Json) -> Contrast:
    difference = _over_seeds_from(found["difference"])
    return Contrast(
        arm=found["arm"],
        measure=found["measure"],
        difference=difference.mean,
        low=difference.low,
        high=difference.high,
        by_seed=difference.values,
        p_seeds=found["p_seeds"],
        p_images=found["p_images"],
        p=found["p"],
        reliable=found["reliable"],
        noise=found["noise"],
    )


def _laid_out(value: object, indent: str = "") -> str:
    """JSON in which what fits stands in one line, so that a file is short and its changes can be read."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if len(text) <= LINE or not isinstance(value, dict | list):
        return text
    deeper = indent + " "
    if isinstance(value, list):
        lines, (first, last) = [_laid_out(each, deeper) for each in value], "[]"
    else:
        lines, (first, last) = [f"{json.dumps(name)}: {_laid_out(each, deeper)}" for name, each in value.items()], "{}"
    return f"{first}\n{deeper}" + f",\n{deeper}".join(lines) + f"\n{indent}{last}"
