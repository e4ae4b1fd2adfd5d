"""A clip: what is kept is what is shown, frame by frame, however its file joins those that are alike."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explainfb import Clip, InputError


def moving(count: int = 25, *, width: int = 60, rests: int = 0) -> np.ndarray:
    """A white square on its way to the right, which begins after so many frames."""
    frames = np.zeros((count, 40, width, 3), dtype=np.uint8)
    for number in range(count):
        at = max(0, number - rests) % (width - 5)
        frames[number, 15:20, at : at + 5] = 255
    return frames


def strip_of(clip: Clip) -> np.ndarray:
    kind, _, data = clip.film_strip().partition(",")
    assert kind == "data:image/webp;base64"
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


@pytest.mark.parametrize("rests", [0, 10, 23])
def test_a_file_plays_as_the_clip_does(rests: int, tmp_path: Path) -> None:
    clip = Clip(moving(rests=rests))
    clip.save(tmp_path / "clip.webp")
    read = Clip.read(tmp_path / "clip.webp")
    assert len(read.frames) * read.milliseconds == pytest.approx(1000 * clip.seconds, abs=len(read.frames))
    for share in (0.02, 0.3, 0.7, 0.98):  # of the time: files hold what rests as one frame that lasts
        shown, kept = (each.frames[int(share * len(each.frames))] for each in (clip, read))
        assert (shown == kept).all()


def test_what_does_not_move_at_all_is_a_clip_too(tmp_path: Path) -> None:
    clip = Clip(np.full((25, 40, 60, 3), 7, dtype=np.uint8))
    clip.save(tmp_path / "clip.webp")
    assert (Clip.read(tmp_path / "clip.webp").frames == 7).all()


def test_a_film_strip_has_every_frame_beneath_the_one_before() -> None:
    clip = Clip(moving())
    strip = strip_of(clip).reshape(25, 40, 60, 3)
    assert np.abs(strip.astype(int) - clip.frames).mean() < 4  # it is a JPEG's like, and thin lines blur


def test_long_and_wide_clips_fit_into_what_browsers_can_show() -> None:
    strip = strip_of(Clip(moving(100, width=900)))
    assert strip.shape[0] <= 16_000
    assert strip.shape[1] <= 400


def test_others_files_can_be_shown(tmp_path: Path) -> None:
    frames = [Image.fromarray(each) for each in moving(200)]
    frames[0].save(tmp_path / "long.gif", save_all=True, append_images=frames[1:], duration=30)
    read = Clip.read(tmp_path / "long.gif")
    assert len(read.frames) == 100
    assert read.seconds == pytest.approx(6, abs=0.1)
    (tmp_path / "none.webp").write_bytes(b"no picture")
    with pytest.raises(InputError, match="no animated picture"):
        Clip.read(tmp_path / "none.webp")


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        (np.zeros((25, 40, 60), dtype=np.uint8), "uint8 array"),
        (np.zeros((25, 40, 60, 3)), "found float64"),
        (np.zeros((1, 40, 60, 3), dtype=np.uint8), "found 1"),
        (np.zeros((101, 4, 6, 3), dtype=np.uint8), "found 101"),
    ],
)
def test_what_is_no_clip_is_told(frames: np.ndarray, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Clip(frames)
