"""What a study costs as it grows: time, disk and memory, against how many explanations it makes and answers it gets.

    python -m experiments.study_size.run

Whole studies of one round at the usual settings, each in a process of its own: digits with a decoy, as many as
explanations are wanted, the set's own in turn with a little noise. Times are of the processor, which other work on the
machine lengthens less than those of a clock. What does not grow (loading, training, evaluating) is kept small, for it
is the growth that is asked about. Written to results.json in --output.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

import torch
import tyro
from rich.progress import track

from experiments.page import write_json, write_page
from experiments.study_size.page import page_of
from explainfb.core.environment import describe_environment
from explainfb.core.seeding import torch_generator
from explainfb.core.types import ExplanationKey
from explainfb.explanations.storage import load_explanations, save_explanations
from explainfb.study.settings import StudySettings
from explainfb.study.study import Study
from explainfb.tasks.datasets import TASKS, load_task
from explainfb.tasks.task import Split, Task
from explainfb.testing.tiny import TINY

MANY = "many-digits-decoy"
THIS = "experiments.study_size.run"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How far the growth is followed."""

    studies: tuple[int, ...] = (500, 1_000, 2_000, 4_000)
    """How many explanations, and as many answers about them, a study has."""
    files: tuple[int, ...] = (2_500, 5_000, 10_000, 20_000)
    """How many explanations are in a file that is read at once."""
    output: Path = Path("studies/study_size")


def many(data_dir: Path | None, train_images: int, seed: int) -> Task:
    """As many training images as are wanted; after the set's own, these again, each with other noise."""
    task = load_task("digits-decoy", seed=seed)
    own = task.train.take(torch.arange(train_images) % len(task.train))
    noise = 0.01 * torch.rand(own.images.shape, generator=torch_generator(seed, "noise"))
    images = (own.images + noise).clamp(0, 1)
    return replace(task, name=MANY, train=Split(images, own.labels, own.relevance, own.shortcut, own.shortcut_class))


def settings_of(explanations: int) -> StudySettings:
    """At the usual settings, but for what does not grow with the explanations."""
    return replace(
        StudySettings(),
        task=MANY,
        train_images=explanations,
        rounds=1,
        comparisons_per_round=explanations,
        controls=(),
        training=TINY.training,
        finetune=replace(TINY.finetune, n_samples=StudySettings().finetune.n_samples),
        evaluation=TINY.evaluation,
    )


def run_study(explanations: int, folder: Path) -> None:
    """In a process of its own: print what one study took."""
    torch.set_num_threads(1)
    TASKS[MANY] = many
    study, begin = Study.open(folder / "study", settings_of(explanations)), time.process_time()
    study.run_feedback()
    found = {
        "explanations": len(load_explanations(folder / "study" / "explanations" / "round-1.safetensors")),
        "cpu_seconds": round(time.process_time() - begin, 1),
        "memory_mib": round(_memory("VmHWM"), 1),
        "disk_mib": _size(folder / "study", "*"),
        "answers_mib": _size(folder / "study", "study.db*"),
    }
    print(json.dumps(found))


def read_file(path: Path) -> None:
    """In a process of its own: print the memory that reading the explanations of a file takes."""
    before = _memory("VmRSS")
    found = load_explanations(path)
    print(json.dumps({"explanations": len(found), "memory_mib": round(_memory("VmHWM") - before, 1)}))


def _memory(what: str) -> float:
    """MiB that this process has (VmRSS), or had at most (VmHWM; `getrusage` would tell its parent's too), on Linux."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 2**10


def _size(folder: Path, names: str) -> float:
    """MiB of the files of these names, without curves."""
    files = [path for path in folder.rglob(names) if path.is_file() and "tensorboard" not in path.parts]
    return round(sum(path.stat().st_size for path in files) / 2**20, 2)


def afar(call: str) -> dict[str, float]:
    """What `call` of this module prints in a process of its own."""
    lines = f"from pathlib import Path; from {THIS} import read_file, run_study; {call}"
    told = subprocess.run([sys.executable, "-c", lines], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


def measure_files(counts: tuple[int, ...], made: Path, folder: Path) -> list[dict[str, float]]:
    """Of files of so many explanations, copies of those in `made` under other numbers."""
    explanations, found = list(load_explanations(made).values()), []
    for count in track(counts, "reading files"):
        path = folder / f"round-{count}.safetensors"
        keys = (ExplanationKey("round-0", number) for number in range(count))
        save_explanations(dict(zip(keys, islice(cycle(explanations), count), strict=True)), path)
        size = round(path.stat().st_size / 2**20, 1)
        found.append({**afar(f"read_file(Path({str(path)!r}))"), "file_mib": size})
        path.unlink()
    return found


def main(settings: Settings) -> None:
    settings.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.output) as name:
        folder = Path(name)
        studies = [
            afar(f"run_study({count}, Path({str(folder / str(count))!r}))")
            for count in track(settings.studies, "running studies")
        ]
        made = folder / str(settings.studies[0]) / "study" / "explanations" / "round-1.safetensors"
        files = measure_files(settings.files, made, folder)
    path = settings.output / "results.json"
    usual = StudySettings()
    where = {"environment": describe_environment(torch.device("cpu")), "n_samples": usual.lime.n_samples}
    write_json({**where, "image": [28, 28], "studies": studies, "files": files}, path)
    write_page(page_of(path), settings.output)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
