"""Accuracy under attack, from none to where it reaches chance, for every arm of finished studies.

    python experiments/robustness/curves.py --studies studies/decoy studies/sound studies/hardened

Every curve is appended to curves.jsonl at once; one that is in it, of the same classifier, is not measured again.
results.json, table.md and figure.svg are written at the end.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
import torch
import tyro
from picture import draw
from rich.progress import track
from tables import over_seeds, table

from explainfb.classifiers.classifier import load_classifier
from explainfb.core.environment import describe_environment
from explainfb.core.seeding import derive, torch_generator
from explainfb.core.types import Norm
from explainfb.robustness.curves import RobustCurve, robust_curve
from explainfb.robustness.settings import THOROUGH, AttackSettings
from explainfb.statistics.contrasts import contrast, corrected
from explainfb.study.finished import FinishedStudy, finished_studies
from explainfb.study.settings import task_of
from explainfb.tasks.task import Split

HERE = Path(__file__).parent
Row = dict[str, Any]
Group = tuple[str, str, Norm, str]
"""Start, set of images, norm, arm."""
NORMS: dict[Norm, str] = {"linf": "L∞", "l2": "L2"}
KEY = ("start", "seed", "arm", "images", "norm", "attacked", "classifier")
FIXED = 0.1
"""The L∞ epsilon at which accuracies are tested."""


@dataclass(frozen=True, kw_only=True)
class Depth:
    """How closely to look."""

    attacked: int
    """Test images."""
    linf: tuple[float, ...] = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4)
    l2: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
    attacks: AttackSettings


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
DEPTHS = {
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
    depth: Literal["quick", "full", "thorough"] = "quick"
    """`full` attacks as a study does by default, `thorough` as for final numbers."""
    data_dir: Path | None = None
    output: Path | None = None
    """A folder; one beside this script named after task and depth, and `chosen` where arms are named, if not given."""
    jobs: int = os.cpu_count() or 1


@dataclass(frozen=True)
class Job:
    """One classifier on one set of images."""

    study: FinishedStudy
    arm: str
    images: str
    start: str

    @property
    def row(self) -> Row:
        """What its curves are found by, beside norm and depth."""
        digest = hashlib.sha256(self.study.arms[self.arm].read_bytes()).hexdigest()[:16]
        return {
            "start": self.start,
            "task": self.study.settings.task,
            "seed": self.study.settings.seed,
            "arm": self.arm,
            "images": self.images,
            "classifier": digest,
        }


def main(settings: Settings) -> None:
    wanted = {folder.name: finished_studies(folder) for folder in settings.studies}
    if len(wanted) < len(settings.studies):
        raise SystemExit("Two of these folders have the same name, which is what their start is called; rename one.")
    base = next(iter(wanted.values()))[0].settings.task.removesuffix("-decoy")
    output = settings.output or HERE / f"{base}-{settings.depth}{'-chosen' * bool(settings.arms)}"
    output.mkdir(parents=True, exist_ok=True)
    rows = measured(list(jobs_of(wanted, settings.arms)), settings, output / "curves.jsonl")
    summary = [summarise(group, found) for group, found in grouped(rows).items()]
    tested = tests(grouped(rows))
    how = {"depth": settings.depth, **asdict(DEPTHS[settings.depth])}
    kept = how | {"arms": settings.arms or None, "environment": describe_environment()}
    text = json.dumps(kept | {"curves": summary, "tests": tested}, indent=1)
    (output / "results.json").write_text(text + "\n", encoding="utf-8")
    (output / "table.md").write_text(table(summary, tested), encoding="utf-8")
    draw(summary, output / "figure.svg")
    print((output / "table.md").read_text(encoding="utf-8"))


def jobs_of(wanted: dict[str, list[FinishedStudy]], arms: tuple[str, ...] = ()) -> Iterator[Job]:
    found = {arm for studies in wanted.values() for study in studies for arm in study.arms}
    if unknown := set(arms) - found:
        raise SystemExit(f"No study has an arm {', '.join(sorted(unknown))}; found {', '.join(sorted(found))}.")
    for start, studies in wanted.items():
        for study in studies:
            for arm in (arm for arm in study.arms if not arms or arm in (*arms, "feedback")):
                for images in ("shifted", "clean") if study.settings.task.endswith("-decoy") else ("clean",):
                    yield Job(study, arm, images, start)


def measured(jobs: list[Job], settings: Settings, path: Path) -> list[Row]:
    """The curves of these jobs, in their order; what is not in the file is measured and put there."""
    kept = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    known = {tuple(row[name] for name in KEY): row for row in kept}
    how = digest_of(DEPTHS[settings.depth])
    keys = [
        [tuple((job.row | {"norm": norm, "attacked": how})[name] for name in KEY) for norm in NORMS] for job in jobs
    ]
    left = [job for job, both in zip(jobs, keys, strict=True) if not all(key in known for key in both)]
    running = joblib.Parallel(n_jobs=settings.jobs, return_as="generator_unordered")(
        joblib.delayed(measure)(job, settings.depth, settings.data_dir) for job in left
    )
    for rows in track(running, f"{len(left)} of {len(jobs)} to measure", total=len(left)):
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        known |= {tuple(row[name] for name in KEY): row for row in rows}
    return [known[key] for both in keys for key in both]


def measure(job: Job, depth: str, data_dir: Path | None) -> list[Row]:
    """One row a norm. The same images, by index, are attacked on either set and in every arm of a seed."""
    torch.set_num_threads(1)
    task, seed, wanted = task_of(job.study.settings, data_dir), job.study.settings.seed, DEPTHS[depth]
    split: Split | None = {"shifted": task.shifted, "clean": task.clean}[job.images]
    assert split is not None
    chosen = torch.randperm(len(split), generator=torch_generator(seed, "curves", "images"))[: wanted.attacked]
    epsilons: dict[Norm, tuple[float, ...]] = {"linf": wanted.linf, "l2": wanted.l2}
    rows = []
    for norm, sizes in epsilons.items():
        start = time.monotonic()
        curve = robust_curve(
            load_classifier(job.study.arms[job.arm]),
            split.images[chosen],
            split.labels[chosen],
            norm=norm,
            epsilons=sizes,
            settings=wanted.attacks,
            seed=derive(seed, "curves"),
            surrogate=None if job.arm == "before" else load_classifier(job.study.arms["before"]),
        )
        found = {"epsilons": curve.epsilons, "held": ["".join(map(str, row)) for row in curve.held.astype(int)]}
        took = {"flags": curve.flags, "seconds": round(time.monotonic() - start, 2)}
        rows.append(job.row | {"norm": norm, "depth": depth, "attacked": digest_of(wanted)} | found | took)
    return rows


def digest_of(depth: Depth) -> str:
    """What tells curves apart that were measured otherwise."""
    return hashlib.sha256(json.dumps(asdict(depth)).encode()).hexdigest()[:16]


def curve_of(row: Row) -> RobustCurve:
    held = np.array([[letter == "1" for letter in line] for line in row["held"]])
    return RobustCurve(row["norm"], tuple(row["epsilons"]), held, tuple(map(tuple, row["flags"])))


def grouped(rows: list[Row]) -> dict[Group, list[Row]]:
    """By start, images, norm and arm: one row a seed."""
    groups: dict[Group, list[Row]] = {}
    for row in rows:
        groups.setdefault((row["start"], row["images"], row["norm"], row["arm"]), []).append(row)
    return groups


def summarise(group: Group, rows: list[Row]) -> Row:
    """Mean curve and distances over the seeds, with 95 % t-intervals; on which seeds a check failed."""
    curves = [curve_of(row) for row in rows]
    accuracy = np.array([curve.accuracy for curve in curves])  # (seeds, epsilons)
    flagged = [
        {row["seed"]: list(curve.flags[place]) for row, curve in zip(rows, curves, strict=True) if curve.flags[place]}
        for place in range(accuracy.shape[1])
    ]
    medians = [curve.median_distance for curve in curves]
    return dict(zip(("start", "images", "norm", "arm"), group, strict=True)) | {
        "task": rows[0]["task"],
        "seeds": [row["seed"] for row in rows],
        "n": curves[0].held.shape[1],
        "epsilons": curves[0].epsilons,
        "accuracy": [over_seeds(list(column)) for column in accuracy.T],
        "flagged": flagged,
        "mean_distance": over_seeds([float(curve.distances.mean()) for curve in curves]),
        "median_distances": medians,
        "seconds": round(float(np.mean([row["seconds"] for row in rows])), 2),
    }


def tests(groups: dict[Group, list[Row]]) -> list[Row]:
    """Feedback less each other arm of its start, and less the feedback of the first start of the same task."""
    named, found = [], []
    firsts: dict[str, str] = {}
    for (start, _, _, _), rows in groups.items():
        firsts.setdefault(rows[0]["task"], start)
    for (start, images, norm, arm), rows in groups.items():
        pairs = [(f"{start}: feedback", groups[start, images, norm, "feedback"], arm, rows)]
        if arm == "feedback":
            first = firsts[rows[0]["task"]]
            pairs = [(f"{start}: feedback", rows, f"{first}: feedback", groups[first, images, norm, arm])]
        for name, here, other, there in pairs:
            if here is there or [row["seed"] for row in here] != [row["seed"] for row in there]:
                continue
            for measure_name, values in scores(here, there, norm).items():
                found.append(contrast(other, measure_name, values, reliable=not doubtful(here + there, measure_name)))
                named.append({"images": images, "reference": name})
    return [name | asdict(each) | {"is_one": each.is_one} for name, each in zip(named, corrected(found), strict=True)]


def scores(here: list[Row], there: list[Row], norm: Norm) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """What is tested, in pairs by seed."""
    curves = [(curve_of(a), curve_of(b)) for a, b in zip(here, there, strict=True)]
    found = {
        f"mean {NORMS[norm]} distance": [
            (a.distances.mean(keepdims=True), b.distances.mean(keepdims=True)) for a, b in curves
        ]
    }
    if norm == "linf":
        place = curves[0][0].epsilons.index(FIXED)
        found[f"accuracy at L∞ {FIXED}"] = [
            (a.held[place].astype(float), b.held[place].astype(float)) for a, b in curves
        ]
    return found


def doubtful(rows: list[Row], measure_name: str) -> bool:
    """Whether a check failed on some seed: at the fixed size, or for a distance anywhere on the curve."""
    curves = [curve_of(row) for row in rows]
    if measure_name.startswith("mean"):
        return any(any(curve.flags) for curve in curves)
    return any(curve.flags[curve.epsilons.index(FIXED)] for curve in curves)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
