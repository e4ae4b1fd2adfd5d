"""A study of clips as the annotators' app opens it, and whichever there is in a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from explainfb.clips.study import ClipSettings, is_of_clips, read_clip, read_clip_settings
from explainfb.core.errors import InputError
from explainfb.core.types import Comparison, ExplanationKey
from explainfb.labelling.practice import PRACTICE
from explainfb.labelling.served_study import Served, ServedStudy, Shown
from explainfb.labelling.wording import Wording
from explainfb.labelling.wording_files import check_texts, wording_in_folder
from explainfb.results.records import RoundResult
from explainfb.store import Store
from explainfb.study.folder import DATABASE, check_begun, check_store

KEPT = 256
"""Clips that stay in memory, of about 50 KB each."""


@dataclass(frozen=True)
class ShownClip:
    """A clip as people see it."""

    strip: str
    """A data URI of its frames, one beneath the other."""
    still: str
    """A data URI of one of them."""
    frames: int
    seconds: float
    """For how long it plays once."""
    ratio: float
    """Its width as a multiple of its height."""
    quality: str = ""

    def describe(self, words: Wording) -> str:
        return words.clips.clip.format(seconds=max(1, round(self.seconds)))


@dataclass(frozen=True, kw_only=True)
class ServedClips(Served):
    """Clips, and how they are asked about."""

    clip_settings: ClipSettings

    @classmethod
    def open(cls, folder: Path, *, database: str | None = None) -> "ServedClips":
        """Raises `InputError` for a folder without such a study, with another database, or with texts that cannot be
        used."""
        settings = read_clip_settings(folder)
        check_begun(folder)
        check_texts(folder)
        if (folder / PRACTICE).is_file():
            raise InputError(
                f"{folder / PRACTICE} would not be read; of clips there is no practice: say it in instructions.md."
            )
        words = wording_in_folder(folder)
        store = Store(database or folder / DATABASE)
        check_store(folder, store)
        return cls(folder=folder, store=store, words=words, practice=None, clip_settings=settings)

    @property
    def settings(self) -> ClipSettings:
        return self.clip_settings

    def describe(self) -> str:
        return f"clips in {self.folder.name}, {self.settings.rounds} rounds"

    def shown(self, asked: Comparison) -> tuple[ShownClip, ...]:
        return tuple(_shown(self.folder, key) for key in asked.shown)

    def small_pictures(self, shown: Sequence[Shown]) -> list[str]:
        return [each.still for each in shown if isinstance(each, ShownClip)]

    def reward_accuracies(self) -> tuple[RoundResult, ...]:
        return ()  # it is fitted by whoever asks


def open_served(folder: Path, *, database: str | None = None, data_dir: Path | None = None) -> Served:
    """The study in `folder`, of clips or of explanations. Raises `InputError` as their own `open` does."""
    if is_of_clips(folder):
        return ServedClips.open(folder, database=database)
    return ServedStudy.open(folder, database=database, data_dir=data_dir)


@lru_cache(KEPT)
def _shown(folder: Path, key: ExplanationKey) -> ShownClip:
    found = read_clip(folder, key)
    _, height, width, _ = found.frames.shape
    return ShownClip(
        strip=found.film_strip(),
        still=found.still(),
        frames=len(found.frames),
        seconds=found.seconds,
        ratio=width / height,
    )
