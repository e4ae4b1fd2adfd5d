"""Where something was computed and how long it took is told, and adds up."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from explainfb.core import environment
from explainfb.core.environment import (
    Provenance,
    add_provenance,
    describe_environment,
    installed_packages,
    merge_environments,
    read_provenance,
)
from explainfb.core.errors import InputError


def test_environments_are_named_where_they_differ() -> None:
    here, there = {"torch": "2.1", "python": "3.12"}, {"torch": "2.2", "python": "3.12", "device": "cpu"}
    joined = {"torch": "2.1; 2.2", "python": "3.12", "device": "not recorded; cpu"}
    assert merge_environments(here, there) == joined
    assert merge_environments(joined, there) == joined
    assert merge_environments({}, there) == merge_environments(there, {}) == there
    assert describe_environment(torch.device("cpu")) == describe_environment() | {
        "device": "cpu",
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def test_the_processor_on_which_rounding_depends_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert describe_environment()["processor"] not in ("", "not recorded")
    told = "processor\t: 0\nmodel name\t: Abacus 3000: wood\nmodel name\t: another\n"
    kept, said = Path.read_text, {"cpuinfo": told}  # what describes packages is read as well
    monkeypatch.setattr(Path, "is_file", lambda self: True)
    monkeypatch.setattr(Path, "read_text", lambda self, **named: said.get(self.name) or kept(self, **named))
    assert describe_environment()["processor"] == "Abacus 3000: wood"
    said["cpuinfo"] = "\n"
    monkeypatch.setattr("platform.processor", lambda: "")
    assert describe_environment()["processor"] == "not recorded"


def test_times_add_up_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    add_provenance(tmp_path, Provenance({"torch": "1"}, {"training": 2.0, "answers": 1.0}))
    assert add_provenance(tmp_path, Provenance({"torch": "1"}, {"training": 0.5})) == read_provenance(tmp_path)
    assert read_provenance(tmp_path) == Provenance({"torch": "1"}, {"training": 2.5, "answers": 1.0})
    (tmp_path / "provenance.json").write_text("{")
    with pytest.raises(InputError, match=r"provenance\.json is damaged"):
        read_provenance(tmp_path)


def test_every_package_is_written_down_and_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = installed_packages()
    assert here["torch"] == torch.__version__.partition("+")[0] or here["torch"] == torch.__version__
    assert {"numpy", "scipy", "SQLAlchemy", "pytest"} <= here.keys()
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    assert commit in here["explainfb"]
    add_provenance(tmp_path, Provenance.here(torch.device("cpu"), {"training": 2.0}))
    monkeypatch.setattr(environment, "installed_packages", lambda: here | {"numpy": "9.9"})
    known = add_provenance(tmp_path, Provenance.here(torch.device("cpu"), {}))
    assert known == read_provenance(tmp_path)
    assert known.packages == here | {"numpy": f"{here['numpy']}; 9.9"}
    assert json.loads((tmp_path / "provenance.json").read_text())["format"] == 2


def test_what_was_installed_from_a_commit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    origin = {"url": "x", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}
    monkeypatch.setattr(
        environment.metadata, "distribution", lambda _: SimpleNamespace(read_text=lambda _: json.dumps(origin))
    )
    assert environment._commit() == "c0ffee"
