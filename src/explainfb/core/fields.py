"""Settings are checked where they are made: each field holds a value of its own kind, from wherever it came.

NumPy's numbers are taken, and kept as Python's own, because a file of settings knows no others. A number that is nearly
right (1.5 rounds, 20.0 comparisons, `nan`) is not: it would fail in the middle of the work, or mean something else.
"""

import math
import numbers
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from explainfb.core.errors import InputError


class _WrongKindError(Exception):
    """What was expected, in words."""


def check_fields(settings: Any, prefix: str = "") -> None:
    """Raise `InputError` naming the first field of the dataclass `settings` whose value is not of its annotated kind.

    NumPy's numbers become Python's, lists and arrays become tuples. `prefix` stands before the field's name, such as
    `reward.`.
    """
    for name, hint in _hints(settings):
        value = getattr(settings, name)
        try:
            kept = _as(hint, value)
        except _WrongKindError as expected:
            raise InputError(f"{prefix}{name} is {expected}; found {value!r}.") from None
        if kept is not value:
            object.__setattr__(settings, name, kept)  # frozen, but not yet seen by anyone


def whole_number(value: object, name: str, *, least: int | None = None) -> int:
    """`value` as an int. Raises `InputError` naming the argument where it is no whole number of at least `least`."""
    try:
        number: int = _as(int, value)
    except _WrongKindError as expected:
        raise InputError(f"{name} is {expected}; found {value!r}.") from None
    if least is not None and number < least:
        raise InputError(f"{name} must be at least {least}; found {number}.")
    return number


def _hints(settings: Any) -> list[tuple[str, Any]]:
    """Each field of a dataclass and its annotation."""
    record: Any = type(settings)  # a class is hashable, which mypy does not know of any
    return _hints_of_class(record)


@cache
def _hints_of_class(record: Any) -> list[tuple[str, Any]]:
    hints = get_type_hints(record)
    return [(item.name, hints[item.name]) for item in fields(record)]


def _as(hint: Any, value: Any) -> Any:
    """`value` as `hint` has it. Raises `_WrongKindError` saying what was expected."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Literal:
        return _word(inside, value)
    if origin in (Union, UnionType):
        return _one_of(inside, value)
    if origin is tuple:
        return _several(inside[0], value)
    if hint in (int, float, bool, str, Path) or is_dataclass(hint):
        return _single(hint, value)
    return value  # such as a mapping of records, which checks itself


def _word(allowed: Sequence[Any], value: Any) -> Any:
    if value not in allowed:
        raise _WrongKindError(f"one of {', '.join(allowed)}")
    return value


def _one_of(hints: Sequence[Any], value: Any) -> Any:
    expected = []
    if value is None and type(None) in hints:
        return None
    for hint in (hint for hint in hints if hint is not type(None)):
        try:
            return _as(hint, value)
        except _WrongKindError as refused:
            expected.append(str(refused))
    raise _WrongKindError(" or ".join(expected))


def _several(hint: Any, value: Any) -> Any:
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str):
        raise _WrongKindError(
            "several values, such as (0.1, 0.2)" if hint is float else "several values, in a list or tuple"
        )
    try:
        kept = tuple(_as(hint, item) for item in value)
    except _WrongKindError as expected:
        raise _WrongKindError(f"several values, each {expected}") from None
    return value if isinstance(value, tuple) and all(a is b for a, b in zip(kept, value, strict=True)) else kept


def _single(hint: Any, value: Any) -> Any:
    if hint is bool:
        if not isinstance(value, bool | np.bool_):
            raise _WrongKindError("true or false")
        return bool(value)
    if hint is int:
        if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
            raise _WrongKindError("a whole number")
        return int(value)
    if hint is float:
        return _real(value)
    if hint is Path:
        if not isinstance(value, str | Path):
            raise _WrongKindError("a path")
        return Path(value)
    if not isinstance(value, hint):
        raise _WrongKindError("text" if hint is str else f"of the type {hint.__name__}")
    return value


def _real(value: Any) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise _WrongKindError("a number")
    number = float(value)
    if not math.isfinite(number):
        raise _WrongKindError("a finite number")
    return value if isinstance(value, int) else number  # a whole number stays as it was written
