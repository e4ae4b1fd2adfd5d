"""Asking people about clips: a folder with the clips and the database, which `explainfb label` serves."""

import secrets
import shlex
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import tomli_w

from explainfb.clips.clip import Clip
from explainfb.core.errors import InputError
from explainfb.core.fields import check_fields
from explainfb.core.files import parse_toml, read_json, write_json, write_whole
from explainfb.core.manifest import begin_manifest
from explainfb.core.names import is_fit
from explainfb.core.progress import Step
from explainfb.core.types import Comparison, ExplanationKey, Preference
from explainfb.preferences.gathering import wait_for_people
from explainfb.preferences.settings import CareSettings
from explainfb.store import Store
from explainfb.study.folder import CLIPS, DATABASE, IDENTITY, SETTINGS, STUDY, check_store, locked

QUESTION: Literal["clips"] = "clips"


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """How people are asked about clips.

    >>> from explainfb import ClipSettings
    >>> ClipSettings(rounds=3, overlap=2).overlap
    2
    """

    rounds: int = 1
    """How often is asked, at least 1; with the last round people are told that the study is over."""
    overlap: int = 1
    """How many different people answer each comparison, at least 1."""
    lease_minutes: float = 10
    """For how many minutes a comparison is kept for the person who is being asked it, more than 0."""
    seed: int = 0
    """On record beside each answer, at least 0: what drew the comparisons."""

    def __post_init__(self) -> None:
        check_fields(self, "ClipSettings.")
        if self.rounds < 1 or self.overlap < 1 or self.seed < 0 or not self.lease_minutes > 0:
            raise InputError(
                f"Rounds and overlap are at least 1, lease_minutes above 0, a seed at least 0; found {self}."
            )

    @property
    def question(self) -> Literal["clips"]:
        return QUESTION

    @property
    def care(self) -> CareSettings:
        """When answers are flagged on the researchers' page."""
        return CareSettings()


class ClipStudy:
    """People compare clips in the annotators' app; to be closed after use, or used in a `with` block.

    `folder` may hold `instructions.md`, `consent.md` and `wording.toml` before: what people are told. A study that was
    killed is opened again in the same way. `database` is that of the study where it is not `study.db` in the folder.
    Raises `InputError` where the folder holds something else, or was begun with other settings or another database.

    >>> import tempfile
    >>> import numpy as np
    >>> from explainfb import Clip, ClipSettings, ClipStudy, Comparison, ExplanationKey
    >>> left, right = ExplanationKey("robot", 0), ExplanationKey("robot", 1)
    >>> with tempfile.TemporaryDirectory() as folder, ClipStudy(folder, ClipSettings(rounds=1)) as study:
    ...     for key, grey in ((left, 0), (right, 255)):
    ...         study.keep(key, Clip(np.full((25, 40, 60, 3), grey, dtype=np.uint8)))
    ...     asked = Comparison.about([left, right], round=1, asked="clips")
    ...     study.clip(right).frames.max()  # and study.ask([asked]) would wait for people
    np.uint8(255)
    """

    def __init__(
        self, folder: str | Path, settings: ClipSettings | None = None, *, database: str | None = None
    ) -> None:
        self.folder, self.settings = Path(folder), settings or ClipSettings()
        self._database = database
        _check_folder(self.folder, self.settings)
        with ExitStack() as opened:
            opened.enter_context(locked(self.folder))
            self.store = opened.enter_context(Store(database or self.folder / DATABASE))
            _begin(self.folder, self.store, self.settings)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database, and let another process ask."""
        self._opened.close()

    def keep(self, key: ExplanationKey, clip: Clip) -> None:
        """Write the clip called `key` into the folder, where the app finds it.

        Raises `InputError` for a key that cannot be a file's name, and where another clip has it: people may have seen
        that one.
        """
        path = path_of(self.folder, key)
        if not path.is_file():
            clip.save(path)
            return
        beside = path.with_name(path.name + ".new")
        clip.save(beside)
        alike = np.array_equal(Clip.read(beside).frames, Clip.read(path).frames)
        beside.unlink()
        if not alike:
            raise InputError(f"{path} is another clip, which people may have seen; give a new folder, or another key.")

    def clip(self, key: ExplanationKey) -> Clip:
        """The clip of this key, as the app shows it."""
        return read_clip(self.folder, key)

    def ask(
        self,
        comparisons: Sequence[Comparison],
        *,
        step: Step = lambda _: None,
        check: Callable[[Sequence[Preference]], None] = lambda answers: None,
    ) -> list[Preference]:
        """The answers to a round, or several; comes back when each of them has as many as the overlap.

        Each is `Comparison.about([left, right], round, asked="clips")`, of clips that were kept. `step` is called with
        how many more are answered. Before a round is closed `check` is called with all answers so far; where it raises,
        the round stays open, so that people can change what they said. Answers of a closed round stay as they were; a
        round that waits may be killed, and asked again. Can't tell is among the answers: whoever learns leaves it out.
        """
        for item in comparisons:
            if item.asked != QUESTION or item.round > self.settings.rounds:
                raise InputError(
                    f"Clips are asked about with asked='clips', in rounds 1 to {self.settings.rounds}; found {item}."
                )
            for key in item.shown:
                read_clip(self.folder, key)
        self.store.add_comparisons(comparisons, seed=self.settings.seed)
        rounds = sorted({item.round for item in comparisons})
        for number in rounds:
            if self.store.rounds()[number]:
                wait_for_people(self.store, number, overlap=self.settings.overlap, step=step, check=check)
        return self.store.preferences(rounds, gold=False)

    def how_to_serve(self) -> str:
        """What to type in another terminal, so that people can answer."""
        quoted = shlex.quote(str(self.folder))
        same = "" if self._database is None else " (and the same --db)"
        return (
            f"People answer in the app: explainfb label --study {quoted}{same}\n"
            f"Personal links: explainfb annotators --study {quoted} add NAME{same}"
        )


def is_of_clips(folder: Path) -> bool:
    """Whether people are asked about clips there."""
    return (folder / CLIPS).is_file()


def read_clip_settings(folder: Path) -> ClipSettings:
    """Of the study that was begun there. Raises `InputError` for a file that cannot be read."""
    path = folder / CLIPS
    try:
        found: dict[str, Any] = parse_toml(path.read_text(encoding="utf-8"))
        return ClipSettings(**found)
    except (OSError, ValueError, TypeError, InputError) as error:
        raise InputError(f"{path} cannot be used ({error}); restore it from a copy.") from error


def path_of(folder: Path, key: ExplanationKey) -> Path:
    """Where the clip lies. Raises `InputError` for a key that is no file's name."""
    name = key.classifier
    if not is_fit(name) or not name or name.startswith(".") or set(name) & set('/\\:*?"<>|') or key.image < 0:
        raise InputError(f"A clip is called such as walker/7, by a plain name and a number from 0; found {key}.")
    return folder / "clips" / name / f"{key.image}.webp"


def read_clip(folder: Path, key: ExplanationKey) -> Clip:
    """The clip of this key. Raises `InputError` where it is missing or damaged."""
    path = path_of(folder, key)
    if not path.is_file():
        raise InputError(f"There is no clip {path}; keep it before it is asked about.")
    return Clip.read(path)


def _check_folder(folder: Path, settings: ClipSettings) -> None:
    if (folder / SETTINGS).is_file():
        raise InputError(f"{folder} is a study of explanations; give another folder for clips.")
    if is_of_clips(folder) and (then := read_clip_settings(folder)) != settings:
        raise InputError(f"{folder} was begun with {then}, now {settings}; give the same, or another folder.")


def _begin(folder: Path, store: Store, settings: ClipSettings) -> None:
    """Give folder and database one name, or check that they have it; killed in between, it is begun anew."""
    if is_of_clips(folder):
        check_store(folder, store)
        return
    begin_manifest(folder)
    identity = folder / IDENTITY
    if not identity.is_file():
        write_json({"study": secrets.token_hex(16), "data": QUESTION}, identity)
    name = read_json(identity)["study"]
    if store.claim_setting(STUDY, name) != name:
        raise InputError(f"The database given for {folder} holds another study; give every study one of its own.")
    text = tomli_w.dumps(asdict(settings))
    write_whole(folder / CLIPS, lambda partial: partial.write_text(text, encoding="utf-8"))
