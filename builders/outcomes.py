"""The lines of a run's `outcomes/<step>.jsonl`, read by the million.

How it works
- A line is decoded straight into its step's record (msgspec), which checks keys and types, and the rest of
  the schema is checked here. A line that passes is one that the schema accepts; of any other this says
  nothing, and the schemas' own reading decides, which names what is wrong.
- Decoders take the last of two equal keys, and leave out keys that a record has not, without a word. So the
  record is written again and quotes are counted: either would have left the line with more of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from sparkle.builders.run_folder import parse_line
from sparkle.schemas import records as r
from sparkle.schemas.errors import RecordError
from sparkle.schemas.ids import ID_PATTERN
from sparkle.schemas.record import Record
from sparkle.schemas.strict_json import MAX_LINE_BYTES

T = TypeVar("T")

_Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_ID = re.compile(ID_PATTERN)
_SHA256 = re.compile("[0-9a-f]{64}")


class Told(Struct, frozen=True, gc=False):
    """What a step said of a sample: its record and artifacts, or the problem that it failed with."""

    id: str
    artifacts: Mapping[str, r.ArtifactRef]
    record: Record | None
    problem: str | None


class _Line(Struct, Generic[T], forbid_unknown_fields=True, gc=False):
    """A line of outcomes with its step's record."""

    id: str
    fingerprint: _Sha256
    status: str
    artifacts: dict[str, r.ArtifactRef]
    reason: str | UnsetType = UNSET
    error: dict[str, str] | UnsetType = UNSET
    record: T | UnsetType = UNSET


# (line, where) -> what it says; `where` gives file and line when something is wrong.
OutcomeReader = Callable[[bytes, Callable[[], str]], Told]


def outcome_reader(step: str) -> OutcomeReader:
    """The function that reads a step's lines.

    It raises RecordError, with what `where` gives, for a line that is not strict JSON or does not follow the
    `outcome` schema and the step's record.
    """
    kind = r.STEP_RECORDS[step]
    decode = msgspec.json.Decoder(_Line[kind]).decode  # type: ignore[valid-type]  # known when it runs
    encode = msgspec.json.Encoder().encode

    def read(line: bytes, where: Callable[[], str]) -> Told:
        try:
            found: _Line[Record] = decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _read_slowly(line, kind, where())
        if not (_is_whole(found) and _is_strict(line, encode(found))):
            return _read_slowly(line, kind, where())
        record = None if isinstance(found.record, UnsetType) else found.record
        problem = None if isinstance(found.error, UnsetType) else found.error["problem"]
        return Told(found.id, found.artifacts, record, problem)

    return read


def record_reader(step: str) -> Callable[[bytes], tuple[str, Record | None]]:
    """The function that gives id and record of a line which `outcome_reader` has read before.

    It raises `msgspec.MsgspecError` for a line that it has not.
    """
    kind = r.STEP_RECORDS[step]
    decode = msgspec.json.Decoder(_Line[kind]).decode  # type: ignore[valid-type]  # known when it runs

    def read(line: bytes) -> tuple[str, Record | None]:
        found = decode(line)
        return found.id, None if found.record is UNSET else found.record

    return read


def _read_slowly(line: bytes, kind: type[Record], where: str) -> Told:
    value = parse_line(line, "outcome", where)
    try:
        outcome = r.Outcome.from_json(value)
        record = None if outcome.error else kind.from_json(outcome.record, "/record")
    except RecordError as error:
        place = f"{where} {error.where}"
        raise RecordError(error.problem, got=error.got, wanted=error.wanted, where=place) from None
    problem = outcome.error["problem"] if outcome.error else None
    return Told(outcome.id, outcome.artifacts, record, problem)


def _is_whole(line: _Line[Record]) -> bool:
    """What the schema wants besides types."""
    if _ID.fullmatch(line.id) is None:
        return False
    for ref in line.artifacts.values():
        if ref.size < 0 or _SHA256.fullmatch(ref.sha256) is None:
            return False
    if line.status == r.KEPT:
        return line.record is not UNSET and line.reason is UNSET and line.error is UNSET
    if line.status == r.REJECTED:
        return line.record is not UNSET and bool(line.reason) and line.error is UNSET
    if line.status == r.FAILED:
        return line.record is UNSET and line.reason is UNSET and "problem" in (line.error or ())
    return False


def _is_strict(line: bytes, again: bytes) -> bool:
    """Whether a line has no more keys and texts than the record that was read from it.

    Both write a quote inside a text as an escaped quote. A field that is not there is written as null; where
    a text holds what looks like one, or a quote as its code, the answer is no.
    """
    quotes = again.count(b'"') - 2 * again.count(b'":null')
    return line.count(b'"') == quotes and b"\\u0022" not in line and len(line) <= MAX_LINE_BYTES
