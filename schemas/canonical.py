"""Canonical bytes: one way to write a value for a hash, one way to write a line for people.

- `canonical_json` (sorted keys, no spaces, UTF-8, no NaN) is what hashes and fingerprints are
  taken over.
- `dump_line` keeps the order of keys that it is given, with upstream's separators: published JSON
  lines look as upstream's do.
- Numbers are Python's shortest round-trip form in both.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

_READ_SIZE = 1 << 20  # bytes a read; hashing is bound by sha256, not by the read size


def canonical_json(value: Any) -> bytes:
    """The canonical UTF-8 JSON of a value; raises ValueError for NaN and infinity."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def dump_line(record: Any) -> bytes:
    """One JSON line (with its newline), keys in the order given, as upstream writes them."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def dump_document(value: Any) -> bytes:
    """A JSON document for people: two spaces, keys in the order given, a newline at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


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
