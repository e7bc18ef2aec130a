"""Canonical bytes: one way to write a value for a hash, one way to write a line for people.

- `canonical_json` (sorted keys, no spaces, UTF-8, no NaN) is what hashes and fingerprints are
  taken over.
- `dump_line` keeps the order of keys that it is given, with upstream's separators: published JSON
  lines look as upstream's do.
- Numbers are Python's shortest round-trip form in both.
- Records may stand anywhere in a value: `plain` makes JSON values of them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec

_READ_SIZE = 1 << 20  # bytes a read; hashing is bound by sha256, not by the read size


def plain(record: Any) -> Any:
    """A record as JSON values, keys in the order of its fields; what is absent is left out."""
    return msgspec.to_builtins(record, enc_hook=_float)


def _float(value: Any) -> float:
    if isinstance(value, float):  # numpy's float64, which msgspec does not take for one
        return float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def canonical_json(value: Any) -> bytes:
    """The canonical UTF-8 JSON of a value; raises ValueError for NaN and infinity."""
    return _dumps(value, sort_keys=True, separators=(",", ":"))


def dump_line(record: Any) -> bytes:
    """One JSON line (with its newline), keys in the order given, as upstream writes them."""
    return _dumps(record) + b"\n"


def dump_document(value: Any) -> bytes:
    """A JSON document for people: two spaces, keys in the order given, a newline at the end."""
    return _dumps(value, indent=2) + b"\n"


def _dumps(value: Any, **how: Any) -> bytes:
    return json.dumps(value, default=_record, ensure_ascii=False, allow_nan=False, **how).encode()


def _record(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return plain(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal sha256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal sha256 of a file's bytes, read once."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_SIZE):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(value: Any) -> str:
    """Hexadecimal sha256 of a value's canonical JSON."""
    return sha256_bytes(canonical_json(value))
