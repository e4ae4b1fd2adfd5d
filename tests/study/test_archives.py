"""Studies in archives to which nobody may write: reading them needs no writing."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import run
from explainfb.classifiers.networks import BUILDERS
from explainfb.store import Store
from explainfb.study.folder import STUDY
from kept_studies import KEPT, coarse, unpacked
from reading_alone import as_reader, may_not_write, may_write_again


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setitem(BUILDERS, "coarse", coarse)
    folder = unpacked(KEPT[0], tmp_path / "archive")
    may_not_write(folder)
    yield folder
    may_write_again(folder)


def test_it_is_checked_exported_listed_and_reported(archive: Path, tmp_path: Path) -> None:
    study = ["--study", str(archive)]

    def read() -> None:
        assert run("check", study[1]) == 0
        assert run("annotators", *study, "list") == 0
        assert run("export", *study, "--output", str(tmp_path / "answers.csv")) == 0
        assert run("report", *study, "--output", str(tmp_path / "page.html")) == 0

    before = {path: path.stat().st_mtime_ns for path in archive.rglob("*")}
    as_reader(read)
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 9
    assert "<html" in (tmp_path / "page.html").read_text()
    assert {path: path.stat().st_mtime_ns for path in archive.rglob("*")} == before


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--annotator", "human"],
        ["evaluate"],
        ["import", "answers.csv"],
        ["annotators", "add", "Ada"],
        ["label"],
    ],
    ids=lambda words: words[0],
)
def test_what_must_write_says_so_in_a_sentence(
    archive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    (tmp_path / "answers.csv").write_text("")
    words = [str(tmp_path / word) if word.endswith(".csv") else word for word in command]

    def fail() -> None:
        assert run(words[0], "--study", str(archive), *words[1:]) == 2

    as_reader(fail)
    said = " ".join(capfd.readouterr().err.split())
    assert said.startswith("explainfb: ")
    assert "Traceback" not in said


def test_answers_that_lie_in_the_log_are_read_from_an_archive(tmp_path: Path) -> None:
    """A study that was copied while its database was open has its last answers beside study.db."""
    kept = tmp_path / "kept"
    kept.mkdir()
    with Store(tmp_path / "study.db") as store:
        raw = sqlite3.connect(tmp_path / "study.db")
        raw.execute("SELECT count(*) FROM settings").fetchone()
        store.write_setting(STUDY, "in the log")
        for name in ("study.db", "study.db-wal"):
            shutil.copyfile(tmp_path / name, kept / name)
        raw.close()
    may_not_write(kept)

    def read() -> None:
        with Store(kept / "study.db", read_only=True) as store:
            assert store.read_setting(STUDY) == "in the log"

    as_reader(read)
    may_write_again(kept)
