"""study.toml: the settings of a study as it was run, of this format or an earlier one."""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomli_w

from explainfb.core.errors import InputError
from explainfb.core.files import parse_toml, write_whole
from explainfb.core.manifest import check_contents
from explainfb.core.renamed import RENAMED_SETTINGS
from explainfb.study.settings import Plain, StudySettings, as_plain, flatten

FORMAT = 2
"""Of study.toml. Format 1, without a number, has the old names of `core.renamed`."""


def write_settings(settings: StudySettings, path: Path) -> None:
    """Write study.toml."""
    text = tomli_w.dumps({"format": FORMAT, **as_plain(settings)})
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def read_settings(path: Path) -> StudySettings:
    """Read study.toml, of this format or an earlier one.

    Raises `InputError` naming the file when it is missing, damaged or of a later format.
    """
    return _read(path)[0]


def upgrade_settings(path: Path) -> StudySettings:
    """Read study.toml, and write it anew where it is of an earlier format; raises as `read_settings` does."""
    settings, format = _read(path)
    if format != FORMAT:
        with suppress(OSError):  # a file that may not be written, as in an archive, is read all the same
            write_settings(settings, path)
    return settings


def _read(path: Path) -> tuple[StudySettings, int]:
    """The settings, and the format of the file that they were in."""
    if not path.is_file():
        seeds = sorted(place.parent.name for place in path.parent.glob(f"seed-*/{path.name}"))
        if seeds:
            raise InputError(f"{path.parent} is a sweep of several studies; give one of {', '.join(seeds)} in it.")
        raise InputError(f"{path.parent} is not a study: it has no {path.name}; give the folder of an earlier run.")
    check_contents(path)
    try:
        plain = parse_toml(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of TOML, or of UTF-8
        raise InputError(f"{path} is damaged ({error}); restore it from a copy.") from error
    format = plain.pop("format", 1)
    if format not in (1, FORMAT):
        raise InputError(f"{path} is of format {format!r} and this explainfb reads 1 to {FORMAT}; take a newer one.")
    try:
        current = with_new_names(plain) if format == 1 else plain
        check_known(current)
        settings: StudySettings = _build(StudySettings, current)
    except (TypeError, ValueError, AttributeError, RecursionError, InputError) as error:
        raise InputError(
            f"{path} is of another version or was edited ({error}); restore it, or take the explainfb that wrote it."
        ) from error
    return settings, format


def settings_of(flat: Mapping[str, Any]) -> StudySettings:
    """The settings of these values by dotted name, of today or of before; what is not among them is as usual.

    Raises `InputError` for settings that there are not, and for values that do not fit.
    """
    current = with_new_names(dict(flat))
    try:
        check_known(current)
        settings: StudySettings = _build(StudySettings, current)
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"Settings of a study were expected ({error}); take the explainfb that wrote them.") from error
    return settings


def with_new_names(plain: Plain) -> Plain:
    """Nested settings of format 1, by the names that they have now."""
    then = flatten(plain)
    renamed: Plain = {}
    for name, value in then.items():
        now = RENAMED_SETTINGS.get(name, name)
        if now != name and now in then:
            raise InputError(f"it has both {name} and {now}, which is its name now")
        *records, last = now.split(".")
        inner: Any = renamed
        for record in records:
            inner = inner.setdefault(record, {})
        inner[last] = value
    return renamed


def check_known(plain: Plain) -> None:
    """Raise `InputError` for settings that there are not."""
    unknown = sorted(flatten(plain).keys() - set(_names(StudySettings())))
    if unknown:
        raise InputError(f"there is no setting {', '.join(unknown)}")


def _names(record: Any, prefix: str = "") -> Iterator[str]:
    """The dotted names of all settings."""
    for item in dataclasses.fields(record):
        value = getattr(record, item.name)
        if dataclasses.is_dataclass(value):
            yield from _names(value, f"{prefix}{item.name}.")
        else:
            yield prefix + item.name


def _build(record: Any, plain: Plain) -> Any:
    values: dict[str, object] = {}
    for name, value in plain.items():
        default = getattr(record(), name) if name in {item.name for item in dataclasses.fields(record)} else None
        if isinstance(value, dict):
            value = _build(type(default), value)
        values[name] = tuple(value) if isinstance(value, list) else value  # frozen, as the settings are
    return record(**values)


def check_same(wanted: StudySettings, stored: StudySettings, folder: Path) -> None:
    """Raise `InputError` naming the settings in which a study differs from what is asked of it now."""
    now, then = flatten(as_plain(wanted)), flatten(as_plain(stored))
    different = [name for name in sorted(now.keys() | then.keys()) if now.get(name) != then.get(name)]
    if different:
        listed = "; ".join(f"{name} was {then.get(name)!r}, now {now.get(name)!r}" for name in different[:5])
        raise InputError(
            f"The study in {folder} was begun with other settings ({listed}); "
            "give the same ones to resume it, or none, which takes its own, or another folder (--study; of a sweep "
            "--folder)."
        )
