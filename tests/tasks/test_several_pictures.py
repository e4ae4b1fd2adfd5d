"""Files that hold several pictures: the first is read, and a folder says so once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explainfb.tasks.image_folder import read_folder
from explainfb.tasks.image_io import has_several


def frames(seed: int, count: int = 3) -> list[Image.Image]:
    drawn = np.random.default_rng(seed)
    return [Image.fromarray(drawn.integers(0, 256, (16, 20, 3), dtype=np.uint8)) for _ in range(count)]


def save(path: Path, seed: int, count: int) -> Path:
    first, *others = frames(seed, count)
    path.parent.mkdir(parents=True, exist_ok=True)
    first.save(path, **({"save_all": True, "append_images": others} if others else {}))
    return path


@pytest.mark.parametrize("end", ["gif", "png", "tiff", "webp"])
def test_frames_and_pages_are_seen(end: str, tmp_path: Path) -> None:
    assert has_several(save(tmp_path / f"film.{end}", 0, 3).read_bytes())
    assert not has_several(save(tmp_path / f"one.{end}", 0, 1).read_bytes())


def test_a_phones_previews_and_damaged_files_are_none(tmp_path: Path) -> None:
    first, second = frames(0, 2)
    first.save(tmp_path / "phone.jpg", format="MPO", save_all=True, append_images=[second])
    assert not has_several((tmp_path / "phone.jpg").read_bytes())
    assert not has_several(b"GIF89a")
    assert not has_several(save(tmp_path / "film.gif", 0, 3).read_bytes()[:40])


def test_a_folder_says_it_once_with_a_count_and_a_name(tmp_path: Path) -> None:
    for number in range(40):
        label, count = "ab"[number % 2], 3 if number in (4, 6) else 1
        save(tmp_path / label / f"{number}.png", number, count)
    notes = [note for note in read_folder(tmp_path, image_size=16).notes if "frames" in note]
    assert len(notes) == 1
    assert notes[0].startswith("2 of 40 pictures hold several frames or pages, such as ")
    assert notes[0].endswith("/a/4.png: the first one alone is read.")
