"""Wordings in files: one comes along for each language, and a study may have a wording.toml of its own.

In texts of several lines Markdown is known: the consent, the instructions and what practice says.
"""

import dataclasses
import string
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

from explainfb.core.errors import InputError
from explainfb.core.files import parse_toml, write_whole
from explainfb.core.names import is_fit_text
from explainfb.labelling.wording import QuestionWords, Wording
from explainfb.study.folder import CLIPS, SETTINGS, WORDS
from explainfb.study.settings import StudySettings
from explainfb.study.settings_file import read_settings

Language = Literal["ar", "de", "en", "es", "fr", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
WORDING = "wording.toml"
"""Its name in a study's folder."""
LATER = ("yes_no", "point", "rank", "clips")
"""Sections that a study's file may lack where it does not ask that question: files of before have none of them."""
OF_SUPERPIXELS = {"superpixels": ("compare", "practice"), "rate_superpixels": ("rate",)}
"""Sections that files of before lack, and those that were read in their place."""
FOLDER = Path(__file__).parent / "words"
DIRECTIONS = ("ltr", "rtl")
NAMED = 6
"""So many faults of a file are named at once."""


def wording_in(language: Language) -> Wording:
    """The wording that comes along in `language`."""
    return _read(FOLDER / f"{language}.toml")


def wording_of(study: Path, settings: StudySettings | None = None) -> Wording:
    """The wording of the study in this folder, which has these settings: that of its wording.toml, or else English.

    Where superpixels are compared, what is said of comparisons is said of them. Raises `InputError` naming the lines
    that the file lacks, has too many, or that lack a number to be filled in.
    """
    path, settings = study / WORDING, settings or StudySettings()
    words = _read(path, settings.question) if path.is_file() else wording_in("en")
    return _of_superpixels(words) if settings.queries.compared == "superpixels" else words


def wording_in_folder(study: Path) -> Wording:
    """The wording of the study in this folder, of explanations or of clips. Raises `InputError` as `wording_of`."""
    if not (study / CLIPS).is_file():
        return wording_of(study, read_settings(study / SETTINGS))
    path = study / WORDING
    words = _read(path, "clips") if path.is_file() else wording_in("en")
    said = words.clips
    return dataclasses.replace(
        words,
        page=dataclasses.replace(words.page, title=said.page),
        welcome=dataclasses.replace(words.welcome, consent=said.consent),
        closing=dataclasses.replace(words.closing, waiting=said.waiting),
    )


def _of_superpixels(words: Wording) -> Wording:
    said = words.superpixels
    own = {item.name: getattr(said, item.name) for item in dataclasses.fields(said)}
    asked = {item.name: own.pop(item.name) for item in dataclasses.fields(QuestionWords)}
    practice = dataclasses.replace(words.practice, **own)
    return dataclasses.replace(words, compare=QuestionWords(**asked), rate=words.rate_superpixels, practice=practice)


def check_texts(study: Path) -> None:
    """Raise `InputError` for what people wrote for the study in this folder and nobody would see, or not as it was
    meant: a file that is called nearly as such files are, or is none, and a text that is not in UTF-8."""
    there = sorted(study.iterdir())
    for path in there:
        for name in WORDS:
            if path.name != name and path.name.lower() in (name, f"{name}.txt"):
                raise InputError(f"{path} would not be read; call it {name}, or take it out of the study's folder.")
            if path.name == name and not path.is_file():
                raise InputError(f"{path} is no file that can be read; put the file in its place, or remove it.")
    for path in there:
        if path.name in WORDS and path.suffix == ".md":
            try:
                text = path.read_text(encoding="utf-8-sig")
            except (OSError, ValueError) as error:
                raise InputError(f"{path} cannot be read ({error}); write it as a text in UTF-8.") from error
            if not is_fit_text(text):
                raise InputError(f"{path} has characters that command a terminal or turn text round; take them out.")


def write_wording(path: Path, language: Language) -> None:
    """Write the wording in `language` to a file, to be changed there. Raises `InputError` where a file is already."""
    if path.exists():
        raise InputError(
            f"{path} is there already and may have been worked on; remove it first, or name another place."
        )
    text = (FOLDER / f"{language}.toml").read_text(encoding="utf-8")
    try:
        write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"), noted=False)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); name another place.") from error


def _read(path: Path, question: str | None = None) -> Wording:
    try:
        found = parse_toml(path.read_text(encoding="utf-8"))
        for section in LATER if question else ():
            if section not in found and section != (question or "").replace("-", "_"):
                found[section] = _english()[section]
        if question:
            _complete(found)
    except (OSError, ValueError) as error:
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


def _complete(found: dict[str, Any]) -> None:
    """What is said of superpixels, in a file that says nothing of them, as it was said when it was written."""
    for section, others in OF_SUPERPIXELS.items():
        known: dict[str, Any] = {}
        for other in others:
            known |= lines if isinstance(lines := found.get(other), dict) else {}
        if section not in found and known:
            found[section] = {name: known[name] for name in _english()[section] if name in known}


def _build(record: Any, found: dict[str, Any], prefix: str, faults: list[str]) -> Any:
    """A record of the values found; what is missing, unknown or of another kind is added to `faults`."""
    fields = {item.name: item.type for item in dataclasses.fields(record)}
    faults += [f"unknown {prefix}{name}" for name in found if name not in fields]
    values: dict[str, object] = {}
    for name, kind in fields.items():
        value, is_section = found.get(name), dataclasses.is_dataclass(kind)
        if value is None:
            faults.append(f"missing {prefix}{name}")
        elif not isinstance(value, dict if is_section else str) or not (value and str(value).strip()):
            faults.append(f"{prefix}{name} is {str(value)[:40]!r}, expected {'a section' if is_section else 'a text'}")
        elif isinstance(value, str) and not is_fit_text(value):
            faults.append(f"{prefix}{name} has characters that command a terminal or turn text round")
        values[name] = value
        if is_section:
            values[name] = _build(kind, value if isinstance(value, dict) else {}, f"{prefix}{name}.", faults)
    return record(**values)


def _wrong_values(wording: Wording) -> list[str]:
    """A direction that is none, and lines that are to be filled with other values than the English ones."""
    english = _english()
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


def _english() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "en.toml").read_text(encoding="utf-8"))


def _filled_in(line: str) -> set[str]:
    """What stands in braces: names, and where a file has more than a name there, such as a width, all of it."""
    parts = string.Formatter().parse(line)
    return {
        f"{name}{'!' + how if how else ''}{spec and ':' + spec}" for _, name, spec, how in parts if name is not None
    }
