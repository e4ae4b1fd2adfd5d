"""Every word that annotators see: one TOML file a language comes along, and a study may have a wording.toml of its own.

The sections of such a file are the records below, its lines their fields. In texts of several lines Markdown is known:
the consent, the instructions and what practice says.
"""

import dataclasses
import string
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from explainfb.core.errors import InputError
from explainfb.core.files import write_whole

Language = Literal["ar", "de", "en", "es", "fr", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
WORDING = "wording.toml"
"""Its name in a study's folder."""
FOLDER = Path(__file__).parent / "words"
DIRECTIONS = ("ltr", "rtl")
NAMED = 6
"""So many faults of a file are named at once."""


@dataclass(frozen=True, kw_only=True)
class PageWords:
    title: str
    loading: str


@dataclass(frozen=True, kw_only=True)
class WelcomeWords:
    consent: str
    what_you_will_do: str
    agree: str
    decline: str
    declined_title: str
    declined: str
    instructions_title: str
    shortcuts: str
    shortcuts_help: str


@dataclass(frozen=True, kw_only=True)
class QuestionWords:
    """Of one kind of question."""

    title: str
    instructions: str
    question: str
    again: str
    keys: str


@dataclass(frozen=True, kw_only=True)
class AnswerWords:
    """The fields are named as the answers are stored."""

    left: str
    right: str
    equal: str
    both_good: str
    both_bad: str
    cant_tell: str


@dataclass(frozen=True, kw_only=True)
class RatingWords:
    one: str
    two: str
    three: str
    four: str
    five: str
    scale: str
    incomplete: str


@dataclass(frozen=True, kw_only=True)
class StimulusWords:
    left: str
    right: str
    says: str
    spoke_against: str
    spoke_for: str
    points: str
    own_scales: str
    scale: str
    image: str
    reasons: str
    part_for: str
    part_against: str
    nothing: str


@dataclass(frozen=True, kw_only=True)
class PlaceWords:
    """The ninths of a picture, for those who cannot see it."""

    top_left: str
    top: str
    top_right: str
    left: str
    centre: str
    right: str
    bottom_left: str
    bottom: str
    bottom_right: str


@dataclass(frozen=True, kw_only=True)
class ViewWords:
    show: str
    overlay: str
    only: str
    original: str
    strength: str
    light: str
    medium: str
    full: str


@dataclass(frozen=True, kw_only=True)
class ProgressWords:
    text: str
    less_than_a_minute: str
    minutes: str
    hours: str

    def time_left(self, seconds: float) -> str:
        """`about 6 min`, for people."""
        minutes = round(seconds / 60)
        if minutes < 1:
            return self.less_than_a_minute
        if minutes < 90:
            return self.minutes.format(minutes=minutes)
        return self.hours.format(hours=round(minutes / 60))


@dataclass(frozen=True, kw_only=True)
class ButtonWords:
    undo: str
    pause: str
    history: str
    instructions: str
    original: str
    go_on: str
    back: str
    save: str
    keep: str
    change: str
    comment: str


@dataclass(frozen=True, kw_only=True)
class PracticeWords:
    heading: str
    invitation: str
    would_say: str
    would_rate_high: str
    would_rate_low: str
    too: str
    your_view: str
    left_better: str
    right_better: str
    both_good: str
    both_bad: str
    good: str
    bad: str
    circle: str
    cross: str
    square: str
    triangle: str


@dataclass(frozen=True, kw_only=True)
class HistoryWords:
    title: str
    nothing: str
    at: str
    closed: str
    so_far: str
    rated: str


@dataclass(frozen=True, kw_only=True)
class ClosingWords:
    no_link_title: str
    no_link: str
    pause_title: str
    paused: str
    waiting_title: str
    waiting: str
    thanks_title: str
    thanks: str


@dataclass(frozen=True, kw_only=True)
class NoticeWords:
    nothing_to_undo: str
    not_stored: str
    went_wrong: str
    not_shown: str


@dataclass(frozen=True, kw_only=True)
class Wording:
    """Every word that annotators see, in one language."""

    language: str
    """A tag of BCP 47 such as `en`, by which screen readers pronounce the page."""
    direction: str
    """`ltr` or `rtl`: where lines begin. Left and right of a comparison stay where they are."""
    page: PageWords
    welcome: WelcomeWords
    compare: QuestionWords
    rate: QuestionWords
    answers: AnswerWords
    ratings: RatingWords
    stimuli: StimulusWords
    places: PlaceWords
    views: ViewWords
    progress: ProgressWords
    buttons: ButtonWords
    practice: PracticeWords
    history: HistoryWords
    closing: ClosingWords
    notices: NoticeWords


def wording_in(language: Language) -> Wording:
    """The wording that comes along in `language`."""
    return _read(FOLDER / f"{language}.toml")


def wording_of(study: Path) -> Wording:
    """The wording of the study in this folder: that of its wording.toml, or else English.

    Raises `InputError` naming the lines that the file lacks, has too many, or that lack a number to be filled in.
    """
    path = study / WORDING
    return _read(path) if path.is_file() else wording_in("en")


def write_wording(path: Path, language: Language) -> None:
    """Write the wording in `language` to a file, to be changed there. Raises `InputError` where a file is already."""
    if path.exists():
        raise InputError(
            f"{path} is there already and may have been worked on; remove it first, or name another place."
        )
    text = (FOLDER / f"{language}.toml").read_text(encoding="utf-8")
    try:
        write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); name another place.") from error


def _read(path: Path) -> Wording:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); mend it, or write it anew with explainfb wording."
        ) from error
    faults: list[str] = []
    wording: Wording = _build(Wording, found, "", faults)
    if not faults:
        faults += _wrong_values(wording)
    if faults:
        more = f"; {len(faults) - NAMED} more" if len(faults) > NAMED else ""
        raise InputError(
            f"{path} does not fit this explainfb: {'; '.join(faults[:NAMED])}{more}. Compare it with what explainfb "
            "wording writes, and mend these lines."
        )
    return wording


def _build(record: Any, found: dict[str, Any], prefix: str, faults: list[str]) -> Any:
    """A record of the values found; what is missing, unknown or of another kind is added to `faults`."""
    fields = {item.name: item.type for item in dataclasses.fields(record)}
    faults += [f"unknown {prefix}{name}" for name in found if name not in fields]
    values: dict[str, object] = {}
    for name, kind in fields.items():
        value, is_section = found.get(name), dataclasses.is_dataclass(kind)
        if value is None:
            faults.append(f"missing {prefix}{name}")
        elif not isinstance(value, dict if is_section else str) or not value:
            faults.append(f"{prefix}{name} is {str(value)[:40]!r}, expected {'a section' if is_section else 'a text'}")
        values[name] = value
        if is_section:
            values[name] = _build(kind, value if isinstance(value, dict) else {}, f"{prefix}{name}.", faults)
    return record(**values)


def _wrong_values(wording: Wording) -> list[str]:
    """A direction that is none, and lines that are to be filled with other values than the English ones."""
    english = tomllib.loads((FOLDER / "en.toml").read_text(encoding="utf-8"))
    faults = []
    if wording.direction not in DIRECTIONS:
        faults.append(f"direction is {wording.direction!r}, expected {' or '.join(DIRECTIONS)}")
    for section, lines in english.items():
        for name, line in lines.items() if isinstance(lines, dict) else ():
            wanted = _filled_in(line)
            try:
                found = _filled_in(getattr(getattr(wording, section), name))
            except ValueError:  # a brace that is not closed
                found = {"an open brace"}
            if found != wanted:
                expected = " and ".join(f"{{{each}}}" for each in sorted(wanted)) or "no braces"
                faults.append(f"{section}.{name} needs {expected}")
    return faults


def _filled_in(line: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(line) if name is not None}
