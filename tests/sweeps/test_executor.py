"""Studies over processes end as each does alone."""

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from explainfb.core.errors import InputError
from explainfb.results.format1 import Results, read_results
from explainfb.study.folder import locked
from explainfb.study.study import Study
from explainfb.sweeps import executor as spreading
from explainfb.sweeps.executor import Processes, run_studies, run_study
from explainfb.testing.tiny import TINY

ARMS = ("cross_entropy", "random_exchange", "random_answers", "no_shortcut")
SMALL = replace(TINY, rounds=1, controls=ARMS, evaluation=replace(TINY.evaluation, linf=(0.1,), l2=(), attack_images=6))


def processes_of(folder: Path) -> set[str]:
    """Who wrote the curves of the arms: the names of TensorBoard's files end in host, process and number."""
    return {path.name.split(".")[-2] for path in folder.glob("controls/*/tensorboard/*/events.*")}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run_study(tmp_path_factory.mktemp("alone") / "study", SMALL)


def test_the_arms_of_one_study_are_spread_and_end_as_in_one_process(alone: Results, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    (found,) = run_studies({folder: SMALL}, Processes(jobs=2))
    assert found | {"seconds": {}} == alone | {"seconds": {}}
    assert found == read_results(folder / "results.json")
    assert (folder / "report" / "index.html").is_file()
    assert len(processes_of(folder)) == 2
    assert found["seconds"].keys() == alone["seconds"].keys()


def test_what_is_done_is_not_done_again_and_a_killed_arm_goes_on(alone: Results, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    Study.open(folder, SMALL).run_feedback()
    Study.open(folder, SMALL).run_arm("random_answers")
    kept = [
        folder / "classifiers/round-1.safetensors",
        folder / "controls/random_answers/classifiers/round-1.safetensors",
    ]
    written = [path.stat().st_mtime_ns for path in kept]
    (folder / "evaluations" / "random_answers.safetensors").unlink()
    (found,) = run_studies({folder: SMALL}, Processes(jobs=1))
    assert found | {"seconds": {}} == alone | {"seconds": {}}
    assert [path.stat().st_mtime_ns for path in kept] == written
    assert list(run_studies({folder: SMALL}, Processes(jobs=1))) == [found]


def test_each_study_is_given_when_its_last_arm_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what there is can be looked at half-way, and an interruption loses no study that ended."""
    few = {tmp_path / str(seed): replace(SMALL, seed=seed, controls=("cross_entropy",)) for seed in (0, 1)}
    plain = {tmp_path / "plain": replace(SMALL, controls=())}
    whole, begun = spreading._arm, []

    def arm(*given: object) -> object:
        begun.append(given[1])
        return whole(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(spreading, "_arm", arm)
    running = run_studies(few | plain, Processes(jobs=1))
    assert next(running)["settings"]["controls"] == []
    assert begun == []
    assert next(running)["seed"] == 0
    assert (tmp_path / "0" / "results.json").is_file()
    assert not (tmp_path / "1" / "results.json").exists()
    assert next(running)["seed"] == 1
    assert next(running, None) is None


def test_an_arm_that_another_process_runs_is_left_to_it(tmp_path: Path) -> None:
    study = Study.open(tmp_path / "study", replace(SMALL, controls=("cross_entropy",)))
    study.run_feedback()
    with locked(study.folder / "controls" / "cross_entropy"), pytest.raises(InputError, match="another process"):
        study.run_arm("cross_entropy")
    study.run_arm("cross_entropy")


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
    monkeypatch.setattr(spreading.joblib, "parallel_config", lambda **_: nullcontext())

    def interrupted() -> None:
        with spreading._backend(Processes(jobs=2, backend="dask")):
            assert state == ["open"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert state == ["open", "closed"]
