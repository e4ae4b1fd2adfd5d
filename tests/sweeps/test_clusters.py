"""Sweeps on a local cluster of two processes, one of which is killed half-way, end as they do without one."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from counting import count
from explainfb.results.records import StudyResults
from explainfb.study.study import Study
from explainfb.sweeps.processes import run_studies
from explainfb.sweeps.settings import Backend, Processes
from small_studies import SMALL as SMALLEST

pytestmark = pytest.mark.usefixtures("blank_reports")
SMALL = replace(SMALLEST, controls=())
SEEDS = (1, 2)


@pytest.fixture(scope="module")
def alone(blank_reports: None, tmp_path_factory: pytest.TempPathFactory) -> list[StudyResults]:
    folder = tmp_path_factory.mktemp("alone")
    return [Study.open(folder / str(seed), replace(SMALL, seed=seed)).run() for seed in SEEDS]


def worker_of(folder: Path) -> int | None:
    """The process that trains the study's first classifier: TensorBoard's files end in host, process and number."""
    files = list(folder.glob("tensorboard/training/events.*"))
    return int(files[0].name.split(".")[-2]) if files else None


@contextmanager
def killing_one(folder: Path) -> Iterator[list[int]]:
    """Within, the process that works on the study in `folder` is killed in the middle of it, once; yields its number
    when that is done."""
    killed: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set() and not killed:
            if (folder / "classifiers" / "round-0.safetensors").is_file() and (worker := worker_of(folder)):
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    killed.append(worker)
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield killed
    finally:
        over.set()
        watcher.join()


@pytest.mark.filterwarnings("ignore")  # of Ray and Dask and what they stand on, which are not ours
@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_a_worker_that_is_killed_half_way_changes_nothing(
    backend: Backend, alone: list[StudyResults], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip({"dask": "distributed", "ray": "ray"}[backend])
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else whatever else the machine does goes first
    studies = {tmp_path / str(seed): replace(SMALL, seed=seed) for seed in SEEDS}
    with killing_one(tmp_path / "1") as killed:
        found = dict(run_studies(studies, Processes(jobs=2, backend=backend, device="cpu")))
    assert len(killed) == 1
    assert os.getpid() not in killed
    assert found.keys() == studies.keys()
    for seed, expected in zip(SEEDS, alone, strict=True):
        assert replace(found[tmp_path / str(seed)], seconds={}) == replace(expected, seconds={})
    count(f"one of two workers killed half-way, {backend.title()}: the sweep has the numbers of one process")
