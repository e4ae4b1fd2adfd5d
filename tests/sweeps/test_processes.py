"""Studies over processes end as each does alone."""

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from explainfb.core.errors import InputError
from explainfb.results.json_file import read_results
from explainfb.results.records import StudyResults
from explainfb.study.folder import locked
from explainfb.study.study import Study
from explainfb.sweeps import processes
from explainfb.sweeps.processes import run_studies
from explainfb.sweeps.settings import Processes
from small_studies import SMALL as SMALLEST

pytestmark = pytest.mark.usefixtures("blank_reports")
ARMS = ("cross_entropy", "random_exchange", "random_answers", "no_shortcut")
SMALL = replace(SMALLEST, controls=ARMS)


def but_times(results: StudyResults) -> StudyResults:
    return replace(results, seconds={})


def processes_of(folder: Path) -> set[str]:
    """Who wrote the curves of the arms: the names of TensorBoard's files end in host, process and number."""
    return {path.name.split(".")[-2] for path in folder.glob("controls/*/tensorboard/*/events.*")}


@pytest.fixture(scope="module")
def alone(blank_reports: None, tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    return Study.open(tmp_path_factory.mktemp("alone") / "study", SMALL).run()


def test_the_arms_of_one_study_are_spread_and_end_as_in_one_process(alone: StudyResults, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    ((ended, found),) = run_studies({folder: SMALL}, Processes(jobs=2, device="cpu"))
    assert ended == folder
    assert but_times(found) == but_times(alone)
    assert found == read_results(folder / "results.json")
    assert (folder / "report" / "index.html").is_file()
    assert len(processes_of(folder)) == 2
    assert found.seconds.keys() == alone.seconds.keys()


def test_what_is_done_is_not_done_again_and_a_killed_arm_goes_on(alone: StudyResults, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    Study.open(folder, SMALL).run_feedback()
    Study.open(folder, SMALL).run_arm("random_answers")
    kept = [
        folder / "classifiers/round-1.safetensors",
        folder / "controls/random_answers/classifiers/round-1.safetensors",
    ]
    written = [path.stat().st_mtime_ns for path in kept]
    (folder / "evaluations" / "random_answers.safetensors").unlink()
    ((_, found),) = run_studies({folder: SMALL}, Processes(jobs=1, device="cpu"))
    assert but_times(found) == but_times(alone)
    assert [path.stat().st_mtime_ns for path in kept] == written
    assert list(run_studies({folder: SMALL}, Processes(jobs=1, device="cpu"), done={folder})) == []


def test_each_study_is_given_when_its_last_arm_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what there is can be looked at half-way, and an interruption loses no study that ended."""
    few = {tmp_path / str(seed): replace(SMALL, seed=seed, controls=("cross_entropy",)) for seed in (0, 1)}
    plain = {tmp_path / "plain": replace(SMALL, controls=())}
    whole, begun = processes._arm, []

    def arm(*given: object) -> object:
        begun.append(given[1])
        return whole(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(processes, "_arm", arm)
    running = run_studies(few | plain, Processes(jobs=1))
    assert next(running)[1].settings["controls"] == []
    assert begun == []
    assert next(running)[0] == tmp_path / "0"
    assert (tmp_path / "0" / "results.json").is_file()
    assert not (tmp_path / "1" / "results.json").exists()
    assert next(running)[0] == tmp_path / "1"
    assert next(running, None) is None


def test_studies_wait_for_the_one_whose_files_they_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def feedback(_: Processes, folder: Path, *__: object) -> tuple[Path, None]:
        order.append(folder.name)
        return folder, None

    monkeypatch.setattr(processes, "_feedback", feedback)
    plain = replace(SMALL, controls=())
    studies = {
        Path("first"): plain,
        Path("same start"): replace(plain, error_rate=0.3),
        Path("same start again"): replace(plain, error_rate=0.4),
        Path("of another seed"): replace(plain, seed=1),
    }
    assert list(run_studies(studies, Processes(jobs=1))) == []
    assert order == ["first", "of another seed", "same start", "same start again"]
    order.clear()
    assert list(run_studies(studies, Processes(jobs=1), done={Path("first")})) == []
    assert order == ["of another seed", "same start", "same start again"]


def test_an_arm_that_another_process_runs_is_left_to_it(tmp_path: Path) -> None:
    study = Study.open(tmp_path / "study", replace(SMALL, controls=("cross_entropy",)))
    study.run_feedback()
    with locked(study.folder / "controls" / "cross_entropy"), pytest.raises(InputError, match="another process"):
        study.run_arm("cross_entropy")
    study.run_arm("cross_entropy")


def test_a_backend_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="pip install ray"):
        next(run_studies({tmp_path: SMALL}, Processes(backend="ray")))


def test_the_cluster_of_dask_is_closed_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    state = []

    class Client:
        def __init__(self, **named: object) -> None:
            assert named["n_workers"] == 2

        def __enter__(self) -> None:
            state.append("open")

        def __exit__(self, *_: object) -> None:
            state.append("closed")

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=Client))
    monkeypatch.setattr(processes.joblib, "parallel_config", lambda **_: nullcontext())

    def interrupted() -> None:
        with processes._backend(Processes(jobs=2, backend="dask")):
            assert state == ["open"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert state == ["open", "closed"]
