"""What far stronger attacks leave of the images that studies attacked: the preset THOROUGH, and AutoAttack.

    python -m experiments.stronger_attacks.run --studies studies/shortcut_repair/digits-position-lenet --seeds 11 12 13

The same images of the same classifiers, so that every image that held in the study and falls now is one by which its
numbers are too high. Every classifier is appended to classifiers.jsonl in --output at once and is not attacked again
where it is in it; results.json and tables.md are written at the end, of all that are. AutoAttack needs the extra `art`
and is left out without; its APGD and Square start once, as in its paper.
"""

import hashlib
import importlib.util
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import torch
import tyro
from rich.progress import track

from experiments.page import write_json, write_page
from experiments.stronger_attacks.attacked import Attacked, Attacks, HeldUnder, as_plain, from_plain
from experiments.stronger_attacks.page import page_of
from explainfb.classifiers.classifier import Classifier, load_classifier
from explainfb.core.environment import describe_environment
from explainfb.core.errors import InputError
from explainfb.core.seeding import derive, torch_generator
from explainfb.core.types import BoolArray, RobustAccuracy, ThreatModel
from explainfb.robustness.accuracy import robust_accuracy
from explainfb.robustness.autoattack import PACKAGES, run_autoattack
from explainfb.robustness.settings import THOROUGH
from explainfb.study.finished import FinishedStudy, finished_studies
from explainfb.study.settings import task_of
from explainfb.tasks.task import Split

THREATS = (ThreatModel("linf", 0.05), ThreatModel("linf", 0.1), ThreatModel("l2", 1.0))
"""Of those that a study measures, the ones in which it is told what held."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which classifiers, on how many images, and where to."""

    studies: tuple[Path, ...]
    """Sweeps' folders."""
    arms: tuple[str, ...] = ("before", "feedback", "no_shortcut")
    """Those of them that a study has."""
    seeds: tuple[int, ...] = ()
    """All that the folders have if none is named."""
    images: int = 50
    """The first so many of those that a study attacked."""
    autoattack: bool = all(importlib.util.find_spec(name) for name in PACKAGES)
    data_dir: Path | None = None
    output: Path = Path("studies/stronger_attacks")
    jobs: int = os.cpu_count() or 1
    """Processes, each with one thread."""


@dataclass(frozen=True)
class Job:
    """One classifier."""

    name: str
    """Of the sweep's folder."""
    study: FinishedStudy
    arm: str
    settings: Settings

    @property
    def digest(self) -> str:
        """What tells apart the same arm of another classifier, or attacked otherwise."""
        how = f"{self.settings.images} {self.settings.autoattack}".encode()
        return hashlib.sha256(self.study.arms[self.arm].read_bytes() + how).hexdigest()[:16]


def main(settings: Settings) -> None:
    settings.output.mkdir(parents=True, exist_ok=True)
    found = attack_all(jobs_of(settings), settings)
    kept = [as_plain(each) for each in found]
    results = {"images": settings.images, "environment": describe_environment(), "classifiers": kept}
    write_json(results, settings.output / "results.json")
    write_page(page_of(settings.output / "results.json"), settings.output)


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


def attack_all(jobs: list[Job], settings: Settings) -> list[Attacked]:
    """What is not in the file is attacked and put there; returns all that is in it, the last of each classifier."""
    path = settings.output / "classifiers.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = [from_plain(json.loads(line)) for line in lines]
    known = {(each.study, each.arm, each.seed, each.digest) for each in found}
    left = [job for job in jobs if (job.name, job.arm, job.study.settings.seed, job.digest) not in known]
    running = joblib.Parallel(n_jobs=settings.jobs, return_as="generator_unordered")(map(joblib.delayed(attack), left))
    for one in track(running, f"{len(left)} of {len(jobs)} classifiers", total=len(left)):
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(as_plain(one)) + "\n")
        found.append(one)
    return list({(each.task, each.study, each.arm, each.seed): each for each in found}.values())


def attack(job: Job) -> Attacked:
    """Image by image whether it holds: in the study, against the preset, against AutoAttack."""
    torch.set_num_threads(1)
    ours = held_in_the_study(job)
    start, seed = time.monotonic(), job.study.settings.seed
    some, classifier = images_of(job), load_classifier(job.study.arms[job.arm])
    records = robust_accuracy(
        classifier,
        some.images,
        some.labels,
        threat_models=THREATS,
        settings=THOROUGH,
        seed=derive(seed, "second opinion"),
        surrogate=None if job.arm == "before" else load_classifier(job.study.arms["before"]),
    )
    threats = tuple(held_under(job, record, ours[record.threat_model], classifier, some) for record in records)
    seconds = round(time.monotonic() - start, 1)
    return Attacked(job.study.settings.task, job.name, job.arm, seed, job.digest, seconds, threats)


def images_of(job: Job) -> Split:
    """The first of those that the study drew."""
    test = task_of(job.study.settings, job.settings.data_dir).test
    generator = torch_generator(derive(job.study.settings.seed, "evaluation"), "test images")
    return test.take(torch.randperm(len(test), generator=generator)[: job.settings.images])


def held_in_the_study(job: Job) -> dict[ThreatModel, BoolArray]:
    """For each size (N,): image by image. Raises `InputError` where the study attacked fewer images."""
    count = job.settings.images
    known = {record.threat_model: record.survived[:count] for record in job.study.evaluation(job.arm).robust}
    if any(len(known.get(threat, ())) < count for threat in THREATS):
        raise InputError(
            f"{job.study.folder} did not attack {count} images at L∞ .05, L∞ .1 and L2 1; take fewer --images, or a "
            "study that did."
        )
    return {threat: np.array(held) for threat, held in known.items()}


def held_under(job: Job, record: RobustAccuracy, ours: BoolArray, classifier: Classifier, some: Split) -> HeldUnder:
    """At one size of attack."""
    held: dict[Attacks, BoolArray] = {"study": ours, "thorough": np.array(record.survived)}
    if job.settings.autoattack:
        seed, threat_model = job.study.settings.seed, record.threat_model
        left = run_autoattack(classifier, some.images, some.labels, threat_model=threat_model, seed=seed, restarts=1)
        held["autoattack"] = np.array(left)
    return HeldUnder(record.threat_model, held, record.flags)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
