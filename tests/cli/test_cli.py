"""The command line: bad input gets one sentence and exit status 2 before any work starts."""

from dataclasses import replace
from pathlib import Path

import pytest

from command_line import run
from explainfb.cli.sweep import SweptSettings
from explainfb.study.settings import StudySettings


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--task", "digit-decoy"], ["digits-decoy"]),
        (["run", "--task", "mnist", "--data-dir", "nowhere"], ["nowhere", "torchvision"]),
        (["run", "--task", "folder:nowhere"], ["nowhere"]),
        (["run", "--db", "postgresql://user:secret@127.0.0.1:1/none"], ["127.0.0.1"]),
        (["run", "--lime.n-samples", "2"], ["masks"]),
        (["run", "--rounds", "0"], ["round"]),
        (["run", "--comparisons-per-round", "2"], ["comparisons"]),
        (["run", "--training.classifier", "lenett"], ["lenett"]),
        (["report", "--study", "nowhere"], ["nowhere", "study.toml"]),
        (["evaluate", "--study", "nowhere"], ["nowhere", "study.toml"]),
        (["doctor"], ["--task", "--study"]),
        (["doctor", "--task", "mnits"], ["mnist"]),
        (["label", "--study", "nowhere"], ["nowhere", "study.toml"]),
        (["label", "--study", "nowhere", "--port", "70000"], ["70000", "--port"]),
        (["export", "--study", "nowhere", "--output", "answers.csv"], ["nowhere", "study.toml"]),
        (["import", "--study", "nowhere", "answers.csv"], ["nowhere", "study.toml"]),
        (["annotators", "--study", "nowhere", "list"], ["nowhere", "study.toml"]),
        (["annotators", "--study", "nowhere", "add", "Ann"], ["nowhere", "study.toml"]),
    ],
)
def test_bad_input_gets_one_sentence_and_status_2(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("explainfb: ")
    assert "Traceback" not in said
    assert "secret" not in said
    for word in words:
        assert word in said
    assert not list(Path().glob("studies/*/classifiers/*"))


def test_the_settings_of_a_sweep_are_those_of_a_study() -> None:
    settings = replace(SweptSettings(), rounds=3).plain
    assert settings == replace(StudySettings(), rounds=3)


def test_the_doctors_pictures_of_a_study_lie_in_its_folder(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []
    monkeypatch.setattr("explainfb.study.arm_folder.ArmFolder.last_classifier_path", Path("round-1.safetensors"))
    monkeypatch.setattr("explainfb.classifiers.classifier.load_classifier", lambda path: path)
    for name in ("examine", "examine_classifier"):
        monkeypatch.setattr(f"explainfb.doctor.{name}", lambda *given, folder, **named: folders.append(folder) or [])
    for arguments in (["--study", str(study)], ["--task", "digits"], ["--task", "digits", "--pictures", "mine"]):
        assert run("doctor", *arguments) == 0
    said = capsys.readouterr().out
    assert folders == [study / "doctor", Path("studies/doctor"), Path("mine")]
    assert "Pictures are in study/doctor/." in said
    assert "whole study" not in said


def test_an_option_nobody_knows_is_status_2() -> None:
    assert run("run", "--no-such-option") == 2
