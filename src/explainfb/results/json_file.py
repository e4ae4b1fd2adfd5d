"""results.json: what a study measured, checked against the schema whenever it is read or written."""

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from explainfb.core.errors import InputError
from explainfb.core.files import check_file, parse_json, read_json, write_json, write_whole
from explainfb.core.manifest import check_contents
from explainfb.results.encoding import FORMAT, as_json, from_json, stopped_as_json, stopped_from
from explainfb.results.records import Stopped, StudyResults
from explainfb.results.upgrade import upgraded, upgraded_stop

DAMAGE = (ValueError, KeyError, TypeError, AttributeError, InputError)
"""What a file raises that is no JSON, or whose dictionaries are not what they should be."""


def write_results(results: StudyResults, path: Path) -> None:
    """Check `results` and write them to `path`; a reader sees the old file or the new one, never half of one.

    Raises `InputError` when they break the schema or hold NaN or infinity; `path` is then left as it was.
    """
    found = as_json(results)
    check(found)
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def read_results(path: Path | str) -> StudyResults:
    """The results in the file `path`, of this format or of format 1.

    Raises `InputError` naming the file when it is missing, is no JSON or breaks the schema.

    >>> from explainfb import read_results
    >>> results = read_results("studies/first/results.json")  # of a study that has been run
    >>> results.task, list(results.arms)[0]
    ('digits-decoy', 'before')
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"No results at {path}; run the study first.")
    check_contents(path)
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
        current = found if "format" in found else upgraded(found)  # format 1 had no number
        if (newer := current["format"]) == FORMAT:
            check(current)
            return from_json(current)
    except DAMAGE as error:
        raise InputError(
            f"{path} is damaged ({_short(_text_of(error))}); delete it and run the study again."
        ) from error
    raise InputError(
        f"{path} is of format {newer} and this version reads formats 1 and {FORMAT}; take a newer version."
    )


def write_stopped(stop: Stopped, path: Path) -> None:
    """Write why a round did not run to its end."""
    write_json(stopped_as_json(stop), path)


def read_stopped(path: Path) -> Stopped:
    """What `write_stopped` wrote, or the sentence in a .txt that was written before.

    Raises `InputError` naming the file when it is damaged.
    """
    check_file(path)
    try:
        old = path.suffix == ".txt"
        return stopped_from(upgraded_stop(path.read_text(encoding="utf-8")) if old else read_json(path))
    except DAMAGE as error:
        raise InputError(f"{path} is damaged ({_text_of(error)}); restore it from a copy, or delete it.") from error


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of results.json."""
    text = resources.files("explainfb.results").joinpath("results.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def check(found: object) -> None:
    """Raise `InputError` naming the first place that breaks the schema, or that contradicts another place."""
    broken = best_match(Draft202012Validator(schema()).iter_errors(found))
    if broken is not None:
        raise InputError(
            f"Results do not fit their schema at {_place(*broken.absolute_path)}: {_short(broken.message)}."
        )
    for problem in _contradictions(found, ()):
        raise InputError(f"Results contradict themselves at {problem}.")


def _text_of(error: BaseException) -> str:
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def _place(*path: object) -> str:
    return ".".join(str(part) for part in path) or "the top"


def _short(message: str) -> str:
    return message if len(message) <= 160 else "… " + message[-160:]


def _contradictions(value: object, path: tuple[object, ...]) -> Iterator[str]:
    """What a schema cannot say: numbers are finite, ends are in order, what is said twice is the same."""
    if isinstance(value, float) and not abs(value) < float("inf"):
        yield f"{_place(*path)}: {value} is not a finite number"
    if isinstance(value, dict):
        if path[:1] != ("settings",):  # a setting may have any name, such as low
            yield from _disagreements(value, path)
        for name, inner in value.items():
            yield from _contradictions(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _contradictions(inner, (*path, index))


def _disagreements(record: dict[str, Any], path: tuple[object, ...]) -> Iterator[str]:
    low, high = record.get("low"), record.get("high")
    if low is not None and high is not None and low > high:
        yield f"{_place(*path, 'low and high')}: {low} exceeds {high}"
    if "flags" in record and record["reliable"] == bool(record["flags"]):
        yield f"{_place(*path)}: what failed a check is not reliable, and nothing else is"
    if not path and (nameless := record["arms"].keys() - record["arm_descriptions"].keys()):
        yield f"arm_descriptions: {min(nameless)} is not described"
    for name, interval in _stated_twice(record):
        if record[name] != (interval and interval["estimate"]):
            yield f"{_place(*path, name)}: {record[name]} is not the estimate of its interval"


def _stated_twice(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names of numbers that stand beside their intervals, and these."""
    yield from record.get("intervals", {}).items()
    for key in ("interval", "reward_accuracy_interval"):
        if key in record:
            yield "reward_accuracy", record[key]
