"""What far stronger attacks leave of the images that studies attacked: the preset THOROUGH, and AutoAttack.

    python experiments/robustness/second_opinion.py --studies studies/shortcut/mnist-position-lenet --data-dir DATA
    python experiments/robustness/second_opinion.py --studies studies/hardened-mnist --arms feedback --data-dir DATA

The same images of the same classifiers, so that every image that held in the study and falls now is one that its
numbers are too high by. Every classifier is appended to classifiers.jsonl at once, and is not attacked again where it
is in it; results.json and table.md are written at the end, of all in it that is alike. AutoAttack needs the extra
`art`, and is left out without; its APGD and Square start once, as in its paper.
"""

import hashlib
import importlib.util
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
import tyro
from rich.progress import track
from tables import cell, over_seeds

from explainfb.classifiers.classifier import load_classifier
from explainfb.core.environment import both, describe_environment
from explainfb.core.seeding import derive, torch_generator
from explainfb.core.types import BoolArray, ThreatModel
from explainfb.robustness.accuracy import robust_accuracy
from explainfb.robustness.autoattack import PACKAGES, run_autoattack
from explainfb.robustness.settings import THOROUGH
from explainfb.study.finished import FinishedStudy, finished_studies
from explainfb.study.settings import task_of
from explainfb.tasks.task import Split

HERE = Path(__file__).parent
Row = dict[str, Any]
KEY = ("study", "seed", "arm", "images", "classifier", "autoattack")
THREATS = (ThreatModel("linf", 0.05), ThreatModel("linf", 0.1), ThreatModel("l2", 1.0))
"""Of those that a study measures, the ones in which it is told what held."""
OURS, PRESET, AUTOATTACK = "study", "thorough", "autoattack"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which classifiers, on how many images, and where to."""

    studies: tuple[Path, ...]
    """Sweeps' folders."""
    arms: tuple[str, ...] = ("before", "feedback", "ceiling")
    """Those of them that a study has."""
    seeds: tuple[int, ...] = ()
    """All that the folders have if none is named."""
    images: int = 50
    """The first so many of those that a study attacked."""
    autoattack: bool = all(importlib.util.find_spec(name) for name in PACKAGES)
    data_dir: Path | None = None
    output: Path = HERE / "second_opinion"
    jobs: int = os.cpu_count() or 1


@dataclass(frozen=True)
class Job:
    """One classifier."""

    name: str
    """Of the sweep's folder."""
    study: FinishedStudy
    arm: str
    settings: Settings

    @property
    def row(self) -> Row:
        return {
            "study": self.name,
            "task": self.study.settings.task,
            "seed": self.study.settings.seed,
            "arm": self.arm,
            "images": self.settings.images,
            "classifier": hashlib.sha256(self.study.arms[self.arm].read_bytes()).hexdigest()[:16],
            "autoattack": self.settings.autoattack,
        }


def main(settings: Settings) -> None:
    settings.output.mkdir(parents=True, exist_ok=True)
    rows = measure(jobs_of(settings), settings)
    summary = summarise(rows)
    path = settings.output / "results.json"
    earlier = json.loads(path.read_text(encoding="utf-8"))["environment"] if path.is_file() else {}
    kept = {"images": settings.images, "environment": both(earlier, describe_environment()), "classifiers": summary}
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    (settings.output / "table.md").write_text(table(summary), encoding="utf-8")
    print(table(summary))


def jobs_of(settings: Settings) -> list[Job]:
    """Seed by seed, so that what is there after an interruption can be compared."""
    found = [
        Job(folder.name, study, arm, settings)
        for folder in settings.studies
        for study in finished_studies(folder)
        for arm in settings.arms
        if arm in study.arms and (not settings.seeds or study.settings.seed in settings.seeds)
    ]
    return sorted(found, key=lambda job: job.study.settings.seed)


def measure(jobs: list[Job], settings: Settings) -> list[Row]:
    """What is not in the file is measured and put there; returns the last row of each classifier in it."""
    path = settings.output / "classifiers.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    known = {tuple(row[name] for name in KEY) for row in rows}
    left = [job for job in jobs if tuple(job.row[name] for name in KEY) not in known]
    running = joblib.Parallel(n_jobs=settings.jobs, return_as="generator_unordered")(map(joblib.delayed(attack), left))
    for row in track(running, f"{len(left)} of {len(jobs)} classifiers", total=len(left)):
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        rows.append(row)
    alike = [row for row in rows if (row["images"], row["autoattack"]) == (settings.images, settings.autoattack)]
    last = {(row["task"], row["study"], row["arm"], row["seed"]): row for row in alike}
    return [last[key] for key in sorted(last)]


def attack(job: Job) -> Row:
    """Image by image whether it holds: in the study, against the preset, against AutoAttack."""
    torch.set_num_threads(1)
    ours = held_in_the_study(job)
    start, seed, count = time.monotonic(), job.study.settings.seed, job.settings.images
    test = task_of(job.study.settings, job.settings.data_dir).test
    drawn = torch.randperm(len(test), generator=torch_generator(derive(seed, "evaluation"), "test images"))
    some: Split = test.take(drawn[:count])  # as the study drew them
    classifier = load_classifier(job.study.arms[job.arm])
    records = robust_accuracy(
        classifier,
        some.images,
        some.labels,
        threat_models=THREATS,
        settings=THOROUGH,
        seed=derive(seed, "second opinion"),
        surrogate=None if job.arm == "before" else load_classifier(job.study.arms["before"]),
    )
    found = []
    for record in records:
        threat = record.threat_model
        held = {OURS: letters(ours[threat]), PRESET: letters(record.survived)}
        if job.settings.autoattack:
            left = run_autoattack(classifier, some.images, some.labels, threat_model=threat, seed=seed, restarts=1)
            held[AUTOATTACK] = letters(left)
        threat_row = {"norm": threat.norm, "epsilon": threat.epsilon, "flags": record.flags}
        found.append(threat_row | {"held": held, "left_by_each_alone": record.attacks})
    return job.row | {"threats": found, "seconds": round(time.monotonic() - start, 1)}


def held_in_the_study(job: Job) -> dict[ThreatModel, tuple[bool, ...]]:
    """Image by image, for each size."""
    count = job.settings.images
    known = {record.threat_model: record.survived[:count] for record in job.study.evaluation(job.arm).robust}
    if any(len(known.get(threat, ())) < count for threat in THREATS):
        raise SystemExit(
            f"{job.study.folder} did not attack {count} images at L∞ .05, L∞ .1 and L2 1; take fewer "
            "--images, or a study that did."
        )
    return known


def letters(held: tuple[bool, ...] | BoolArray) -> str:
    return "".join(str(int(each)) for each in held)


def summarise(rows: list[Row]) -> list[Row]:
    """For each study and arm and size: means over seeds with 95 % t-intervals, and the images that only now fell."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["task"], row["study"], row["arm"]), []).append(row)
    return [
        {"study": study, "arm": arm, "task": task, "seeds": [row["seed"] for row in group]}
        | {"seconds": round(float(np.mean([row["seconds"] for row in group])), 1)}
        | {"threats": [summary_of([row["threats"][place] for row in group]) for place in range(len(THREATS))]}
        for (task, study, arm), group in groups.items()
    ]


def summary_of(threats: list[Row]) -> Row:
    """One size of attack over the seeds."""
    held = {name: [np.array(list(each["held"][name])) == "1" for each in threats] for name in threats[0]["held"]}
    worst = [np.all([rows[seed] for rows in held.values()], axis=0) for seed in range(len(threats))]
    accuracies = {name: over_seeds([float(each.mean()) for each in rows]) for name, rows in held.items()}
    only_now = [int((ours & ~now).sum()) for ours, now in zip(held[OURS], worst, strict=True)]
    return {
        "norm": threats[0]["norm"],
        "epsilon": threats[0]["epsilon"],
        "held": accuracies | {"worst": over_seeds([float(each.mean()) for each in worst])},
        "fell_only_now": only_now,
        "images": sum(len(each) for each in worst),
        "flagged": sum(bool(each["flags"]) for each in threats),
    }


def table(summary: list[Row]) -> str:
    """Markdown."""
    lines = [
        "| studies | arm | seeds | attack | the study | THOROUGH | AutoAttack | worst of the three | only now |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in summary:
        for threat in row["threats"]:
            held = threat["held"]
            cells = [f"{row['task']}: {row['study']}", row["arm"], str(len(row["seeds"]))]
            cells.append(f"{'L∞' if threat['norm'] == 'linf' else 'L2'} {threat['epsilon']:g}".replace("0.", "."))
            cells += [cell(held[name]) if name in held else "–" for name in (OURS, PRESET, AUTOATTACK, "worst")]
            cells[5] += "*" if threat["flagged"] else ""
            cells.append(f"{sum(threat['fell_only_now'])} of {threat['images']}")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n\\* an honesty check failed on some seed under THOROUGH.\n"


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
