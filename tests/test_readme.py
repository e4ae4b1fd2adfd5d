"""What the README says can be typed is typed here."""

import re
import shlex
from pathlib import Path

import pytest

import explainfb
from explainfb.cli.commands import main
from explainfb.testing.tiny import TINY

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_way_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code as printed, with the study's settings made tiny."""
    (code,) = blocks("python")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(explainfb, "StudySettings", lambda **given: TINY)
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    results = names["results"]
    assert isinstance(results, dict)
    assert (tmp_path / "studies" / "mine" / "report" / "index.html").is_file()


def test_every_command_in_the_readme_is_one_that_the_program_knows(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("explainfb ")]
    assert lines
    for line in lines:
        words = shlex.split(line)[1:]
        with pytest.raises(SystemExit) as stopped:
            main([words[0], "--help-all"])
        assert stopped.value.code == 0
        known = capsys.readouterr().out
        assert [word for word in words if word.startswith("--") and word not in known] == []


def test_the_first_two_lines_are_there() -> None:
    run, test = (block.strip() for block in blocks("sh")[:2])
    assert run.startswith("python3 -m venv .venv && ")
    assert run.endswith("explainfb run")
    assert test.startswith("python3 -m venv .venv && ")
    assert test.endswith("-m pytest -n 2")


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert [target for target in targets if not (Path(__file__).parents[1] / target).exists()] == []
