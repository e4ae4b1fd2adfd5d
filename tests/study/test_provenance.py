"""What was computed, in which environment and for how long, outlives resuming, measuring anew and interruptions."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from explainfb.core import environment
from explainfb.core.environment import read_provenance, write_provenance
from explainfb.core.errors import InputError
from explainfb.results.json_file import read_results, write_results
from explainfb.study import folder as folder_module
from explainfb.study import study as study_module
from explainfb.study.finished import evaluations_of, finished_results, finished_studies
from explainfb.study.settings import task_of
from explainfb.study.settings_file import write_settings
from explainfb.study.study import Study
from explainfb.sweeps.processes import run_studies
from explainfb.sweeps.settings import Processes
from small_studies import SMALL as SMALLEST

pytestmark = pytest.mark.usefixtures("blank_reports")
SMALL = replace(SMALLEST, controls=("cross_entropy",))


@pytest.fixture(scope="module")
def ended(blank_reports: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ended") / "seed-0"
    Study.open(folder, SMALL).run()
    return folder


@pytest.fixture
def folder(ended: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ended, tmp_path / "seed-0"))


@pytest.fixture
def slow(folder: Path) -> None:
    """Everything in the study took a thousand seconds, which nothing that is measured anew here can."""
    known, path = read_provenance(folder), folder / "results.json"
    assert known is not None
    took = dict.fromkeys(known.seconds, 1000.0)
    write_provenance(folder, replace(known, seconds=took))
    write_results(replace(read_results(path), seconds=took), path)


@pytest.fixture
def upgraded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of PyTorch from here on."""
    here = environment.describe_environment
    monkeypatch.setattr(environment, "describe_environment", lambda device=None: here(device) | {"torch": "9.9"})


@pytest.mark.usefixtures("upgraded")
def test_a_finished_study_keeps_where_it_was_computed(folder: Path) -> None:
    before = (folder / "results.json").read_bytes()
    Study.open(folder, SMALL).run()
    ((_, found),) = run_studies({folder: SMALL}, Processes(jobs=1))
    assert (folder / "results.json").read_bytes() == before
    assert found == read_results(folder / "results.json")
    assert found.environment["device"] == "cpu"
    assert found.seconds.keys() >= {"training", "feedback: fine-tuning", "cross_entropy: evaluation"}
    with pytest.raises(InputError, match=r"error_rate was 0\.1, now 0\.3.*--folder"):
        list(run_studies({folder: replace(SMALL, error_rate=0.3)}, Processes(jobs=1)))


@pytest.mark.usefixtures("upgraded", "slow")
@pytest.mark.parametrize("old", [False, True])
def test_what_is_measured_anew_elsewhere_is_told_beside_what_was_there(folder: Path, old: bool) -> None:
    """Also of a study from before there was a provenance.json."""
    if old:
        (folder / "provenance.json").unlink()
    before = read_results(folder / "results.json")
    study = Study.open(folder, SMALL)
    study.forget_evaluations()
    after = study.run()
    assert after.environment == {**before.environment, "torch": before.environment["torch"] + "; 9.9"}
    assert after.seconds.keys() == before.seconds.keys()
    anew = {name for name, took in after.seconds.items() if took < 1000}
    assert anew == {name for name in before.seconds if name.endswith(": evaluation")}


@pytest.mark.usefixtures("upgraded")
@pytest.mark.parametrize("old", [False, True])
def test_what_another_process_measured_before_an_interruption_counts(folder: Path, old: bool) -> None:
    """The results of then are not taken for those of now."""
    if old:
        (folder / "provenance.json").unlink()
    (folder / "evaluations" / "cross_entropy.safetensors").unlink()
    before = read_results(folder / "results.json")
    Study.open(folder, SMALL).run_arm("cross_entropy")
    assert not (folder / "results.json").exists()
    after = Study.open(folder, SMALL).run()
    assert after.environment["torch"] == before.environment["torch"] + "; 9.9"
    assert after.seconds.keys() == before.seconds.keys()


def test_an_interrupted_study_keeps_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(study_module, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Study.open(tmp_path, SMALL).run()
    known = read_provenance(tmp_path)
    assert known is not None
    assert known.seconds.keys() >= {"training", "feedback: fine-tuning"}


@pytest.mark.parametrize("lost", ["all", "results.json and report"])
def test_files_without_their_settings_are_not_reused(folder: Path, lost: str) -> None:
    (folder / "study.toml").unlink()
    if lost != "all":
        (folder / "results.json").unlink()
        shutil.rmtree(folder / "report")
    with pytest.raises(InputError, match=r"classifiers, .* of a study and no study\.toml"):
        Study.open(folder, replace(SMALL, error_rate=0.3))
    assert not (folder / "study.toml").exists()


def test_measuring_anew_is_begun_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted, the study is one that is not finished; what cannot be removed is told."""
    assert finished_results(folder, SMALL) == read_results(folder / "results.json")

    def refused(place: Path) -> None:
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(folder_module.shutil, "rmtree", refused)
    with pytest.raises(InputError, match="evaluations cannot be removed"):
        Study.open(folder, SMALL).forget_evaluations()
    assert finished_results(folder, SMALL) is None
    with pytest.raises(InputError, match="is not finished"):
        Study.open(folder, SMALL).forget_evaluations()


@pytest.mark.parametrize("lost", ["evaluations/before.safetensors", "report/index.html"])
def test_a_study_that_lost_what_it_ends_with_is_not_finished(folder: Path, lost: str) -> None:
    results = read_results(folder / "results.json")
    assert sorted(evaluations_of({folder: results})) == ["before", "cross_entropy", "feedback"]
    (folder / lost).unlink()
    assert finished_results(folder, SMALL) is None
    if lost.startswith("evaluations"):
        with pytest.raises(InputError, match=r"No evaluation at .*before\.safetensors"):
            evaluations_of({folder: results})
        with pytest.raises(InputError, match=r"No evaluation at .*before\.safetensors"):
            finished_studies(folder.parent)[0].evaluation("before")
    ((_, found),) = run_studies({folder: SMALL}, Processes(jobs=1))
    assert (folder / lost).is_file()
    assert replace(found, seconds={}) == replace(results, seconds={})


def test_pictures_of_the_users_own_that_were_changed_are_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = replace(SMALL, task="folder:pictures")
    write_settings(own, folder / "study.toml")
    task = task_of(SMALL)
    monkeypatch.setattr(folder_module, "task_of", lambda *_: task)
    assert finished_results(folder, own) is not None
    task.train.images[3, 0, 5, 5] += 1e-3
    with pytest.raises(InputError, match="data are not those"):
        finished_results(folder, own)


def test_a_file_of_a_finished_round_is_not_to_be_deleted(folder: Path) -> None:
    for name in ("explanations", "reward"):
        path = folder / name / "round-1.safetensors"
        path.write_bytes(path.read_bytes()[:100])
        (folder / "results.json").unlink(missing_ok=True)
        with pytest.raises(InputError, match=rf"{name}/round-1.*is damaged .*restore it from a copy"):
            Study.open(folder, SMALL).run()
        path.unlink()
        with pytest.raises(InputError, match=rf"{name}/round-1.*restore .*from a copy"):
            Study.open(folder, SMALL).run()
        shutil.copytree(folder, folder.parent / name)
        Path(folder.parent / name / "classifiers" / "round-1.safetensors").unlink()
        assert Study.open(folder.parent / name, SMALL).run().seed == 0
