"""How the records of the commands become options: each with its sentence, those that people use first."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache, partial
from itertools import pairwise
from typing import Annotated, Any, TypeVar, get_type_hints

from tyro.conf import FlagCreatePairsOff, arg
from tyro.constructors import (
    MISSING_NONPROP,
    ConstructorRegistry,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

T = TypeVar("T")
Flat = Annotated[T, arg(name="")]
"""A record whose settings are options without a prefix."""
UsualOptions = Mapping[type, tuple[str, ...]]
"""The fields of a command's records that its first page of help shows, the command first, in this order."""
HELP_ALL = StructFieldSpec(
    name="help_all",
    type=Annotated[bool, FlagCreatePairsOff, arg(help_behavior_hint="")],  # type: ignore[arg-type]
    default=False,
    helptext="show the other options too, and exit",
)


@cache
def sentences(record: type) -> dict[str, str]:
    """What the docstring below each field of a dataclass says, in one line; of inherited fields too."""
    # read from the source, because Python keeps no docstring of a field
    found: dict[str, str] = {}
    for part in (part for part in reversed(record.__mro__) if is_dataclass(part)):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
        assert isinstance(definition, ast.ClassDef)
        for line, below in pairwise(definition.body):
            match line, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = " ".join(text.split())
    return found


def option_rules(usual: UsualOptions | None = None) -> ConstructorRegistry:
    """How tyro makes options of dataclasses; where `usual` is given, for a page of help, of the fields in it alone."""
    registry = ConstructorRegistry()

    @registry.struct_rule
    def record(info: StructTypeInfo) -> StructConstructorSpec | None:
        if not is_dataclass(info.type) or not info.type.__module__.startswith("explainfb."):
            return None  # tyro wraps what it is given in a dataclass of its own
        made = {spec.name: spec for spec in _specs(info)}
        shown = list(made.values())
        if usual is not None and info.type in usual:
            shown = [made[name] for name in usual[info.type]]
            shown[:0] = [HELP_ALL] if info.type is next(iter(usual)) else []
        return StructConstructorSpec(instantiate=info.type, fields=tuple(shown))

    return registry


def _specs(info: StructTypeInfo) -> Iterator[StructFieldSpec]:
    """Each field with its sentence; a default that is nothing is not mentioned."""
    hints = get_type_hints(info.type, include_extras=True)
    for item in fields(info.type):
        default = _default(item, info.default)
        silent = default is None or default == ()
        kind: Any = Annotated[hints[item.name], arg(help_behavior_hint="")] if silent else hints[item.name]
        sentence = partial(_sentence, info.type, item.name)  # only help reads the source, which takes time
        yield StructFieldSpec(name=item.name, type=kind, default=default, helptext=sentence)


def _default(item: Field[Any], given: object) -> Any:
    """What the field is in the record that is `given`, where one is, else what it is by itself."""
    if is_dataclass(given):
        return getattr(given, item.name)
    if item.default_factory is not MISSING:
        return item.default_factory()
    return MISSING_NONPROP if item.default is MISSING else item.default


def _sentence(record: type, name: str) -> str | None:
    return sentences(record).get(name)
