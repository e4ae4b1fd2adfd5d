"""Summaries as they were before they had a format (format 1) → format 2.

Then a grid's file had its contrasts apart from its cells, and a sweep's was what a cell is. What was called `after` is
`feedback` now, what was called `ceiling` is `no_shortcut`; measures had three spellings, which are the keys of
`explainfb.results.measures` now; settings were nested and had older names.
"""

from collections.abc import Iterable
from typing import Any

from explainfb.core.renamed import RENAMED_SETTINGS
from explainfb.results.measures import CLEAN, ECE, ROBUST, SHIFTED
from explainfb.results.upgrade import RENAMED_ARMS, description_of, renamed_command, upgraded_stop

Json = dict[str, Any]
RENAMED_MEASURES = {"clean accuracy": CLEAN.key, "shifted accuracy": SHIFTED.key, "calibration error": ECE.key}
"""In contrasts; among the arms they had the keys of today."""
NORMS = ("linf ", "l2 ")


def upgraded(old: Json) -> Json:
    """A dictionary of format 1 as one of format 2; `old` is left as it is.

    Raises `KeyError`, `TypeError` or `AttributeError` where `old` lacks what every file of format 1 has.
    """
    cells = old["cells"] if "cells" in old else {old["task"]: old}
    contrasts = {name: [each for each in old.get("contrasts", ()) if each.get("cell", name) == name] for name in cells}
    found = {name: _cell(cell, contrasts[name]) for name, cell in cells.items()}
    return {
        "format": 2,
        "seeds": old["seeds"],
        "environment": old["environment"] or {},
        "arm_descriptions": {arm: description_of(arm) for cell in found.values() for arm in cell["arms"]},
        "cells": found,
    }


def _cell(old: Json, contrasts: Iterable[Json]) -> Json:
    return {
        "task": old["task"],
        "command": renamed_command(old.get("command", "")),
        "settings": _settings(old.get("settings", {})),
        "seeds": old["seeds"],
        "arms": {_arm(arm): _by_measure(values) for arm, values in old["arms"].items()},
        "unreliable": {_arm(arm): _by_measure(seeds) for arm, seeds in old["unreliable"].items()},
        "compute": {_arm(arm): counts for arm, counts in old.get("budget", {}).items()},
        "contrasts": [_contrast(each) for each in contrasts],
        "stopped": [upgraded_stop(message) for message in old["stopped"]],
        "gap_closed": _over_seeds(old["gap_closed"]) if "gap_closed" in old else None,
    }


def _arm(old: str) -> str:
    return RENAMED_ARMS.get(old, old)


def _by_measure(old: Json) -> Json:
    return {_measure(key): _over_seeds(value) if isinstance(value, dict) else value for key, value in old.items()}


def _measure(old: str) -> str:
    """The key, which is `robust_accuracy linf 0.1` of both `linf 0.1` and `robust accuracy, linf 0.1`."""
    bare = old.removeprefix("robust accuracy, ")
    return f"{ROBUST} {bare}" if bare.startswith(NORMS) else RENAMED_MEASURES.get(old, old)


def _over_seeds(old: Json) -> Json:
    return {"estimate": old["mean"], "low": old["low"], "high": old["high"], "values": old["values"]}


def _contrast(old: Json) -> Json:
    """Files of before there were these tests say neither that a number failed a check nor what noise adds."""
    ends = {name: old[name] for name in ("low", "high")}
    return {
        "arm": _arm(old["arm"]),
        "measure": _measure(old["measure"]),
        "difference": {"estimate": old["difference"], **ends, "values": old["by_seed"]},
        **{name: old[name] for name in ("p_seeds", "p_images", "p")},
        "reliable": old.get("reliable", True),
        "noise": old.get("noise", 0.0),
    }


def _settings(old: Json, prefix: str = "") -> Json:
    """Nested settings by their dotted names of today."""
    flat: Json = {}
    for name, value in old.items():
        here = f"{prefix}{name}"
        flat |= _settings(value, f"{here}.") if isinstance(value, dict) else {RENAMED_SETTINGS.get(here, here): value}
    return flat
