"""Records and configurations from JSON or TOML values; and what does not fit a schema, in words.

How it works
- `load` reads a value into its type (msgspec), closed and typed. Of a value that does not fit, the JSON
  Schema of the type names what is wrong, as the published ones do in lines and documents.
- `misfits` names pointer, problem, what was got and what was wanted (`jsonschema`, whose `best_match` picks
  what is most telling). The compiled validators are a hundred times faster: this is for what they refused.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, TypeVar

import msgspec

from sparkle.schemas.errors import RecordError

T = TypeVar("T")

SHOWN = 120  # characters of a value that a finding shows
LONGEST = 300  # characters of a pointer, and of what was wanted
MOST = 20  # findings of one record; whoever mends those sees the next ones


def load(kind: type[T], value: Any, where: str = "") -> T:
    """A record or a configuration from JSON or TOML values: closed and typed.

    Args:
        kind: A Struct, or a dataclass whose fields are plain.
        value: The values.
        where: What they belong to, put before the pointer of what does not fit.

    Raises:
        RecordError: a key is unknown or missing, or a value is of the wrong type or not a finite number.
    """
    options = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else None
    unknown = options is not None and set(value) - {item.name for item in options}
    said = ""
    try:
        loaded = msgspec.convert(value, kind)
        if not unknown and not any(_not_finite(value)):
            return loaded
    except msgspec.ValidationError as error:
        said = str(error)
    schema = msgspec.json.schema(kind)
    if options is not None:  # msgspec closes Structs alone
        schema["$defs"][kind.__name__]["additionalProperties"] = False
    problem, _, place = said.partition(" - at `$")
    other = (re.sub(r"[.[]", "/", place.rstrip("`").replace("]", "")), problem, None, None)
    pointer, problem, got, wanted = next(iter(misfits(schema, value)), other)
    raise RecordError(problem, got=got, wanted=wanted, where=f"{where}{pointer}".rstrip() or "/")


def _not_finite(
    value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _not_finite(item, (*path, key))


# --- what does not fit, in words -------------------------------------------------------------------

Misfit = tuple[str, str, str | None, str | None]  # pointer, problem, got, wanted

# Keyword of JSON Schema -> what is wrong with what does not follow it, and what it wants.
_BLANK = r"\S"  # the pattern of text that has anything in it
_WORDS = {
    "type": ("wrong type", "{}"),
    "enum": ("not an allowed value", "{}"),
    "const": ("not the required value", "{}"),
    "pattern": ("does not match the pattern", "{}"),
    "minimum": ("too small", "at least {}"),
    "maximum": ("too large", "at most {}"),
    "minLength": ("too short", "at least {} characters"),
    "minItems": ("too few items", "at least {} items"),
    "maxItems": ("too many items", "at most {} items"),
    "not": ("not allowed", "nothing that fits {}"),
}


@cache
def _naming() -> Any:
    """The class of validators that name what is wrong, some hundred times slower than the compiled ones.

    They search a pattern as those and ECMA do, where `$` is the end of the text alone, and take a tuple for
    an array.
    """
    import jsonschema

    def pattern(_: Any, wanted: str, value: Any, __: Any) -> Iterator[Any]:
        if isinstance(value, str) and not re.search(wanted.replace("$", r"\Z"), value):
            yield jsonschema.ValidationError(f"{value!r} does not match {wanted!r}")

    base = jsonschema.Draft202012Validator
    array = base.TYPE_CHECKER.redefine("array", lambda _, value: isinstance(value, list | tuple))
    return jsonschema.validators.extend(base, {"pattern": pattern}, type_checker=array)


def misfits(schema: Mapping[str, Any], value: Any, place: Sequence[str | int] = ()) -> list[Misfit]:
    """What is wrong with a value at some place: the most telling first, each once, and few of them."""
    wrong = [
        (to_pointer([*place, *path]), "not a finite number", str(number), None)
        for path, number in islice(_not_finite(value), MOST)
    ]
    try:
        errors = sorted(islice(_naming()(schema).iter_errors(value), MOST), key=_telling, reverse=True)
    except RecursionError:
        return [(to_pointer(place), "nested too deep", None, None)]
    return [*wrong, *dict.fromkeys(_named(error, place) for error in errors)]


def _telling(error: Any) -> Any:
    from jsonschema.exceptions import relevance

    return relevance(error), error.validator == "additionalProperties"  # rather than what it may stand for


def _named(error: Any, place: Sequence[str | int]) -> Misfit:
    from jsonschema.exceptions import best_match

    error = best_match([error])  # of what stands below it
    keyword, wanted = error.validator, error.validator_value
    path, problem, got = [*place, *error.absolute_path], error.message, repr(error.instance)
    if keyword == "additionalProperties":
        known = list(error.schema["properties"])
        got = next(name for name in error.instance if name not in known)
        path, problem, wanted = [*path, got], "unknown key", ", ".join(known)
    elif keyword == "required":
        wanted = ", ".join(name for name in wanted if name not in error.instance)
        return to_pointer(path), "missing key", None, cut(wanted, LONGEST)
    elif error.context:  # several forms, of which none is nearest: those of another type say nothing
        parts = [part for part in error.context if part.validator != "type"] or error.context
        told = [_named(part, place) for part in sorted(parts, key=_telling, reverse=True)]
        if len({part.schema_path[0] for part in parts}) == 1:
            return told[0]
        problems = dict.fromkeys(problem for _, problem, _, _ in told)
        problem = next(iter(problems)) if len(problems) == 1 else "matches no allowed form"
        wanted = " or ".join(dict.fromkeys(str(want) for *_, want in told))
    else:
        problem, form = _WORDS.get(keyword, (problem, "{}"))
        problem, wanted = ("blank", "some text") if wanted == _BLANK else (problem, wanted)
        some = wanted if isinstance(wanted, list) else [wanted]
        wanted = form.format(", ".join(one if isinstance(one, str) else json.dumps(one) for one in some))
    return to_pointer(path), cut(problem, LONGEST), cut(got, SHOWN), cut(wanted, LONGEST)


def to_pointer(path: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901); a key of any length may be in it."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return cut("".join(f"/{part}" for part in parts), LONGEST)


def cut(text: str, most: int) -> str:
    """A text, or its beginning."""
    return text if len(text) <= most else f"{text[:most]} ..."
