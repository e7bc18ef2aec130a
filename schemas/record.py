"""Frozen dataclasses to JSON and back, by their type hints.

- Field names are JSON keys, in order. An optional field (`X | None = None`) that is None is left out.
- Reading is closed: an unknown, missing or wrongly typed key is a `RecordError` with its JSON pointer.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from sparkle.schemas.errors import RecordError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)


@dataclasses.dataclass(frozen=True)
class Record:
    """A record of the contract; subclasses are frozen dataclasses."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values, keys in the order of the fields, absent optionals left out."""
        return dump_fields(self)

    @classmethod
    def from_json(cls, value: Any, pointer: str = "") -> Self:
        """Read a record; raises RecordError with the pointer of what does not fit."""
        return load_fields(cls, value, pointer)


def dump_fields(instance: DataclassInstance) -> dict[str, Any]:
    """The fields of a dataclass as JSON values, in their order; None is left out."""
    found = {}
    for name, dump in _dumpers(type(instance)):
        value = getattr(instance, name)
        if value is not None:
            found[name] = value if dump is None else dump(value)
    return found


def load_fields(cls: type[T], value: Any, pointer: str = "") -> T:
    """A dataclass from JSON values; raises RecordError with the pointer of what does not fit."""
    try:
        loaded: T = _loader(cls)(value)
    except _MisfitError as misfit:
        where = pointer + "".join(f"/{part}" for part in reversed(misfit.path))
        raise RecordError(misfit.problem, got=misfit.got, wanted=misfit.wanted, where=where or "/") from None
    return loaded


class _MisfitError(Exception):
    """What does not fit; its path grows, innermost part first, on the way out."""

    def __init__(self, problem: str, wanted: str, got: str | None = None, *path: object) -> None:
        self.problem, self.wanted, self.got, self.path = problem, wanted, got, list(path)


def _wrong(value: Any, wanted: str, problem: str = "wrong type") -> NoReturn:
    raise _MisfitError(problem, wanted, repr(value)[:80])


# --- one function a type, made once: records are read and written by the million ------------------

_Load = Callable[[Any], Any]


@cache
def _loader(hint: Any) -> _Load:
    """The function that reads values of a type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda value: value
    if origin in (types.UnionType, typing.Union):
        return _optional(next(argument for argument in arguments if argument is not types.NoneType))
    if origin is tuple:
        return _sequence(arguments[0], str(hint))
    if origin is dict:
        return _mapping(arguments[1], str(hint))
    if dataclasses.is_dataclass(hint):
        return _dataclass(typing.cast(type[Any], hint))
    return _number if hint is float else _exactly(hint)


def _exactly(hint: type) -> _Load:
    def load(value: Any) -> Any:
        return value if type(value) is hint else _wrong(value, str(hint))

    return load


def _number(value: Any) -> float:
    if type(value) in (int, float) and math.isfinite(value):
        return float(value)
    _wrong(value, str(float))


def _optional(hint: Any) -> _Load:
    inner = _loader(hint)
    return lambda value: None if value is None else inner(value)


def _sequence(hint: Any, shown: str) -> _Load:
    inner = _loader(hint)

    def load(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            _wrong(value, shown)
        loaded: list[Any] = []
        try:
            loaded.extend(map(inner, value))
        except _MisfitError as misfit:
            misfit.path.append(len(loaded))
            raise
        return tuple(loaded)

    return load


def _mapping(hint: Any, shown: str) -> _Load:
    inner = _loader(hint)

    def load(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            _wrong(value, shown)
        loaded = {}
        for key, item in value.items():
            try:
                loaded[key] = inner(item)
            except _MisfitError as misfit:
                misfit.path.append(key)
                raise
        return loaded

    return load


def _dataclass(cls: type[DataclassInstance]) -> _Load:
    hints = typing.get_type_hints(cls)
    loaders = {field.name: _loader(hints[field.name]) for field in dataclasses.fields(cls)}
    required = [
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]

    def load(value: Any) -> Any:
        if type(value) is not dict:
            _wrong(value, cls.__name__, "not an object")
        loaded = {}
        for key, item in value.items():
            if key not in loaders:
                raise _MisfitError("unknown key", ", ".join(loaders), key, key)
            try:
                loaded[key] = loaders[key](item)
            except _MisfitError as misfit:
                misfit.path.append(key)
                raise
        if len(loaded) < len(loaders):
            for name in required:
                if name not in loaded:
                    raise _MisfitError("missing key", name)
        return cls(**loaded)

    return load


@cache
def _dumpers(cls: type[DataclassInstance]) -> tuple[tuple[str, Callable[[Any], Any] | None], ...]:
    """The fields of a dataclass, each with what writes its value; None where that is the value itself."""
    hints = typing.get_type_hints(cls)
    plain = (str, int, float, bool)
    return tuple(
        (field.name, None if hints[field.name] in plain else _dump) for field in dataclasses.fields(cls)
    )


def _dump(value: Any) -> Any:
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, tuple | list):
        return [_dump(item) for item in value]
    if isinstance(value, dict):
        return {key: _dump(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dump_fields(value)
    return value
