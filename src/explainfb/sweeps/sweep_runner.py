"""The same study over several seeds: one seed is an anecdote."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import reduce
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from explainfb.core.environment import both
from explainfb.core.errors import InputError
from explainfb.core.files import write_whole
from explainfb.evaluation.arm_contrasts import contrast_arms
from explainfb.results.encoding import as_json
from explainfb.results.records import FEEDBACK, NO_SHORTCUT, StudyResults
from explainfb.statistics.contrasts import LEVEL, half_width
from explainfb.study.finished import evaluations_of
from explainfb.study.settings import StudySettings, as_plain
from explainfb.sweeps.executor import Processes, run_studies
from explainfb.sweeps.settings import SweepSettings as SweepSettings

LEAST_GAP = 0.05
"""Where the ceiling is not this far above before on every seed, there is no gap to speak of."""
ABREAST = 5
"""Arms side by side in a terminal."""
MEASURES = ("shifted_accuracy", "clean_accuracy", "ece", "shortcut_share")


def sweep(wanted: SweepSettings, settings: StudySettings, console: Console) -> dict[str, Any]:
    """Run the study on every seed, as far as it is not done; returns what sweep.json holds.

    It is written anew after every study that ends, and can be looked at half-way.
    """
    if settings.seed != StudySettings().seed or settings.controls != StudySettings().controls:
        raise InputError("A sweep's seeds are given by --first-seed and --seeds, its arms by --controls.")
    seeds = range(wanted.first_seed, wanted.first_seed + wanted.seeds)
    studies = [replace(settings, seed=seed, controls=wanted.controls) for seed in seeds]
    processes = Processes(jobs=wanted.jobs, backend=wanted.backend, data_dir=wanted.data_dir, device=wanted.device)
    console.print(_start(wanted, seeds), markup=False, highlight=False, soft_wrap=True)
    results: dict[int, StudyResults] = {}
    summary: dict[str, Any] = {}
    with console.status(f"Look half-way at {wanted.path}"):
        for result in run_studies({wanted.folder / f"seed-{study.seed}": study for study in studies}, processes):
            results[result.seed] = result
            summary = _write(wanted, dict(sorted(results.items())), studies[0])
            console.print(f"Seed {result.seed} is done ({len(results)} of {wanted.seeds}).")
    return summary


def _start(wanted: SweepSettings, seeds: range) -> str:
    """What is begun, in a line."""
    listed, arms = ", ".join(map(str, seeds)), ", ".join(wanted.controls) or "none"
    return f"Sweep in {wanted.folder}: seeds {listed}; arms beside feedback: {arms}; processes: {wanted.jobs}."


def _write(wanted: SweepSettings, results: Mapping[int, StudyResults], settings: StudySettings) -> dict[str, Any]:
    """Write sweep.json from the results by seed that there are; returns what it holds."""
    summary = summarise(list(results.values()), settings) | {"contrasts": _contrasts(wanted, results)}
    text = json.dumps(summary, indent=2) + "\n"
    write_whole(wanted.path, lambda partial: partial.write_text(text, encoding="utf-8"))
    return summary


def _contrasts(wanted: SweepSettings, results: Mapping[int, StudyResults]) -> list[dict[str, Any]]:
    """Feedback against every other arm."""
    evaluations = evaluations_of({wanted.folder / f"seed-{seed}": result for seed, result in results.items()})
    found = contrast_arms(evaluations.pop(FEEDBACK), evaluations)
    return [asdict(each) | {"by_seed": list(each.by_seed), "is_one": each.is_one} for each in found]


def summarise(results: list[StudyResults], settings: StudySettings) -> dict[str, Any]:
    """Means over seeds with 95 % t-intervals, and the share of the gap to the ceiling that feedback closed."""
    rows: dict[str, dict[str, list[float]]] = {}
    unreliable: dict[str, dict[str, list[int]]] = {}
    for result in results:
        for arm, evaluation in as_json(result)["arms"].items():
            row = rows.setdefault(arm, {})
            for name in MEASURES:
                if evaluation[name] is not None:
                    row.setdefault(name, []).append(evaluation[name])
            for robust in evaluation["robust_accuracy"]:
                name = f"{robust['norm']} {robust['epsilon']:g}"
                row.setdefault(name, []).append(robust["accuracy"])
                if not robust["reliable"]:
                    unreliable.setdefault(arm, {}).setdefault(name, []).append(result.seed)
    summary = {
        "task": results[0].task,
        "seeds": [result.seed for result in results],
        "settings": {name: value for name, value in as_plain(settings).items() if name != "seed"},
        "environment": reduce(both, (dict(result.environment) for result in results)),
        "arms": {arm: {name: _over_seeds(values) for name, values in row.items()} for arm, row in rows.items()},
        "unreliable": unreliable,
        "budget": as_json(results[0])["compute"],
        "stopped": [f"{each.arm}, round {each.round}: {each.reason}" for result in results for each in result.stopped],
    }
    if NO_SHORTCUT in rows and "shifted_accuracy" in rows[NO_SHORTCUT]:
        before, after, ceiling = (np.array(rows[arm]["shifted_accuracy"]) for arm in ("before", FEEDBACK, NO_SHORTCUT))
        if (ceiling - before).min() > LEAST_GAP:
            summary["gap_closed"] = _over_seeds(((after - before) / (ceiling - before)).tolist())
    return summary


def _over_seeds(values: list[float]) -> dict[str, Any]:
    mean, half = float(np.mean(values)), half_width(np.array(values))
    if half is None:
        return {"mean": mean, "low": None, "high": None, "values": values}
    return {"mean": mean, "low": mean - half, "high": mean + half, "values": values}


def print_sweep(console: Console, summary: dict[str, Any]) -> None:
    """The table of means over seeds."""
    names = list(summary["arms"])
    for start in range(0, len(names), ABREAST):
        console.print(_table(summary, names[start : start + ABREAST]))
    if summary["unreliable"]:
        console.print("* not to be relied on: an honesty check failed on some seed, named in its study's report.")
    for line in _in_few_words(summary["stopped"]):
        console.print(line)
    if summary.get("contrasts"):
        console.print(_contrast_table(summary))
    if "gap_closed" in summary:
        gap = summary["gap_closed"]
        each = ", ".join(f"{value:.2f}" for value in gap["values"])
        console.print(f"Share of the gap to the ceiling closed: {gap['mean']:.2f}, by seed {each}.")


def _in_few_words(stopped: Sequence[str]) -> list[str]:
    """What had to stop, an arm's first message and how many more there are."""
    by_arm: dict[str, list[str]] = {}
    for message in stopped:
        by_arm.setdefault(message.partition(",")[0], []).append(message)
    return [
        messages[0] + (f" (and {len(messages) - 1} rounds more; sweep.json has them.)" if len(messages) > 1 else "")
        for messages in by_arm.values()
    ]


def _contrast_table(summary: dict[str, Any]) -> Table:
    """What feedback gains or loses in shifted accuracy, and whether that may be called a difference."""
    table = Table(title="Feedback less each arm, shifted accuracy", box=None)
    for name in ("", "difference", "95 % interval", "p (Holm)", ""):
        table.add_column(name, justify="right")
    for contrast in summary["contrasts"]:
        if contrast["measure"] == "shifted accuracy":
            p = contrast["p"]
            table.add_row(
                contrast["arm"].replace("_", " "),
                f"{contrast['difference']:+.3f}",
                "–" if p is None else f"{contrast['low']:+.3f} to {contrast['high']:+.3f}",
                "–" if p is None else f"{p:.2g}",
                f"a difference (p < {LEVEL})" if contrast["is_one"] else "not shown",
            )
    return table


def _table(summary: dict[str, Any], arms: list[str]) -> Table:
    seeds = ", ".join(str(seed) for seed in summary["seeds"])
    table = Table(title=f"{summary['task']}, seeds {seeds}: mean ± half the 95 % interval over seeds", box=None)
    table.add_column("")
    for arm in arms:
        table.add_column(arm.replace("_", " "), justify="right")
    for name in next(iter(summary["arms"].values())):
        cells = ((arm, summary["arms"][arm].get(name)) for arm in arms)
        table.add_row(name.replace("_", " "), *(_cell(summary, arm, name, cell) for arm, cell in cells))
    return table


def _cell(summary: dict[str, Any], arm: str, name: str, cell: dict[str, Any] | None) -> str:
    """Mean ± half the interval; a star where an honesty check failed on some seed."""
    if cell is None:
        return "–"
    star = "*" if name in summary["unreliable"].get(arm, {}) else ""
    interval = "" if cell["low"] is None else f"±{cell['high'] - cell['mean']:.2f}"
    return f"{cell['mean']:.3f}{interval}{star}"
