"""Names that are no text, or command a terminal, are refused as they come in, whoever has them."""

import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import run
from explainfb.classifiers.networks import Architecture
from explainfb.core.errors import InputError
from explainfb.core.names import is_fit, printable
from explainfb.store import Store
from explainfb.tasks.datasets import load_task

CAFE = os.fsdecode("café".encode("latin-1"))
"""As the name of a folder that is not in UTF-8 arrives."""
UNFIT = [CAFE, "red\x1b[31m", "two\nlines", "a\u202efdp.exe", "\x9b2J", "end\u2028"]
FIT = ["Zoë", "猫", "👩‍👩‍👧", "می‌خواهم", "a b", "O'Neill & <b>Söhne</b>", "n\u0303"]


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_no_name_is_refused_at_every_door(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = load_task("digits", train_images=20)
    with pytest.raises(InputError, match="A class is called"):
        replace(task, class_names=(name, *task.class_names[1:]))
    with pytest.raises(InputError, match="The task is called"):
        replace(task, name=f"folder:{name}")
    with pytest.raises(InputError, match="A class is called"):
        Architecture("lenet", 1, 1, 8, 8, (0.0,), (1.0,), class_names=(name,))
    with Store(tmp_path / "study.db") as store, pytest.raises(InputError, match="A name is"):
        store.annotators.add(name)
    assert run("run", "--study", str(tmp_path / name), "--rounds", "0") == 2
    said = capsys.readouterr().err
    assert "give it another name" in " ".join(said.split())
    assert all(is_fit(line) for line in said.splitlines())
    assert [path.name for path in tmp_path.iterdir()] == ["study.db"]


@pytest.mark.parametrize("name", FIT)
def test_names_in_any_script_are_names(name: str, tmp_path: Path) -> None:
    task = load_task("digits", train_images=20)
    assert replace(task, class_names=(name, *task.class_names[1:])).class_names[0] == name
    with Store(tmp_path / "study.db") as store:
        store.annotators.add(name)
        # composed, so that it is the same person however a keyboard writes it
        assert [each.name for each in store.annotators.all()] == [unicodedata.normalize("NFC", name)]
    assert printable(name) == name


def test_what_is_printed_commands_nothing() -> None:
    assert printable("a\x1b[2Jb\tc\n") == "a\\x1b[2Jb\tc\n"
    assert printable(CAFE) == "caf\\udce9"
