"""Pictures that are too many for memory: the same tensors from a file, and a file that is whole or not there."""

import errno
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from explainfb import Background, Frame, Grey, InputError, Position, Split, Sticker, Task, Tint, Watermark, folder
from explainfb.tasks.planting.kinds import Plant
from explainfb.tasks.stored import cache, on_demand, reading
from explainfb.tasks.stored.on_demand import ImagesOnDemand, lowest_and_highest, mean_and_deviation

KINDS = (Watermark(), Sticker(), Frame(), Background(), Tint(), Position(), Grey())
SPLITS = ("train", "validation", "clean", "shifted", "train_without_shortcut")
MASKS = ("relevance", "shortcut", "shortcut_class")


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 90 pictures of three classes, with masks; what is kept of it is in `kept` beside it."""
    monkeypatch.setenv("EXPLAINFB_CACHE", str(tmp_path / "kept"))
    random = np.random.default_rng(0)
    for number in range(90):
        place = tmp_path / "pictures" / ("cat", "dog", "emu")[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 200, (20, 26, 3), dtype=np.uint8)).save(place / f"{number}.png")
        Image.fromarray(random.integers(0, 2, (20, 26), dtype=np.uint8) * 255).save(place / f"{number}.relevance.png")
    return tmp_path / "pictures"


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_demand, "IN_MEMORY", 0)


def both(pictures: Path, monkeypatch: pytest.MonkeyPatch, plant: Plant | None = None) -> tuple[Task, Task]:
    """The task in memory, and from the disk."""
    made = []
    for memory in (2**30, 0):
        monkeypatch.setattr(on_demand, "IN_MEMORY", memory)
        task = folder(pictures, size=16)
        made.append(task if plant is None else task.plant(plant, rate=0.7, seed=4))
    return made[0], made[1]


def assert_same(one: Split, other: Split) -> None:
    assert isinstance(other.images, ImagesOnDemand)
    assert torch.equal(one.images, other.images[:])
    some = torch.tensor([7, 2, 2, 5])
    assert torch.equal(one.images[some], other.images[some])
    assert torch.equal(one.labels, other.labels)
    for name in MASKS:
        first, second = getattr(one, name), getattr(other, name)
        assert (first is None) == (second is None)
        assert first is None or torch.equal(first, second)


@pytest.mark.parametrize("kind", [None, *KINDS], ids=repr)
def test_every_picture_is_the_same_from_the_disk(
    kind: Plant | None, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, disk = both(pictures, monkeypatch, kind)
    for name in SPLITS if kind is not None else SPLITS[:3]:
        assert_same(getattr(memory, name), getattr(disk, name))


def test_a_tensor_on_demand_is_indexed_split_and_computed_with_as_any(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, disk = both(pictures, monkeypatch)
    here, there = memory.train.images, disk.train.images
    assert (there.shape, len(there), there.dtype, there.ndim) == (here.shape, len(here), here.dtype, 4)
    for index in (3, -1, slice(2, 9, 3), torch.arange(4)[:, None], here[:, 0, 0, 0] > 0.5, [1, 5], (2, 0), None):
        assert torch.equal(here[index], there[index])
    assert torch.equal(here[:5, :, 3], there[:5, :, 3])
    for one, other in zip(here.split(25), there.split(25), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(torch.stack(list(there)), here)
    assert torch.equal(there.index_select(0, torch.tensor([4, 4])), here[[4, 4]])
    for compute in (
        torch.sqrt,
        lambda images: F.avg_pool2d(images, 2),
        lambda images: images - 0.5,
        torch.Tensor.numpy,
    ):
        assert np.array_equal(np.asarray(compute(here)), np.asarray(compute(there)))
    assert there.to("cpu") is there
    assert "ImagesOnDemand(" in repr(there)
    for change in (lambda: there.div_(2), lambda: there.__setitem__(0, 1.0)):
        with pytest.raises(TypeError, match="cannot be changed in place"):
            change()


def test_statistics_over_all_images_are_the_same_to_the_last_bit(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, disk = both(pictures, monkeypatch, Watermark())
    for one, other in zip(mean_and_deviation(memory.train.images), mean_and_deviation(disk.train.images), strict=True):
        assert torch.equal(one, other)
    assert lowest_and_highest(memory.train.images) == lowest_and_highest(disk.train.images)


@pytest.mark.usefixtures("no_memory")
def test_nothing_is_decoded_twice_and_only_what_is_asked_for_is_read(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = folder(pictures, size=16)
    assert any("8 bits" in note and "kept" in note for note in first.notes)

    def fail(*_: object) -> None:
        raise AssertionError("a picture is decoded again")

    monkeypatch.setattr(reading, "decode", fail)
    again = folder(pictures, size=16)
    assert torch.equal(again.train.images[:], first.train.images[:])
    asked = []
    monkeypatch.setattr(
        cache.KeptPictures,
        "read",
        lambda self, rows: asked.append(len(rows)) or torch.zeros(len(rows), *self.shape[1:]),
    )
    for part in again.train.images.split(8):
        assert part.mean().isfinite()
    assert max(asked) == 8


@pytest.mark.usefixtures("no_memory")
def test_another_picture_size_or_fit_is_kept_for_itself(pictures: Path) -> None:
    small, large, padded = folder(pictures, size=16), folder(pictures, size=24), folder(pictures, size=16, fit="pad")
    assert large.image_shape == (3, 24, 24)
    assert not torch.equal(small.train.images[:], padded.train.images[:])
    changed = next((pictures / "cat").glob("?.png"))
    before = small.train.images[:], small.clean.images[:], small.validation.images[:]
    Image.new("RGB", (26, 20), "white").save(changed)
    after = folder(pictures, size=16)
    assert not any(bool((images == 1).flatten(1).all(1).any()) for images in before)
    parts = (after.train, after.clean, after.validation)
    assert any(bool((part.images[:] == 1).flatten(1).all(1).any()) for part in parts)


KILLED = """
import os, signal, sys
from explainfb import folder
from explainfb.tasks.stored import on_demand, reading
on_demand.IN_MEMORY = 0
decode, seen = reading.decode, []
def decode_some(*given):
    seen.append(given)
    if len(seen) == 30:
        os.kill(os.getpid(), signal.SIGKILL)
    return decode(*given)
reading.decode = decode_some
folder(sys.argv[1], size=16)
"""


@pytest.mark.usefixtures("no_memory")
def test_a_kill_while_it_is_written_leaves_nothing_that_is_read(pictures: Path, tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(pictures)], check=False)
    assert ended.returncode == -signal.SIGKILL
    left = {path.suffix for path in (tmp_path / "kept").iterdir()}
    assert ".partial" in left
    assert ".json" not in left
    images = folder(pictures, size=16).train.images[:]
    assert not list((tmp_path / "kept").glob("*.partial"))
    assert int((images.flatten(1).amax(1) > 0).sum()) == len(images)


@pytest.mark.usefixtures("no_memory")
def test_what_is_cut_short_is_made_anew_and_what_is_gone_is_told(pictures: Path, tmp_path: Path) -> None:
    whole = folder(pictures, size=16).train.images[:]
    for file in (tmp_path / "kept").glob("*.pixels"):
        file.write_bytes(file.read_bytes()[:-1])
    task = folder(pictures, size=16)
    assert torch.equal(task.train.images[:], whole)
    for file in (tmp_path / "kept").glob("*.json"):
        file.write_text("{")
    assert torch.equal(folder(pictures, size=16).train.images[:], whole)
    for file in (tmp_path / "kept").glob("*.pixels"):
        file.unlink()
    with pytest.raises(InputError, match=r"are gone or cut short.*run the same command again"):
        task.train.images[:2]


@pytest.mark.usefixtures("no_memory")
def test_a_full_disk_is_told_before_anything_is_decoded_and_when_it_fills(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(InputError, match=r"In 8 bits they take 0\.0 GB.*EXPLAINFB_CACHE"):
        folder(pictures, size=16)
    monkeypatch.undo()
    monkeypatch.setenv("EXPLAINFB_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(on_demand, "IN_MEMORY", 0)

    def fills(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(reading, "square", fills)  # which is called while the file is open
    with pytest.raises(InputError, match="No space is left on the disk"):
        folder(pictures, size=16)
    assert {path.suffix for path in (tmp_path / "kept").iterdir()} <= {".lock"}


@pytest.mark.usefixtures("no_memory")
def test_a_folder_that_cannot_be_written_is_told(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EXPLAINFB_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"nothing can be written.*EXPLAINFB_CACHE"):
        folder(pictures, size=16)


@pytest.mark.usefixtures("no_memory")
def test_all_that_is_damaged_is_still_told_at_once(pictures: Path, tmp_path: Path) -> None:
    broken = sorted(pictures.rglob("?.png"))[:2]
    for file in broken:
        file.write_bytes(file.read_bytes()[:600])
    odd = pictures / "dog" / "40.relevance.png"
    Image.new("L", (5, 5)).save(odd)
    with pytest.raises(InputError) as told:
        folder(pictures, size=16)
    assert all(str(file) in str(told.value) for file in (*broken, odd))
    assert not list((tmp_path / "kept").glob("*.partial"))
