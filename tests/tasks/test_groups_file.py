"""groups.csv: every picture has its group, wherever its hash puts it, and what is wrong is told all at once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explainfb.core.errors import InputError
from explainfb.finetuning.groups import groups_of
from explainfb.tasks.datasets import load_task


def level(index: int) -> int:
    return 20 + 3 * index


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of twenty plain pictures, each third of them on land; a picture's brightness tells its number."""
    lines = ["picture,group"]
    for index in range(40):
        path = tmp_path / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (9, 9), level(index)).save(path)
        lines.append(f"{path.relative_to(tmp_path).as_posix()},{'land' if index % 3 == 0 else 'water'}")
    (tmp_path / "groups.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_each_picture_is_in_its_group(folder: Path) -> None:
    task = load_task(f"folder:{folder}", image_size=8)
    assert task.notes[:1] != ("Left out",)
    assert not any("groups.csv" in note for note in task.notes)
    for split in (task.train, task.validation, task.clean):
        index = (split.images.amax((1, 2, 3)) * 255).round().sub(20).div(3).round().long()
        assert split.groups is not None
        np.testing.assert_array_equal(split.groups, np.where(index % 3 == 0, 0, 1))
        subgroups = split.subgroups()
        assert subgroups is not None
        pairs = set(zip(split.labels.tolist(), split.groups.tolist(), subgroups.tolist(), strict=True))
        assert len(pairs) == len({pair[:2] for pair in pairs}) == len({pair[2] for pair in pairs})
    assert groups_of(task.train).max() == 3
    some = task.train.take(slice(5))
    assert some.groups is not None
    assert len(some.groups) == 5


def test_without_the_file_there_are_no_groups(folder: Path) -> None:
    (folder / "groups.csv").unlink()
    assert load_task(f"folder:{folder}", image_size=8).train.subgroups() is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("picture,group", "file;group", ["picture,group", "file;group"]),
        ("a/0.png,land\n", "", ["a/0.png", "no line"]),
        ("a/0.png,land", "a/zero.png,land", ["a/0.png", "a/zero.png"]),
        ("a/0.png,land", "a/0.png,", ["Line 2"]),
        ("a/0.png,land", "a/0.png,land\na/0.png,water", ["two groups", "line 3"]),
        ("a/0.png,land", "a/0.png,\x1b[2Jland", ["A group"]),
    ],
)
def test_what_is_wrong_is_told(folder: Path, old: str, new: str, words: list[str]) -> None:
    path = folder / "groups.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_task(f"folder:{folder}", image_size=8)
    for word in words:
        assert word in str(error.value)


def test_a_table_that_is_no_text_is_told(folder: Path) -> None:
    (folder / "groups.csv").write_bytes("picture,group\na/0.png,län".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        load_task(f"folder:{folder}", image_size=8)


def test_groups_are_as_many_as_images(folder: Path) -> None:
    train = load_task(f"folder:{folder}", image_size=8).train
    assert train.groups is not None
    with pytest.raises(InputError, match="its group"):
        replace(train, groups=train.groups[:3])
