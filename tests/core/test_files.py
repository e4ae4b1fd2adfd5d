"""Files are whole or not there."""

import errno
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from explainfb.core import files
from explainfb.core.errors import InputError
from explainfb.core.files import check_space, write_tensors, write_whole


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write_whole(path, lambda partial: partial.write_text("old"))

    def break_off(partial: Path) -> None:
        partial.write_text("ne")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_whole(path, break_off)
    assert path.read_text() == "old"


def test_a_full_disk_is_told_with_the_file(tmp_path: Path) -> None:
    def full(partial: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match="make room"):
        write_whole(tmp_path / "file", full)


def test_other_errors_are_left_as_they_are(tmp_path: Path) -> None:
    def denied(partial: Path) -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        write_whole(tmp_path / "file", denied)


def test_space_is_asked_for(tmp_path: Path) -> None:
    check_space(tmp_path, least=1)
    with pytest.raises(InputError, match="--study"):
        check_space(tmp_path, least=2**62)


def test_what_is_written_is_on_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = []
    monkeypatch.setattr(files.os, "fsync", lambda _: named.append((tmp_path / "file").exists()))
    write_whole(tmp_path / "file", lambda partial: partial.write_text("whole"))
    assert named == [False, True], "the bytes first, then the name"


def test_equal_tensors_have_equal_bytes(tmp_path: Path) -> None:
    """Whatever order safetensors has for what stands beside them."""
    tensors, metadata = {"a": np.arange(6.0), "b": np.ones(3)}, {f"é{number}": '\n\x01"' for number in range(20)}
    for name in ("one", "two"):
        write_tensors(save_file, tensors, tmp_path / name, metadata)
        assert load_file(tmp_path / name)["a"].tolist() == [0, 1, 2, 3, 4, 5]
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with safe_open(tmp_path / "one", framework="np") as file:
        assert file.metadata() == metadata | {"explainfb": "1"}
