"""Pictures one after the other: kept as an animated WebP file, shown as a film strip that a page can stop and step."""

import base64
import io
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageSequence

from explainfb.core.errors import InputError
from explainfb.core.files import write_whole

MOST_FRAMES = 100
"""As many as a film strip has room for: the paper's clips have 25."""
WIDEST = 400
"""Pixels; wider frames are made smaller. Two clips lie side by side on a page."""
LONGEST_STRIP = 16_000
"""Pixels; WebP has room for 16,383, and so have browsers."""
UNTIMED = 1000
"""Milliseconds that a frame is shown of which the file does not say it: where nothing moves there is but one."""
Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip without sound, which is shown again and again.

    Raises `InputError` for frames of another kind, fewer than 2 or more than 100 of them.

    >>> import numpy as np
    >>> from explainfb import Clip
    >>> clip = Clip(np.zeros((25, 40, 60, 3), dtype=np.uint8), frames_per_second=12.5)
    >>> clip.seconds
    2.0
    """

    frames: Frames
    """(T, H, W, 3) in [0, 255], as Gymnasium's `rgb_array` has each."""
    frames_per_second: float = 15.0
    """At most 50. The paper shows 15, so that 25 frames last for 1.7 seconds."""

    def __post_init__(self) -> None:
        found = np.asarray(self.frames)
        if found.dtype != np.uint8 or found.ndim != 4 or found.shape[-1] != 3 or 0 in found.shape:
            raise InputError(
                f"The frames of a clip are a uint8 array (T, H, W, 3); found {found.dtype} of shape {found.shape}."
            )
        if not 2 <= len(found) <= MOST_FRAMES:
            raise InputError(
                f"A clip has from 2 to {MOST_FRAMES} frames; found {len(found)}. Cut it, or take every nth."
            )
        if not 0 < self.frames_per_second <= 50:
            raise InputError(f"frames_per_second is above 0 and at most 50; found {self.frames_per_second:g}.")

    @property
    def milliseconds(self) -> int:
        """Of one frame: files know no shorter unit."""
        return round(1000 / self.frames_per_second)

    @property
    def seconds(self) -> float:
        """For how long it plays once."""
        return len(self.frames) * self.milliseconds / 1000

    def save(self, path: str | Path) -> None:
        """Write an animated WebP, without loss but for width: at most 400 pixels."""
        first, *others = _scaled(self.frames, min(WIDEST, self.frames.shape[2]))
        write_whole(
            Path(path),
            lambda partial: first.save(
                partial,
                format="WEBP",
                save_all=True,
                append_images=others,
                duration=self.milliseconds,
                loop=0,
                lossless=True,
                quality=20,  # of the effort, where nothing is lost
            ),
        )

    @classmethod
    def read(cls, path: str | Path) -> "Clip":
        """An animated WebP, GIF or PNG: of a long one, as many frames as a clip has, evenly spread.

        Raises `InputError` for a file that is none.
        """
        try:
            with Image.open(path) as found:
                frames, lasts = [], []
                for frame in ImageSequence.Iterator(found):
                    frames.append(np.array(frame.convert("RGB")))
                    lasts.append(max(20, round(frame.info.get("duration") or UNTIMED)))  # as browsers do
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(
                f"{path} is no animated picture that can be read ({error}); give a WebP or GIF."
            ) from error
        # files join frames that are alike into one that lasts longer; here all last equally long again
        whole, each = sum(lasts), gcd(*lasts)
        count = min(MOST_FRAMES, max(2, whole // each))  # two where nothing moves
        at = (np.arange(count) + 0.5) * whole / count
        return cls(np.stack(frames)[np.searchsorted(np.cumsum(lasts), at)], frames_per_second=1000 * count / whole)

    def film_strip(self) -> str:
        """A data URI of all frames, one beneath the other."""
        _, height, width, _ = self.frames.shape
        share = min(1, WIDEST / width, LONGEST_STRIP / (len(self.frames) * height))
        return _data_uri(np.concatenate([np.array(each) for each in _scaled(self.frames, max(1, int(share * width)))]))

    def still(self) -> str:
        """A data URI of the frame in the middle."""
        return _data_uri(self.frames[len(self.frames) // 2])


def _scaled(frames: Frames, width: int) -> list[Image.Image]:
    """The frames made so wide."""
    height = max(1, round(frames.shape[1] * width / frames.shape[2]))
    return [Image.fromarray(each).resize((width, height), Image.Resampling.BOX) for each in frames]


def _data_uri(picture: Frames) -> str:
    stored = io.BytesIO()
    Image.fromarray(picture).save(stored, format="WEBP", quality=85, method=2)
    return "data:image/webp;base64," + base64.b64encode(stored.getvalue()).decode()
