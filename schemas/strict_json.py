"""JSON as the contract reads it: what stock parsers let through is refused.

A duplicate key, NaN, infinity, invalid UTF-8, a lone surrogate, a byte order mark, a blank line or
something that is too large or too deep is a `RecordError`; the caller adds the file and the line.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from sparkle.schemas.errors import RecordError

MAX_LINE_BYTES = 8 << 20  # upstream's longest records (grounding round 2) are under 64 KB

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
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError("not UTF-8", got=f"{error.reason} at byte {error.start}") from None
    if not text.strip():
        raise RecordError("the line is blank")
    if text.startswith("\ufeff"):
        raise RecordError("a byte order mark, which JSON has not")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
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
