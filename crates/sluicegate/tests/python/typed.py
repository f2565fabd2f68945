"""Requests held against the types that an SDK has for them, more strictly than the SDK does."""

from __future__ import annotations

import collections.abc
import typing
from typing import Any, Callable, get_args, get_origin

import pydantic
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
    if is_record(kind):
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


def is_record(kind: Any) -> bool:
    """Whether it has fields of its own: a dictionary with types, or a model."""
    return is_typeddict(kind) or is_model(kind)


def is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def hints(kind: Any) -> dict[str, Any]:
    """The types of the fields, by the names that these have on the wire."""
    if not is_model(kind):
        return get_type_hints(kind)
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}


def fields(kind: Any, value: Any, where: str) -> None:
    expect(isinstance(value, dict), "an object", value, where)
    at = f"{where}." if where else ""
    known = hints(kind)
    for name in sorted(required(kind) - value.keys()):
        text = f"Missing required parameter: '{at}{name}'."
        raise Mismatch(at + name, "missing_required_parameter", text)
    for name in sorted(value.keys() - known.keys()):
        raise Mismatch(at + name, "unknown_parameter", f"Unknown parameter: '{at}{name}'.")
    for name, inner in value.items():
        check(known[name], inner, at + name)


def required(kind: Any) -> set[str]:
    """What must be there. Python itself does not know it of types that are written as texts."""
    if is_model(kind):
        # What tells the kind of an object has a default, and must be said all the same.
        models = kind.model_fields.items()
        return {field.alias or name for name, field in models if must_be_said(field)}
    typed = get_type_hints(kind, include_extras=True)
    if kind.__total__:
        return {name for name, hint in typed.items() if get_origin(hint) is not NotRequired}
    return {name for name, hint in typed.items() if get_origin(hint) is Required}


def must_be_said(field: pydantic.fields.FieldInfo) -> bool:
    return field.is_required() or get_origin(field.annotation) is Literal


def union(kinds: tuple, value: Any, where: str) -> None:
    """One of the kinds must fit. Which one is meant, a field `type` tells."""
    if value is None and type(None) in kinds:
        return
    kinds = tuple(kind for kind in map(bare, kinds) if kind is not type(None))
    if any(get_origin(kind) is Literal for kind in kinds):
        # Words that are known; that there may be more some day is for answers.
        kinds = tuple(kind for kind in kinds if kind is not Any)
    if isinstance(value, dict):
        meant = tuple(kind for kind in kinds if not is_record(kind) or is_meant(kind, value))
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
    """Whether nothing that tells the kind, where it is a choice among words, says otherwise."""
    known = hints(kind)
    for name in ("type", "role") if is_model(kind) else ("type",):
        if name not in value:
            if name in required(kind):
                return False
            continue
        try:
            check(known.get(name, Any), value[name])
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
