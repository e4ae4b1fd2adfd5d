"""Help: one page of what people use, another of everything, and a sentence for each option."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from command_line import run
from explainfb.cli.answers import Export
from explainfb.cli.commands import Command
from explainfb.cli.help_pages import sentences
from explainfb.cli.sweep import SweptSettings
from explainfb.export import FORMATS
from explainfb.study.settings import StudySettings, as_plain, flatten

COMMANDS = ["run", "evaluate", "report", "doctor", "sweep", "label", "annotators", "export", "import"]
USUAL = {
    "run": "study preset task annotator question rounds comparisons-per-round seed train-images image-size plant "
    "controls weights training.classifier data-dir device db jobs",
    "sweep": "preset folder seeds first-seed controls jobs backend data-dir device task rounds comparisons-per-round "
    "train-images image-size weights training.classifier",
}


def offered(page: str) -> set[str]:
    """The options at the beginning of a line, inside a box where there are boxes."""
    return set(re.findall(r"^[│| ]*--(\w[\w.-]*)", page, flags=re.MULTILINE)) - {"help-all"}


def page(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(*words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h", "--help-all"])
def test_every_command_has_help(command: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert page(capsys, command, option).startswith(f"usage: explainfb {command}")


@pytest.mark.parametrize("command", USUAL)
def test_the_first_page_has_what_people_use_and_tells_of_the_rest(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    first = page(capsys, command, "--help")
    assert offered(first) == set(USUAL[command].split())
    assert "--help-all" in first
    assert len(first.splitlines()) < 60
    assert offered(page(capsys, command, "--lime.n-samples", "20", "--help")) == offered(first)


def test_the_other_page_of_run_has_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    everything = page(capsys, "run", "--help-all")
    names = {name.replace("_", "-") for name in flatten(as_plain(StudySettings()))}
    without_value = {"weights", "plant", "decides", "queries.most-per-image"}  # unless they are given
    assert names | without_value | {"study", "preset", "data-dir", "device", "db", "jobs", "refit"} == offered(
        everything
    )


def test_a_sweep_offers_no_seed_of_one_study(capsys: pytest.CaptureFixture[str]) -> None:
    everything = offered(page(capsys, "sweep", "--help-all"))
    assert {"first-seed", "controls", "rounds", "task", "lime.n-samples"} <= everything
    assert "seed" not in everything
    assert run("sweep", "--seed", "3") == 2


def records(hint: Any) -> Iterator[type]:
    """The dataclasses of which a type is made."""
    if is_dataclass(hint):
        assert isinstance(hint, type)
        yield hint
        for inner in get_type_hints(hint).values():
            yield from records(inner)
    elif get_origin(hint) is not None or get_args(hint):
        for inner in get_args(hint):
            yield from records(inner)


def test_every_option_of_every_command_has_a_sentence() -> None:
    made_of = {record for part in get_args(Command) for record in records(get_args(part)[0])}
    assert StudySettings in made_of
    assert [
        f"{record.__name__}.{item.name}"
        for record in made_of
        for item in fields(record)
        if len(sentences(record).get(item.name, "").split()) < 3
    ] == []


def test_a_sentence_is_one_line_whatever_its_source_is_wrapped_to() -> None:
    found = sentences(SweptSettings)["gold"]
    assert found.startswith("With people, this share of comparisons")
    assert found.endswith("The reward is not fitted to them.")
    assert "\n" not in found
    assert "  " not in found


def test_every_format_of_answers_can_be_asked_for() -> None:
    assert get_args(get_type_hints(Export)["format"]) == FORMATS


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert page(capsys, "--version") == f"explainfb {version('explainfb')}\n"
    assert "--version" in page(capsys, "--help")


def test_a_misspelt_option_is_told_its_neighbour(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, meant in (("--finetune.step", "--finetune.steps"), ("--train-image", "--train-images")):
        assert run("run", wrong, "3") == 2
        assert meant in capsys.readouterr().err
