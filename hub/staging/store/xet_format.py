"""The two binary formats of Xet uploads: xorbs (chunks, compressed) and shards (which chunks make a file).

Written after the public specification (https://huggingface.co/docs/xet: xorb, shard, api). Nothing is
trusted: every count is held against the bytes that are there before anything is made of it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import lz4.frame
import numpy as np

from sparkle.hub.staging.store.refusal import bad_request

MAX_XORB = 64 * 1024 * 1024 + 64 * 1024  # 64 MiB of chunks; clients send up to 67,114,147 bytes with headers
MAX_SHARD = 128 * 1024 * 1024
MAX_CHUNK = 128 * 1024  # bytes of a chunk before compression

_NONE, _LZ4, _GROUPED = 0, 1, 2  # compression schemes; grouped: bytes 0, 4, 8, ... then 1, 5, 9, ...
_CHUNK_HEADER = 8
_XORB_FOOTER = b"XETBLOB"
_ENTRY = 48  # bytes of every record of a shard
_SHARD_VERSION = 2
_BOOKEND = b"\xff" * 32
_WITH_VERIFICATION, _WITH_METADATA = 1 << 31, 1 << 30


@dataclass(frozen=True)
class Chunk:
    """Where a chunk is in a xorb, and how it is packed."""

    offset: int
    packed: int
    scheme: int
    size: int


@dataclass(frozen=True)
class Term:
    """Chunks `start` to before `stop` of a xorb: the next `size` bytes of a file."""

    xorb: str
    start: int
    stop: int
    size: int


@dataclass(frozen=True)
class ShardFile:
    """A file as a shard describes it; `sha256` is what its content must be."""

    sha256: bytes
    terms: tuple[Term, ...]


def hash_name(raw: bytes) -> str:
    """Write a hash as Xet does: each eight bytes in reverse."""
    return "".join(raw[start : start + 8][::-1].hex() for start in range(0, 32, 8))


def read_chunks(xorb: memoryview) -> list[Chunk]:
    """Read the chunks of a serialized xorb; raises Refusal when it is none."""
    chunks: list[Chunk] = []
    offset = 0
    while offset < len(xorb) and bytes(xorb[offset : offset + 7]) != _XORB_FOOTER:
        header = bytes(xorb[offset : offset + _CHUNK_HEADER])
        if len(header) < _CHUNK_HEADER:
            raise bad_request("the xorb ends inside a chunk's header")
        packed, size = int.from_bytes(header[1:4], "little"), int.from_bytes(header[5:8], "little")
        offset += _CHUNK_HEADER
        if header[0] != 0 or header[4] > _GROUPED or not 0 < size <= MAX_CHUNK:
            raise bad_request(f"chunk {len(chunks)} of the xorb has a header that is none: {header.hex()}")
        if offset + packed > len(xorb):
            raise bad_request(f"the xorb ends inside chunk {len(chunks)}")
        chunks.append(Chunk(offset, packed, header[4], size))
        offset += packed
    if not chunks:
        raise bad_request("the xorb has no chunk")
    return chunks


def unpack(xorb: memoryview, chunk: Chunk) -> bytes:
    """Return the bytes of a chunk; raises Refusal when they cannot be unpacked to the size that it claims."""
    data = bytes(xorb[chunk.offset : chunk.offset + chunk.packed])
    if chunk.scheme != _NONE:
        try:
            data = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=chunk.size + 1)
        except RuntimeError as error:
            raise bad_request(f"a chunk cannot be unpacked: {error}") from None
    if len(data) != chunk.size:
        raise bad_request(f"a chunk has {len(data)} bytes, not the {chunk.size} that it claims")
    return _ungroup(data) if chunk.scheme == _GROUPED else data


def _ungroup(data: bytes) -> bytes:
    grouped = np.frombuffer(data, np.uint8)
    plain = np.empty_like(grouped)
    start = 0
    for group in range(4):
        place = plain[group::4]
        place[:] = grouped[start : start + len(place)]
        start += len(place)
    return plain.tobytes()


def read_shard(data: bytes) -> list[ShardFile]:
    """Read the files of an uploaded shard.

    What it says of xorbs is not needed: chunks are known from the xorbs themselves.

    Raises:
        Refusal: it is no shard, or a file in it has no sha256 (repositories need it).
    """
    shard = memoryview(data)
    if len(shard) < _ENTRY or struct.unpack_from("<Q", shard, 32)[0] != _SHARD_VERSION:
        raise bad_request("not a shard of version 2")
    offset = _ENTRY
    found: list[ShardFile] = []
    while True:
        header = _record(shard, offset)
        if header[:32] == _BOOKEND:
            return found
        file, offset = _read_file(shard, offset)
        found.append(file)


def _read_file(shard: memoryview, offset: int) -> tuple[ShardFile, int]:
    """Read a file of a shard; returns it and where the next one begins."""
    flags, count = struct.unpack_from("<II", _record(shard, offset), 32)
    records = count * (2 if flags & _WITH_VERIFICATION else 1) + bool(flags & _WITH_METADATA)
    end = offset + _ENTRY * (1 + records)
    if end > len(shard):
        raise bad_request("the shard ends inside a file")
    if not flags & _WITH_METADATA:
        raise bad_request("a file of the shard has no sha256: files of repositories need it")
    terms = []
    for number in range(1, count + 1):
        record = _record(shard, offset + _ENTRY * number)
        _, size, start, stop = struct.unpack_from("<IIII", record, 32)
        if start >= stop:
            raise bad_request(f"a term of the shard has no chunk: {start} to {stop}")
        terms.append(Term(hash_name(record[:32]), start, stop, size))
    return ShardFile(bytes.fromhex(hash_name(_record(shard, end - _ENTRY)[:32])), tuple(terms)), end


def _record(shard: memoryview, offset: int) -> bytes:
    record = bytes(shard[offset : offset + _ENTRY])
    if len(record) < _ENTRY:
        raise bad_request("the shard ends without its bookend")
    return record
