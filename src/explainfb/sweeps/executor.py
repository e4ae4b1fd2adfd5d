"""Studies over processes: first the feedback of each, then its other arms, each in whichever process is free."""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import joblib

from explainfb.core.devices import DeviceName, resolve_device
from explainfb.core.errors import InputError
from explainfb.results.records import StudyResults
from explainfb.study.finished import finished_results
from explainfb.study.folder import RESULTS, locked
from explainfb.study.settings import Control, StudySettings
from explainfb.study.study import Study
from explainfb.sweeps.settings import Backend


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Where studies are run."""

    jobs: int
    """Processes, each with one thread."""
    backend: Backend = "loky"
    """joblib's; ray and dask must be installed."""
    data_dir: Path | None = None
    device: DeviceName = "auto"

    def open(self, folder: Path, settings: StudySettings) -> Study:
        return Study.open(folder, settings, data_dir=self.data_dir, device=resolve_device(self.device))


def run_studies(studies: Mapping[Path, StudySettings], processes: Processes) -> Iterator[StudyResults]:
    """Do what is left of the study of these settings in each folder; yields the results of each when it ends.

    Those of a finished study are yielded as they are. Raises `InputError` for a backend that is not installed.
    """
    done = [folder for folder in studies if (folder / RESULTS).is_file()]
    for folder in done:
        results = finished_results(folder, studies[folder], data_dir=processes.data_dir)
        yield _finish(processes, folder, studies[folder]) if results is None else results
    left = {folder: settings for folder, settings in studies.items() if folder not in done}
    with _backend(processes) as return_as:
        parallel = joblib.Parallel(n_jobs=processes.jobs, return_as=return_as)
        list(parallel(joblib.delayed(_feedback)(processes, folder, study) for folder, study in left.items()))
        arms = {folder: len(study.controls) for folder, study in left.items()}
        for folder in (folder for folder, count in arms.items() if not count):
            yield _finish(processes, folder, left[folder])
        for folder in parallel(
            joblib.delayed(_arm)(processes, folder, study, name)
            for folder, study in left.items()
            for name in study.controls
        ):
            arms[folder] -= 1
            if not arms[folder]:
                yield _finish(processes, folder, left[folder])


def run_study(
    folder: Path, settings: StudySettings, *, data_dir: Path | None = None, device: DeviceName = "auto"
) -> StudyResults:
    """Do what is left of one study, in this process."""
    return _finish(Processes(jobs=1, data_dir=data_dir, device=device), folder, settings)


def _feedback(processes: Processes, folder: Path, settings: StudySettings) -> None:
    with locked(folder):
        processes.open(folder, settings).run_feedback()


def _arm(processes: Processes, folder: Path, settings: StudySettings, name: Control) -> Path:
    study = processes.open(folder, settings)
    if name in study.controls:
        study.run_arm(name)
    return folder


def _finish(processes: Processes, folder: Path, settings: StudySettings) -> StudyResults:
    with locked(folder):
        return processes.open(folder, settings).run()


@contextmanager
def _backend(processes: Processes) -> Iterator[str]:
    """Within, joblib uses the backend; yields how results come back. Dask gets a cluster of its own, for as long."""
    with ExitStack() as opened:
        try:
            if processes.backend == "ray":
                importlib.import_module("ray.util.joblib").register_ray()
            elif processes.backend == "dask":
                client = importlib.import_module("distributed").Client
                opened.enter_context(client(n_workers=processes.jobs, threads_per_worker=1, dashboard_address=None))
        except ImportError as error:
            raise InputError(
                f"The backend {processes.backend!r} is not installed; pip install {error.name}, or use loky."
            ) from error
        opened.enter_context(joblib.parallel_config(backend=processes.backend))
        yield "generator_unordered" if processes.backend == "loky" else "list"
