"""Studies of earlier versions, kept in tests/studies as those versions wrote them: every command reads them."""

import json
import re
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from command_line import run
from explainfb.classifiers.networks import BUILDERS
from explainfb.core.errors import InputError
from explainfb.results.json_file import read_results
from explainfb.study.settings_file import read_settings
from explainfb.study.study import Study
from kept_studies import KEPT, coarse, unpacked, unpacked_without_manifest


@pytest.fixture(params=KEPT, ids=lambda path: path.name.removesuffix(".tar.xz"))
def old(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(BUILDERS, "coarse", coarse)
    return unpacked(request.param, tmp_path / "study")


@pytest.fixture
def latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(BUILDERS, "coarse", coarse)
    return unpacked_without_manifest(KEPT[-1], tmp_path / "study")


def test_the_kept_studies_are_small() -> None:
    assert len(KEPT) >= 4
    assert sum(path.stat().st_size for path in KEPT) < 200_000


def test_every_command_reads_it(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = ["--study", str(old)]
    assert run("check", study[1]) == 0
    assert run("annotators", *study, "list") == 0
    assert "simulated" in capsys.readouterr().out
    assert run("export", *study, "--output", str(old.parent / "answers.csv")) == 0
    assert len((old.parent / "answers.csv").read_text().splitlines()) == 1 + 8
    then = read_results(old / "results.json")
    assert run("evaluate", *study) == 0
    assert (old / "report" / "index.html").is_file()
    now = read_results(old / "results.json")
    assert list(now.arms) == list(then.arms) == ["before", "cross_entropy", "feedback"]
    for name, arm in now.arms.items():
        assert arm.clean_accuracy == then.arms[name].clean_accuracy
    assert run("check", study[1]) == 0


def test_settings_that_have_moved_are_where_they_are_now(tmp_path: Path) -> None:
    settings = read_settings(unpacked(KEPT[0], tmp_path) / "study.toml")
    assert (settings.finetune.adversarial_steps, settings.finetune.adversarial_relative_step) == (7, 0.25)


def test_what_needs_only_the_database_reads_only_the_database(latest: Path) -> None:
    (latest / "study.toml").write_text("\0")
    for path in latest.rglob("*.safetensors"):
        path.write_text("")
    study = ["--study", str(latest)]
    assert run("export", *study, "--output", str(latest.parent / "answers.csv")) == 0
    assert run("import", *study, str(latest.parent / "answers.csv")) == 0
    assert run("annotators", *study, "add", "Ada") == 0


def test_a_setting_that_there_is_not_is_no_damage(latest: Path) -> None:
    path = latest / "study.toml"
    path.write_text(path.read_text().replace("[lime]", "[lime]\nfuture = 3\n"))
    with pytest.raises(InputError, match=r"another version .*no setting lime\.future") as caught:
        read_settings(path)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "study.toml",
        "identity.json",
        "provenance.json",
        "results.json",
        "classifiers/round-1.safetensors",
        "classifiers/round-1.budget.json",
        "explanations/round-1.safetensors",
        "reward/round-1.safetensors",
        "reward/round-1.foretold.json",
        "evaluations/before.safetensors",
        "manifest.txt",
    ],
)
def test_a_file_of_a_later_format_is_told_apart_from_a_damaged_one(latest: Path, name: str) -> None:
    if name != "results.json":
        (latest / "results.json").unlink()
    if name == "classifiers/round-1.safetensors":
        (latest / "evaluations/feedback.safetensors").unlink()
    path = latest / name
    if path.suffix == ".toml":
        path.write_text(re.sub(r"format = \d", "format = 99", path.read_text()))
    elif path.suffix == ".json":
        path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    elif path.suffix == ".txt":
        path.write_text("explainfb manifest 99\n")
    else:
        with safe_open(path, framework="np") as file:
            header = dict(file.metadata() or {})
        save_file(load_file(path), path, metadata=header | {"explainfb": "99"})
    with pytest.raises(InputError, match=r"of format 99 and this (explainfb|version) reads.* take a newer") as caught:
        Study.open(latest).run()
    assert "damaged" not in str(caught.value)
    assert path.name in str(caught.value)
