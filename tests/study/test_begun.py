"""What a command does not type of a study that it names is as that was begun, whatever is usual today."""

from dataclasses import replace
from pathlib import Path

import pytest

from command_line import run
from explainfb.classifiers.networks import BUILDERS
from explainfb.cli.commands import read
from explainfb.cli.study import Run
from explainfb.cli.sweep import Sweep
from explainfb.study.settings import StudySettings
from explainfb.study.settings_file import read_settings, write_settings
from explainfb.study.starting.begun import with_own_settings
from explainfb.study.starting.presets import PHOTOGRAPHS, SUPERPIXELS, with_preset
from explainfb.study.study import Study
from explainfb.testing.tiny import TINY
from kept_studies import KEPT, coarse, unpacked


@pytest.fixture
def gone_on(monkeypatch: pytest.MonkeyPatch) -> list[StudySettings]:
    """The settings of each study that was begun or gone on with, which does nothing."""
    found: list[StudySettings] = []

    def end(study: Study, *_: object) -> None:
        found.append(study.context.settings)
        raise SystemExit(0)

    monkeypatch.setitem(BUILDERS, "coarse", coarse)
    monkeypatch.setattr(Study, "estimate", lambda _: "a second")
    monkeypatch.setattr(Study, "run", end)
    return found


def begun(folder: Path, settings: StudySettings) -> Path:
    (folder / "classifiers").mkdir(parents=True)
    write_settings(settings, folder / "study.toml")
    return folder


@pytest.fixture(params=KEPT, ids=lambda path: path.name.removesuffix(".tar.xz"))
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An unfinished study of an earlier version, with other settings than are usual today."""
    folder = unpacked(request.param, tmp_path / "study")
    (folder / "results.json").unlink()
    return folder


def test_an_old_study_goes_on_by_its_name_alone(old: Path, gone_on: list[StudySettings]) -> None:
    own = read_settings(old / "study.toml")
    assert own.lime != StudySettings().lime
    assert run("run", "--study", str(old)) == 0
    assert run("run", f"--study={old}", "--rounds", str(own.rounds)) == 0
    assert gone_on == [own, own]


def test_only_what_is_typed_and_differs_is_refused(
    old: Path, gone_on: list[StudySettings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("run", "--study", str(old), "--rounds", "7", "--lime.fill", "zero") == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "begun with other settings" in told
    assert "rounds was 1, now 7" in told
    assert "comparisons_per_round" not in told
    assert not gone_on


def test_a_preset_counts_as_typed(old: Path, gone_on: list[StudySettings], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "--study", str(old), "--preset", "superpixels") == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "queries.compared was 'explanations', now 'superpixels'" in told
    assert "or none, which takes its own" in told
    assert not gone_on


@pytest.mark.parametrize(
    "settings",
    [
        TINY,
        replace(TINY, controls=(), crowd=(0.1, 0.3), overlap=2),
        replace(PHOTOGRAPHS, task="folder:my pictures"),
        SUPERPIXELS,
        replace(TINY, weights="-w.pth", task="folder:a 'b' --rounds 9"),
        StudySettings(decides="ece", plant=None, shortcut_rate=1e-05, gold=0.0, lime=replace(TINY.lime, fill="zero")),
        StudySettings(lime=replace(StudySettings().lime, control_variate=False)),
    ],
)
def test_a_command_means_the_very_settings_of_the_study_that_it_names(settings: StudySettings, tmp_path: Path) -> None:
    folder = begun(tmp_path / "study", settings)
    meant = read(with_own_settings(["run", "--study", str(folder)]))
    assert isinstance(meant, Run)
    assert meant.settings == settings
    assert meant.study == folder
    other = read(with_own_settings(with_preset(["run", "--study", str(folder), "--seed", "91"])))
    assert isinstance(other, Run)
    assert other.settings == replace(settings, seed=91)


def test_of_several_folders_the_last_one_counts_however_they_are_typed(tmp_path: Path) -> None:
    one, two = begun(tmp_path / "one", TINY), begun(tmp_path / "two", replace(TINY, seed=77))
    for words in (["--study", str(two), f"--study={one}"], [f"--study={two}", "--study", str(one)]):
        meant = read(with_own_settings(["run", *words]))
        assert isinstance(meant, Run)
        assert (meant.study, meant.settings) == (one, TINY)


def test_a_sweep_takes_those_of_its_studies(tmp_path: Path) -> None:
    settings = replace(TINY, seed=12, controls=("cutout",))
    begun(tmp_path / "sweep" / "seed-12", settings)
    meant = read(with_own_settings(["sweep", "--folder", str(tmp_path / "sweep"), "--seeds", "3"]))
    assert isinstance(meant, Sweep)
    assert meant.settings.plain == replace(settings, seed=0, controls=StudySettings().controls)
    assert (meant.sweep.controls, meant.sweep.seeds) == (("cutout",), 3)


def test_a_study_that_made_nothing_yet_has_no_settings_of_its_own(tmp_path: Path) -> None:
    write_settings(TINY, tmp_path / "study.toml")
    words = ["run", "--study", str(tmp_path)]
    assert with_own_settings(words) == words
    assert with_own_settings(["run", "--study", str(tmp_path / "new")])[-1] == str(tmp_path / "new")
    begun(tmp_path / "help", TINY)
    assert with_own_settings(["run", "--study", str(tmp_path / "help"), "--help"])[1] == "--study"


def test_in_python_it_is_begun_again_without_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone_on: list[StudySettings]
) -> None:
    from explainfb.classifiers.training import train
    from explainfb.study.settings import task_of
    from explainfb.study.starting import beginning

    task = task_of(replace(TINY, task="digits"))
    model = train(task, settings=TINY.training)
    first = Study.begin(tmp_path / "study", task, model).context.settings
    monkeypatch.setattr(beginning, "StudySettings", lambda: replace(StudySettings(), rounds=9))
    assert Study.begin(tmp_path / "study", task, model).context.settings == first
