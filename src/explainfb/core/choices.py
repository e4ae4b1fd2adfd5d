"""Settings that are one of a few words."""

from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from explainfb.core.errors import InputError


def check_choices(settings: Any, prefix: str = "") -> None:
    """Raise `InputError` naming the first field of the dataclass `settings` whose word is not one of its `Literal`.

    `prefix` stands before the field's name, such as `reward.`.
    """
    hints = get_type_hints(type(settings))
    for item in fields(settings):
        allowed = get_args(hints[item.name]) if get_origin(hints[item.name]) is Literal else ()
        value = getattr(settings, item.name)
        if allowed and value not in allowed:
            raise InputError(f"{prefix}{item.name} is one of {', '.join(allowed)}; found {value!r}.")
