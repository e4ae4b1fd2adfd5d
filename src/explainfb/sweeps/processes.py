"""Studies over processes: first the feedback of each, then its other arms, each in whichever process is free.

Of studies that begin with the same classifier one goes first; the others follow when its files are there to be copied.
"""

import importlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import get_args

import joblib

from explainfb.core.devices import resolve_device
from explainfb.core.errors import InputError
from explainfb.core.progress import Progress
from explainfb.results.records import StudyResults
from explainfb.study.folder import locked
from explainfb.study.settings import Control, KnownControl, StudySettings
from explainfb.study.study import Study
from explainfb.sweeps.settings import Processes
from explainfb.sweeps.sharing import SharedFiles, copy_shared_files, first_with_each_start, shared_files

Ended = tuple[Path, StudyResults]
"""The folder of a study and what it measured."""


def run_studies(
    studies: Mapping[Path, StudySettings], processes: Processes, *, done: Collection[Path] = ()
) -> Iterator[Ended]:
    """Do what is left of the study of these settings in each folder; yields each when it ends.

    Those in `done` are finished: they are not yielded, and others may copy their files. Raises `InputError` for a
    backend that is not installed, and for what `Study.open` refuses.
    """
    left = {folder: settings for folder, settings in studies.items() if folder not in done}
    with _backend(processes) as return_as:
        parallel = joblib.Parallel(n_jobs=processes.jobs, return_as=return_as)
        yield from _run_feedback(parallel, processes, studies, left)
        yield from _run_arms(parallel, processes, {folder: each for folder, each in left.items() if each.controls})


def run_arms(study: Study, processes: Processes, progress: Progress) -> None:
    """Do what is left of the arms beside feedback of one study, whose feedback is done, each in a process of its own.

    Arms of one's own, which other processes do not know, are left to `Study.run`.
    """
    names = [name for name in study.controls if name in get_args(KnownControl)]
    with _backend(processes) as return_as, progress.stage("arms beside feedback", len(names)) as step:
        parallel = joblib.Parallel(n_jobs=processes.jobs, return_as=return_as)
        arm = joblib.delayed(_arm)
        for _ in parallel(arm(processes, study.folder, study.settings, name, study.database) for name in names):
            step(1)


def _run_feedback(
    parallel: joblib.Parallel,
    processes: Processes,
    studies: Mapping[Path, StudySettings],
    left: Mapping[Path, StudySettings],
) -> Iterator[Ended]:
    """The feedback of every study; yields the studies that have no arm beside it."""
    shared, first = shared_files(studies), first_with_each_start(studies)
    # in two waves: what the second would make like the first is then there to be copied
    for wave in ([folder for folder in left if folder in first], [folder for folder in left if folder not in first]):
        for folder, results in parallel(
            joblib.delayed(_feedback)(processes, folder, left[folder], shared[folder]) for folder in wave
        ):
            if results is not None:
                yield folder, results


def _run_arms(parallel: joblib.Parallel, processes: Processes, left: Mapping[Path, StudySettings]) -> Iterator[Ended]:
    """Every arm beside feedback; yields a study with its last arm."""
    to_go = {folder: len(settings.controls) for folder, settings in left.items()}
    for folder in parallel(
        joblib.delayed(_arm)(processes, folder, settings, name)
        for folder, settings in left.items()
        for name in settings.controls
    ):
        to_go[folder] -= 1
        if not to_go[folder]:
            yield folder, _finish(processes, folder, left[folder])


def _open(processes: Processes, folder: Path, settings: StudySettings, database: str | Path | None = None) -> Study:
    device = resolve_device(processes.device)
    return Study.open(folder, settings, data_dir=processes.data_dir, device=device, database=database)


def _feedback(
    processes: Processes, folder: Path, settings: StudySettings, shared: Sequence[SharedFiles]
) -> tuple[Path, StudyResults | None]:
    """Feedback; of a study without other arms everything, and its results."""
    with locked(folder):  # the same study may be started by hand, or by a second sweep
        study = _open(processes, folder, settings)
        copy_shared_files(folder, shared)
        if not settings.controls:
            return folder, study.run()
        study.run_feedback()
        return folder, None


def _arm(
    processes: Processes, folder: Path, settings: StudySettings, name: Control, database: str | Path | None = None
) -> Path:
    study = _open(processes, folder, settings, database)
    if name in study.controls:
        study.run_arm(name)
    return folder


def _finish(processes: Processes, folder: Path, settings: StudySettings) -> StudyResults:
    with locked(folder):
        return _open(processes, folder, settings).run()


@contextmanager
def _backend(processes: Processes) -> Iterator[str]:
    """Within, joblib uses the backend; yields how results come back. A cluster of this machine's is there as long."""
    options: dict[str, object] = {}
    with ExitStack() as opened:
        try:
            if processes.backend == "ray":
                options["ray_remote_args"] = _begin_ray(processes.jobs, opened)
            elif processes.backend == "dask":
                _begin_dask(processes.jobs, opened)
        except ImportError as error:
            raise InputError(
                f"The backend {processes.backend!r} is not installed; pip install {error.name}, or use loky."
            ) from error
        opened.enter_context(joblib.parallel_config(backend=processes.backend, **options))
        # not every backend hands results over one by one, as studies end
        yield "generator_unordered" if processes.backend == "loky" else "list"


def _begin_ray(jobs: int, opened: ExitStack) -> dict[str, int]:
    """Join the cluster that RAY_ADDRESS names, or begin one; returns what its processes are to do when one dies."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers what runs
    ray = importlib.import_module("ray")
    if "RAY_ADDRESS" not in os.environ and not ray.is_initialized():
        ray.init(num_cpus=jobs, include_dashboard=False)
        opened.callback(ray.shutdown)
    importlib.import_module("ray.util.joblib").register_ray()
    # what died is begun anew with what it did, a few times; Dask does so unasked
    return {"max_restarts": 3, "max_task_retries": 3}


def _begin_dask(jobs: int, opened: ExitStack) -> None:
    """Begin a cluster of this machine's, until `opened` is closed."""
    distributed, dask = importlib.import_module("distributed"), importlib.import_module("dask")
    # half a minute, as usual, is too short for a worker to be there where the machine has much else to do
    patience = dict.fromkeys(("distributed.comm.timeouts.connect", "distributed.comm.timeouts.tcp"), "5 minutes")
    opened.enter_context(dask.config.set(patience))
    # one thread a worker, as every study has: more would fight over the cores
    opened.enter_context(distributed.Client(n_workers=jobs, threads_per_worker=1, dashboard_address=None))
