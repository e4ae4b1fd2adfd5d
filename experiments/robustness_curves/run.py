"""Accuracy under attack, from no attack to where nothing holds, for every arm of finished studies.

    python -m experiments.robustness_curves.run --studies studies/mnist/shortcut studies/mnist/without-shortcut

Every classifier is appended to curves.jsonl in --output at once; one that is in it is not attacked again. results.json,
tables.md and figure.png are written at the end. The files of several data sets are one in this folder: put their
`curves` into one results.json.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import joblib
import numpy as np
import torch
import tyro
from rich.progress import track

from experiments.page import write_json, write_page
from experiments.robustness_curves.curves import Curves, Images, Key, as_plain
from experiments.robustness_curves.page import page_of
from explainfb.classifiers.classifier import load_classifier
from explainfb.core.environment import describe_environment
from explainfb.core.errors import InputError
from explainfb.core.seeding import derive, torch_generator
from explainfb.core.types import Norm
from explainfb.robustness.curves import robust_curve
from explainfb.robustness.settings import THOROUGH, AttackSettings
from explainfb.study.finished import FinishedStudy, finished_studies
from explainfb.study.settings import task_of
from explainfb.tasks.task import Split


@dataclass(frozen=True, kw_only=True)
class Depth:
    """How closely to look."""

    attacked: int
    """Test images."""
    linf: tuple[float, ...] = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4)
    l2: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
    attacks: AttackSettings

    def sizes(self, norm: Norm) -> tuple[float, ...]:
        return self.linf if norm == "linf" else self.l2


QUICK = AttackSettings(
    pgd_step_search=(),
    targeted_images=20,
    deepfool_images=0,
    transfer_images=20,
    square_queries=50,
    square_images=20,
    hop_skip_jump_images=0,
    gen_attack_images=0,
    noise_repeats=5,
    check_images=16,
)
"""PGD and the minimum-norm attacks as by default; the others on few images, for gross faults, or not at all."""
DepthName = Literal["quick", "full", "thorough"]
DEPTHS: dict[DepthName, Depth] = {
    "quick": Depth(attacked=100, linf=(0.02, 0.05, 0.1, 0.2, 0.3), l2=(0.5, 1.0, 2.0, 3.0), attacks=QUICK),
    "full": Depth(attacked=200, attacks=AttackSettings()),
    "thorough": Depth(attacked=500, attacks=THOROUGH),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which studies, how closely, and where to."""

    studies: tuple[Path, ...]
    """Sweeps' folders, one for each kind of start, which is called as its folder is."""
    arms: tuple[str, ...] = ()
    """Which arms of the studies beside feedback, such as before or rrr; every one if none is named."""
    depth: DepthName = "quick"
    """`full` attacks as a study does by default, `thorough` as for final numbers."""
    data_dir: Path | None = None
    output: Path = Path("studies/robustness_curves")
    jobs: int = os.cpu_count() or 1
    """Processes, each with one thread."""


@dataclass(frozen=True)
class Job:
    """One classifier on one set of images."""

    study: FinishedStudy
    start: str
    arm: str
    images: Images
    depth: DepthName
    data_dir: Path | None

    @property
    def seed(self) -> int:
        return self.study.settings.seed

    def key(self, norm: Norm) -> Key:
        return Key(self.start, self.study.settings.task, self.arm, self.images, norm)

    @property
    def digest(self) -> str:
        """What tells apart the same arm of another classifier, or measured otherwise."""
        how = json.dumps(asdict(DEPTHS[self.depth])).encode()
        return hashlib.sha256(self.study.arms[self.arm].read_bytes() + how).hexdigest()[:16]


@dataclass(frozen=True)
class Measured:
    """The curve of one classifier."""

    digest: str
    key: Key
    seed: int
    held: tuple[int, ...]
    """(N,): at how many epsilons each image holds, 0 among them."""
    flags: tuple[tuple[str, ...], ...]


def main(settings: Settings) -> None:
    starts = {folder.name: finished_studies(folder) for folder in settings.studies}
    if len(starts) < len(settings.studies):
        raise InputError("Two of these folders have the same name, which is what their start is called; rename one.")
    settings.output.mkdir(parents=True, exist_ok=True)
    found = measure_all(list(jobs_of(starts, settings)), settings.jobs, settings.output / "curves.jsonl")
    curves = over_seeds(found, DEPTHS[settings.depth])
    results = {
        "depth": settings.depth,
        **asdict(DEPTHS[settings.depth]),
        "environment": describe_environment(),
        "curves": {settings.output.name: [as_plain(each) for each in curves]},
    }
    write_json(results, settings.output / "results.json")
    write_page(page_of(settings.output / "results.json"), settings.output)


def jobs_of(starts: dict[str, list[FinishedStudy]], settings: Settings) -> Iterator[Job]:
    """Raises `InputError` where no study has an arm that is named."""
    known = {arm for studies in starts.values() for study in studies for arm in study.arms}
    if unknown := set(settings.arms) - known:
        raise InputError(f"No study has an arm {', '.join(sorted(unknown))}; found {', '.join(sorted(known))}.")
    for start, studies in starts.items():
        for study in studies:
            for arm in (arm for arm in study.arms if not settings.arms or arm in (*settings.arms, "feedback")):
                for images in get_args(Images):
                    if images == "clean" or study.settings.task.endswith("-decoy"):
                        yield Job(study, start, arm, images, settings.depth, settings.data_dir)


def measure_all(jobs: Sequence[Job], processes: int, path: Path) -> list[Measured]:
    """The curves of these jobs, in their order; those that are not in the file are measured and put there."""
    kept = [_read(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    known = {(each.digest, each.key, each.seed): each for each in kept}
    wanted = [(job.digest, job.key(norm), job.seed) for job in jobs for norm in get_args(Norm)]
    left = [job for job in jobs if any((job.digest, job.key(norm), job.seed) not in known for norm in get_args(Norm))]
    running = joblib.Parallel(n_jobs=processes, return_as="generator_unordered")(map(joblib.delayed(measure), left))
    for found in track(running, f"{len(left)} of {len(jobs)} to measure", total=len(left)):
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(each)) + "\n" for each in found)
        known |= {(each.digest, each.key, each.seed): each for each in found}
    return [known[each] for each in wanted]


def _read(line: str) -> Measured:
    row = json.loads(line)
    return Measured(row["digest"], Key(**row["key"]), row["seed"], tuple(row["held"]), tuple(map(tuple, row["flags"])))


def measure(job: Job) -> list[Measured]:
    """A curve in each norm. The same images, by index, are attacked on either set and in every arm of a seed."""
    torch.set_num_threads(1)
    task, depth = task_of(job.study.settings, job.data_dir), DEPTHS[job.depth]
    split: Split | None = {"shifted": task.shifted, "clean": task.clean}[job.images]
    assert split is not None
    chosen = torch.randperm(len(split), generator=torch_generator(job.seed, "curves", "images"))[: depth.attacked]
    found = []
    for norm in get_args(Norm):
        curve = robust_curve(
            load_classifier(job.study.arms[job.arm]),
            split.images[chosen],
            split.labels[chosen],
            norm=norm,
            epsilons=depth.sizes(norm),
            settings=depth.attacks,
            seed=derive(job.seed, "curves"),
            surrogate=None if job.arm == "before" else load_classifier(job.study.arms["before"]),
        )
        held = tuple(map(int, curve.held.sum(0)))
        found.append(Measured(job.digest, job.key(norm), job.seed, held, curve.flags))
    return found


def over_seeds(measured: Sequence[Measured], depth: Depth) -> list[Curves]:
    """One for each arm, set of images and norm."""
    groups: dict[Key, list[Measured]] = {}
    for each in measured:
        groups.setdefault(each.key, []).append(each)
    found = []
    for key, group in groups.items():
        epsilons = (0.0, *depth.sizes(key.norm))
        flags = {
            one.seed: {size: names for size, names in zip(epsilons, one.flags, strict=True) if names} for one in group
        }
        found.append(Curves(key, epsilons, {one.seed: np.array(one.held) for one in group}, flags))
    return found


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
