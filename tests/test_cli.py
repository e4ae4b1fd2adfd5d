"""The command line: bad input gets one sentence and exit status 2 before any work starts."""

from pathlib import Path

import pytest

from explainfb.cli import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return int(stopped.value.code or 0)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--task", "digit-decoy"], ["digits-decoy"]),
        (["run", "--task", "mnist", "--data-dir", "nowhere"], ["nowhere", "torchvision"]),
        (["run", "--task", "folder:nowhere"], ["nowhere"]),
        (["run", "--db", "postgresql://user:secret@127.0.0.1:1/none"], ["127.0.0.1"]),
        (["run", "--lime.masks", "2"], ["masks"]),
        (["run", "--rounds", "0"], ["round"]),
        (["run", "--comparisons", "2"], ["comparisons"]),
        (["run", "--training.classifier", "lenett"], ["lenett"]),
        (["report", "--study", "nowhere"], ["nowhere", "study.toml"]),
        (["evaluate", "--study", "nowhere"], ["nowhere", "study.toml"]),
        (["doctor"], ["--task", "--study"]),
        (["doctor", "--task", "mnits"], ["mnist"]),
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


@pytest.mark.parametrize("command", ["run", "evaluate", "report", "doctor", "sweep"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    assert "options" in capsys.readouterr().out


def test_an_option_nobody_knows_is_status_2() -> None:
    assert run("run", "--no-such-option") == 2
