"""How a study grows: what an explanation costs to make, to keep and to hold in memory, and an answer to keep.

    python -m experiments.study_size.run

Times are of the processor, which other work on the machine does not lengthen, as `time.process_time` counts them in one
thread. Explanations are made of digits by an untrained LeNet, as a study makes them; those that are kept are copies of
these under other numbers. Written to results.json in --output.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

import torch
import tyro
from rich.progress import track

from experiments.page import write_json, write_page
from experiments.study_size.page import page_of
from explainfb.classifiers.settings import TrainingSettings
from explainfb.classifiers.training import train
from explainfb.core.environment import describe_environment
from explainfb.core.types import Answer, Comparison, ExplanationKey, Preference
from explainfb.explanations.explainer import explain
from explainfb.explanations.explanation import Explanation
from explainfb.explanations.storage import save_explanations
from explainfb.store import Store
from explainfb.study.settings import StudySettings
from explainfb.tasks.datasets import load_task

HELD = """
import resource, sys
from pathlib import Path
from explainfb.explanations.storage import load_explanations
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = load_explanations(Path(sys.argv[1]))
print(len(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
"""In a process of its own: how many were read, and by how many KiB the most memory that it ever had grew."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How far the growth is followed."""

    made: tuple[int, ...] = (25, 50, 100, 200)
    """After how many explanations the time is taken."""
    kept: tuple[int, ...] = (2_500, 5_000, 10_000, 20_000)
    """How many explanations are in a file."""
    answers: tuple[int, ...] = (1_000, 2_000, 4_000, 8_000)
    """How many comparisons and answers are in a SQLite database."""
    output: Path = Path("studies/study_size")


def make(settings: Settings) -> tuple[list[Explanation], list[float]]:
    """Explanations, and the seconds of processor that the first so many took."""
    task = load_task("digits-decoy")
    classifier = train(task, settings=TrainingSettings(steps=0), seed=0)
    lime, made, seconds, before = StudySettings().lime, [], [], time.process_time()
    for first, last in zip((0, *settings.made), settings.made, strict=False):
        images = task.train.images[torch.arange(first, last) % len(task.train)]
        made += explain(classifier, images, background=task.train.images, settings=lime, seed=0)
        seconds.append(round(time.process_time() - before, 2))
    return made, seconds


def keep(made: list[Explanation], count: int, folder: Path) -> dict[str, float]:
    """Bytes of a file of so many explanations, and the memory that they take once read."""
    path = folder / f"round-{count}.safetensors"
    save_explanations({ExplanationKey("round-0", n): one for n, one in enumerate(islice(cycle(made), count))}, path)
    told = subprocess.run([sys.executable, "-c", HELD, str(path)], check=True, capture_output=True, text=True)
    read, grown = map(int, told.stdout.split())
    assert read == count
    size = path.stat().st_size
    path.unlink()
    return {"explanations": count, "file_mib": round(size / 2**20, 1), "memory_mib": round(grown / 2**10, 1)}


def answer(counts: tuple[int, ...], folder: Path) -> list[dict[str, float]]:
    """Bytes of a database of so many comparisons with an answer each, and the time that all of its answers took."""
    path, now, spent, found = folder / "study.db", datetime.now(UTC), 0.0, []
    for number, (first, last) in enumerate(zip((0, *counts), counts, strict=False), 1):
        asked = [
            Comparison(ExplanationKey("round-0", 2 * n), ExplanationKey("round-0", 2 * n + 1), number)
            for n in range(first, last)
        ]
        before = time.process_time()
        with Store(path) as store:
            store.add_comparisons(asked, seed=0)
            store.record([Preference(each, Answer.LEFT, "somebody", 0, now, now) for each in asked])
        spent += time.process_time() - before
        found.append({"answers": last, "mib": round(path.stat().st_size / 2**20, 2), "seconds": round(spent, 2)})
    return found


def main(settings: Settings) -> None:
    torch.set_num_threads(1)
    settings.output.mkdir(parents=True, exist_ok=True)
    made, seconds = make(settings)
    with tempfile.TemporaryDirectory(dir=settings.output) as name:
        kept = [keep(made, count, Path(name)) for count in track(settings.kept, "keeping")]
        answers = answer(settings.answers, Path(name))
    path = settings.output / "results.json"
    found = {
        "environment": describe_environment(torch.device("cpu")),
        "n_samples": StudySettings().lime.n_samples,
        "image": list(made[0].segments.shape),
        "made": [{"explanations": n, "seconds": took} for n, took in zip(settings.made, seconds, strict=True)],
        "kept": kept,
        "answered": answers,
    }
    write_json(found, path)
    write_page(page_of(path), settings.output)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
