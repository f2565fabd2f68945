"""Requests held against the types that an SDK has for them, more strictly than the SDK does."""

from __future__ import annotations

import collections.abc
import typing
from typing import Any, Callable, get_args, get_origin

from typing_extensions import (
    Literal,
    NotRequired,
    Required,
    TypeAliasType,
    get_type_hints,
    is_typeddict,
)

LISTS = (list, collections.abc.Iterable, collections.abc.Sequence)
NUMBERS = {int: (int,), float: (int, float)}


class Mismatch(Exception):
    """Where a value is not of its type, and why."""

    def __init__(self, where: str, code: str, message: str):
        super().__init__(f"{where}: {message}")
        self.where, self.code, self.message = where, code, message


def check(kind: Any, value: Any, where: str = "") -> None:
    """Hold a value against a type: there is nothing in it that the type does not know."""
    kind = bare(kind)
    origin = get_origin(kind)
    if kind in (Any, object):
        return
    if is_typeddict(kind):
        fields(kind, value, where)
    elif origin is Literal:
        known = get_args(kind)
        if value not in known:
            names = ", ".join(f"'{one}'" for one in known)
            text = f"Invalid value: '{value}'. Supported values are: {names}."
            raise Mismatch(where, "invalid_value", text)
    elif origin is typing.Union:
        union(get_args(kind), value, where)
    elif origin in LISTS or getattr(origin, "__name__", "") == "SequenceNotStr":
        expect(isinstance(value, list), "an array", value, where)
        for at, inner in enumerate(value):
            check(get_args(kind)[0], inner, f"{where}[{at}]")
    elif origin is dict:
        expect(isinstance(value, dict), "an object", value, where)
        for name, inner in value.items():
            check(get_args(kind)[1], inner, f"{where}.{name}")
    else:
        wanted = NUMBERS.get(kind, (kind,))
        fits = isinstance(value, wanted) and (kind is bool or not isinstance(value, bool))
        expect(fits, kind.__name__, value, where)


def bare(kind: Any) -> Any:
    """A type without what stands around it, and that which a name is for."""
    while True:
        origin = get_origin(kind)
        if origin in (Required, NotRequired, typing.Annotated):
            kind = get_args(kind)[0]
        elif isinstance(origin, TypeAliasType):
            kind = origin.__value__[get_args(kind)]
        elif isinstance(kind, TypeAliasType):
            kind = kind.__value__
        else:
            return kind


def expect(condition: bool, wanted: str, value: Any, where: str) -> None:
    if not condition:
        found = type(value).__name__
        text = f"Invalid type for '{where}': expected {wanted}, but got {found} instead."
        raise Mismatch(where, "invalid_type", text)


def fields(kind: Any, value: Any, where: str) -> None:
    expect(isinstance(value, dict), "an object", value, where)
    at = f"{where}." if where else ""
    known = get_type_hints(kind)
    for name in sorted(required(kind) - value.keys()):
        text = f"Missing required parameter: '{at}{name}'."
        raise Mismatch(at + name, "missing_required_parameter", text)
    for name in sorted(value.keys() - known.keys()):
        raise Mismatch(at + name, "unknown_parameter", f"Unknown parameter: '{at}{name}'.")
    for name, inner in value.items():
        check(known[name], inner, at + name)


def required(kind: Any) -> set[str]:
    """What must be there. Python itself does not know it of types that are written as texts."""
    hints = get_type_hints(kind, include_extras=True)
    if kind.__total__:
        return {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}
    return {name for name, hint in hints.items() if get_origin(hint) is Required}


def union(kinds: tuple, value: Any, where: str) -> None:
    """One of the kinds must fit. Which one is meant, a field `type` tells."""
    if value is None and type(None) in kinds:
        return
    kinds = tuple(kind for kind in map(bare, kinds) if kind is not type(None))
    if isinstance(value, dict):
        meant = tuple(kind for kind in kinds if not is_typeddict(kind) or is_meant(kind, value))
        text = f"Invalid value: '{value.get('type')}'."
        if not meant:
            raise Mismatch(f"{where}.type", "invalid_value", text)
        kinds = meant
    found: list[Mismatch] = []
    for kind in kinds:
        try:
            return check(kind, value, where)
        except Mismatch as mismatch:
            found.append(mismatch)
    raise max(found, key=lambda mismatch: len(mismatch.where))


def is_meant(kind: Any, value: dict) -> bool:
    named = get_type_hints(kind).get("type")
    if "type" not in value:
        return "type" not in required(kind)
    try:
        check(named, value["type"])
    except Mismatch:
        return False
    return True


def checker(kind: Any, refuse: Callable[[Mismatch], Exception]) -> Callable[[Any], None]:
    """A check that answers with the provider's own error."""

    def run(value: Any) -> None:
        try:
            check(kind, value)
        except Mismatch as mismatch:
            raise refuse(mismatch) from None

    return run
