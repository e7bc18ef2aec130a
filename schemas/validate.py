"""What does not follow the contract in lines and documents, and where.

How it works
- JSON is read strictly (`parse_strict`): a duplicate key, NaN, infinity, invalid UTF-8, a lone surrogate, a
  byte order mark, a blank line or something that is too large or too deep is refused.
- The compiled published schema says in microseconds whether a value follows it. Of one that does not,
  `misfits` names what is wrong.
- What a schema cannot say (x1 < x2, labels that match) is checked in `semantics` functions here, so that
  steps, builders and `sparkle validate` find the same things.
- A finding is short and a record has few, whatever a hostile line holds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial, reduce
from importlib import resources
from itertools import islice
from operator import getitem
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import msgspec

from sparkle.schemas.errors import RecordError
from sparkle.schemas.load import LONGEST, MOST, SHOWN, Misfit, cut, misfits, to_pointer
from sparkle.schemas.misplaced import HEAD_BYTES, recognise


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not follow the contract, and where. `line` counts from 1; 0 is the whole file."""

    file: str
    line: int
    pointer: str
    problem: str
    got: str | None = None
    wanted: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        rest = [
            f"{name} {value}"
            for name, value in (("got", self.got), ("wanted", self.wanted))
            if value is not None
        ]
        return _text(" | ".join([f"{place} {self.pointer}".rstrip(), self.problem, *rest]))

    def to_json(self) -> dict[str, Any]:
        """Its parts as JSON values."""
        values = asdict(self)
        return {name: _text(value) if isinstance(value, str) else value for name, value in values.items()}


def _text(text: str) -> str:
    """A text that can be printed and written: bytes of a file's name that are not UTF-8 are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


# --- a value against a published schema ------------------------------------------------------------


@cache
def load_schema(name: str) -> dict[str, Any]:
    """The published JSON Schema of a kind of record, such as `training_metadata`."""
    text = resources.files("sparkle.schemas").joinpath("json", f"{name}.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _compiled(name: str) -> Any:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(load_schema(name))


def follows(name: str, value: Any) -> bool:
    """Whether a value follows a schema, semantics aside."""
    try:
        fits: bool = _compiled(name).is_valid(value)
    except ValueError:  # jsonschema_rs goes 255 levels deep
        return False
    return fits


def findings_of(name: str, value: Any, *, file: str = "", line: int = 0) -> Iterator[Finding]:
    """In what a value does not follow a schema, or its semantics: the first places."""
    if not follows(name, value):
        for misfit in dict.fromkeys(_misfits(name, value)):
            yield Finding(file, line, *misfit)
    elif name in _SEMANTICS:
        for pointer, problem, got in islice(_SEMANTICS[name](value), MOST):
            yield Finding(file, line, pointer, problem, got=cut(got, SHOWN))


def _misfits(name: str, value: Any) -> Iterator[Misfit]:
    """What the compiled validator refuses, in words; each keyword is asked alone, whatever else there is."""
    try:
        errors = list(islice(_compiled(name).iter_errors(value), MOST))
    except ValueError:
        yield "", "nested too deep", None, None
        return
    for error in errors:
        *path, keyword = error.schema_path
        rule: Any = reduce(getitem, path, load_schema(name))
        known = dict.fromkeys(rule.get("properties", ()), True)
        part: Any = reduce(getitem, error.instance_path, value)
        told = misfits({keyword: rule[keyword], "properties": known}, part, error.instance_path)
        yield (
            told[0] if told else (to_pointer(error.instance_path), cut(error.message, LONGEST), None, None)
        )


def check(name: str, value: Any, *, where: str) -> None:
    """Raise RecordError for the first finding; `where` says what the value belongs to."""
    for finding in findings_of(name, value):
        place = f"{where} {finding.pointer}".rstrip()
        raise RecordError(finding.problem, got=finding.got, wanted=finding.wanted, where=place)


def check_jsonl(
    path: Path, name: str, *, file: str | None = None
) -> Iterator[tuple[int, Any, list[Finding]]]:
    """Yield (line number, value or None, findings) of a file of JSON lines; `file` is the name to show."""
    shown = file if file is not None else str(path)
    with path.open("rb") as lines:
        for number, (_, line) in enumerate(bounded_lines(lines), 1):
            value, findings = check_line(line, name, file=shown, number=number)
            yield number, value, findings


def check_line(line: bytes, name: str, *, file: str = "", number: int = 0) -> tuple[Any, list[Finding]]:
    """The value of a JSON line of others, None when it has none, and what is wrong with it."""
    try:
        value = parse_strict(line)
    except RecordError as error:
        return None, [Finding(file, number, "", error.problem, got=error.got, wanted=error.wanted)]
    return value, list(findings_of(name, value, file=file, line=number))


# --- what a schema cannot say: (pointer, problem, got) -----------------------------------------

_Semantic = Iterator[tuple[str, str, str]]


def _boxes(objects: list[dict[str, Any]], pointer: str) -> _Semantic:
    for index, item in enumerate(objects):
        box = item["bbox_2d"]
        if box and (box[0] >= box[2] or box[1] >= box[3]):
            yield f"{pointer}/{index}/bbox_2d", "a box needs x1 < x2 and y1 < y2", str(box)


def _grounding_r1(value: dict[str, Any]) -> _Semantic:
    if value["edit_type"] != _theme_in(value):
        yield "/edit_type", "edit_type is not the id's theme", f"{value['edit_type']} of {value['id']}"
    labels = [item["label"] for item in value["round1_objects"]]
    named = list(value["round1_labels"])
    if labels != named:
        yield "/round1_labels", "labels differ from those of round1_objects", str(named)
    if len(set(labels)) != len(labels):
        yield "/round1_labels", "a label stands twice", str(labels)
    yield from _boxes(value["round1_objects"], "/round1_objects")


def _grounding_r2(value: dict[str, Any]) -> _Semantic:
    yield from _grounding_r1(value)
    named = list(value["round1_labels"])
    for index, objects in enumerate(value["frame_objects"]):
        pointer = f"/frame_objects/{index}"
        labels = [item["label"] for item in objects]
        if labels != named:
            yield pointer, "labels differ from round 1's", str(labels)
        yield from _boxes(objects, pointer)


def _frame_indices(value: dict[str, Any]) -> _Semantic:
    indices = list(value["frame_indices"])
    if indices != sorted(set(indices)):
        yield "/frame_indices", "frame indices must rise", str(indices)


def _verdict(value: dict[str, Any]) -> _Semantic:
    if value["status"] != "ok":
        if "reason" not in value:
            yield "/status", "no scores, and no word why", value["status"]
        if "scores" in value:
            yield "/scores", "scores of what was not judged", value["status"]
    elif "scores" not in value or "raw" not in value:
        yield "/scores", "a verdict without scores, or without those that were given", value["status"]
    elif len(value["scores"]) != len(value["raw"]):
        yield "/scores", "another number of scores than were given", str(len(value["scores"]))


def _verdicts_head(value: dict[str, Any]) -> _Semantic:
    rubric = value["rubric"]
    if rubric["lowest"] >= rubric["highest"]:
        yield "/rubric/lowest", "not below the highest score", str(rubric["lowest"])
    keys = [dimension["key"] for dimension in rubric["dimensions"]]
    if len(set(keys)) < len(keys):
        yield "/rubric/dimensions", "a dimension stands twice", ", ".join(keys)


def _id_and_type(value: dict[str, Any]) -> _Semantic:
    theme, kind = _theme_in(value), value["metadata"]["edit_type"]
    if kind not in (theme, f"{theme}_background_change"):
        yield "/metadata/edit_type", "edit_type is not the id's theme", f"{kind} of {value['id']}"


def _theme_in(value: dict[str, Any]) -> str:
    theme: str = value["id"].split("_")[1]
    return theme


def _whole_numbers(name: str, value: Any) -> _Semantic:
    """Yield where a document has 1.0 for 1: an integer to JSON Schema, and to nobody who counts by it."""
    schema = load_schema(name)

    def look(rule: Any, value: Any, pointer: str) -> _Semantic:
        rule = rule if isinstance(rule, dict) else {}
        if "$ref" in rule:
            rule = schema["$defs"][rule["$ref"].rpartition("/")[2]]
        if isinstance(value, float) and "integer" in rule.get("type", ()) and "number" not in rule["type"]:
            yield pointer, "a whole number with a fraction", str(value)
        elif isinstance(value, dict):
            for key, item in value.items():
                inside = rule.get("properties", {}).get(key, rule.get("additionalProperties"))
                yield from look(inside, item, pointer + to_pointer([key]))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from look(rule.get("items"), item, f"{pointer}/{index}")

    yield from look(schema, value, "")


_SEMANTICS: dict[str, Callable[[dict[str, Any]], _Semantic]] = {
    "training_metadata": _id_and_type,
    "grounding_r1": _grounding_r1,
    "grounding_r2": _grounding_r2,
    "video_score": _frame_indices,
    "verdict": _verdict,
    "verdicts_head": _verdicts_head,
    **{name: partial(_whole_numbers, name) for name in ("manifest", "index", "provenance")},
}


# --- JSON as the contract reads it -----------------------------------------------------------------

MAX_LINE_BYTES = 8 << 20  # upstream's longest records (grounding round 2) are under 64 KB

_LONG_BYTES = 1 << 20  # three bytes are an empty list, which takes 64 in memory
_MOST_VALUES = 1 << 19  # of a long line; a manifest of 8 MiB has half as many

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_strict(data: bytes) -> Any:
    """The value of one JSON text.

    Raises:
        RecordError: the text is not strict JSON; `problem` says in which way.
    """
    if len(data) > MAX_LINE_BYTES:
        raise RecordError(
            "the line is too long",
            got=f"more than {MAX_LINE_BYTES} bytes",
            wanted=f"at most {MAX_LINE_BYTES}",
        )
    if len(data) > _LONG_BYTES and sum(map(data.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise RecordError("the line has too many values", wanted=f"at most {_MOST_VALUES}")
    try:  # a line that is exactly as its value is written hides nothing: no key twice, no number rounded
        value = msgspec.json.decode(data)
        if msgspec.json.format(msgspec.json.encode(value), indent=0) == data.removesuffix(b"\n"):
            return value
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass  # what it is, the rest says
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse_misplaced(data)
        raise RecordError("not UTF-8", got=f"{error.reason} at byte {error.start}") from None
    if not text.strip():
        raise RecordError("the line is blank")
    if text.startswith("\ufeff"):
        raise RecordError("the line starts with a byte order mark, which JSON does not allow")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        _refuse_misplaced(data)
        raise RecordError("not JSON", got=f"{error.msg} at column {error.colno}") from None
    except RecursionError:
        raise RecordError("nested too deep") from None
    except ValueError as error:  # an integer of thousands of digits
        raise RecordError("not a number that can be read", got=error) from None
    if _SURROGATE.search(text):  # a pair is a character; one alone cannot be written as UTF-8
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise RecordError("a lone surrogate, which is no character") from None
    return value


def _refuse_misplaced(data: bytes) -> None:
    if misplaced := recognise(data[:HEAD_BYTES]):
        raise RecordError(misplaced.problem, wanted=misplaced.fix)


def bounded_lines(file: BinaryIO, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield (byte offset, line) from where a file stands.

    Of a line that is too long only the first `MAX_LINE_BYTES` + 1 bytes are kept, so that `parse_strict`
    says so: memory never depends on what a file holds.

    Args:
        file: Open for reading bytes.
        end: Lines that start at this offset or after it are left out; None reads to the end.
    """
    offset = file.tell()
    while (end is None or offset < end) and (line := file.readline(MAX_LINE_BYTES + 1)):
        yield offset, line
        offset += len(line)
        if not line.endswith(b"\n"):
            offset += skip_line(file)


def skip_line(file: BinaryIO) -> int:
    """Read on to the next line; returns the bytes passed over."""
    skipped = 0
    while rest := file.readline(MAX_LINE_BYTES):
        skipped += len(rest)
        if rest.endswith(b"\n"):
            break
    return skipped


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RecordError("a key stands twice", got=repr(twice))
    return found


def _refuse(name: str) -> NoReturn:
    raise RecordError("not a finite number", got=name)


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _refuse(digits)
