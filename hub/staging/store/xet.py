"""The two binary formats of Xet uploads: xorbs (chunks, compressed) and shards (which chunks make a file).

Written after the public specification (https://huggingface.co/docs/xet: xorb, shard, api). Nothing is
trusted: every count is held against the bytes that are there before anything is made of it.

Xet uploads become plain contents, and their chunks are found again in them.

How it works
- A xorb is kept as it came until its chunks stand in contents. A shard then says which chunks make a file: it
  is put together, held against its sha256, and becomes a content like one that came by LFS.
- Of each term it is noted where its chunks stand in the content (`spans`). A xorb whose every chunk is noted
  is deleted: nothing is kept twice, and a later file that shares chunks reads them from the content.
- Deleting a content for good therefore deletes its chunks too, and those of others stay.
- Clients keep their own list of xorbs that the server has. One that is lost (the hub's folder was wiped)
  makes their uploads fail until their cache (`$HF_HOME/xet`) is cleared.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import sqlite3
import struct
from array import array
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import lz4.frame
import numpy as np

from sparkle.hub.staging.store.blobs import BlobStore
from sparkle.hub.staging.store.database import Database
from sparkle.hub.staging.store.refusal import Refusal, bad_request

MAX_XORB = 64 * 1024 * 1024 + 64 * 1024  # 64 MiB of chunks; clients send up to 67,114,147 bytes with headers
MAX_SHARD = 128 * 1024 * 1024
MAX_CHUNK = 128 * 1024  # bytes of a chunk before compression
HASH = re.compile(r"[0-9a-f]{64}")

_NONE, _LZ4, _GROUPED = 0, 1, 2  # compression schemes; grouped: bytes 0, 4, 8, ... then 1, 5, 9, ...
_CHUNK_HEADER = 8
_XORB_FOOTER = b"XETBLOB"
_ENTRY = 48  # bytes of every record of a shard
_SHARD_VERSION = 2
_BOOKEND = b"\xff" * 32
_WITH_VERIFICATION, _WITH_METADATA = 1 << 31, 1 << 30


@dataclass(frozen=True)
class Chunk:
    """Where a chunk stands in a xorb, and how it is packed."""

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
    """A hash as Xet writes it: each eight bytes in reverse."""
    return "".join(raw[start : start + 8][::-1].hex() for start in range(0, 32, 8))


def read_chunks(xorb: memoryview) -> list[Chunk]:
    """The chunks of a serialized xorb; raises Refusal when it is none."""
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
    """The bytes of a chunk; raises Refusal when they cannot be unpacked to the size that it claims."""
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
    """The files of an uploaded shard.

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
    """A file of a shard and where the next one begins."""
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
    return ShardFile(_plain_sha256(_record(shard, end - _ENTRY)), tuple(terms)), end


def _plain_sha256(record: bytes) -> bytes:
    return bytes.fromhex(hash_name(record[:32]))


def _record(shard: memoryview, offset: int) -> bytes:
    record = bytes(shard[offset : offset + _ENTRY])
    if len(record) < _ENTRY:
        raise bad_request("the shard ends without its bookend")
    return record


def check_hash(name: str) -> str:
    """A xorb's or chunk's hash in a path; raises Refusal."""
    if not HASH.fullmatch(name):
        raise Refusal(400, "BadRequest", f"not a hash: {name!r}")
    return name


# --- xet uploads become plain contents -------------------------------------------------------------


_BLOCK = 4 * 1024 * 1024

Verified = Callable[[int, int], None]  # told (files done, files in all)


def has_xorb(database: Database, name: str) -> bool:
    """Whether a xorb's chunks are all at hand, in the xorb or in contents."""
    return _sizes(database.read(), name) is not None


def add_xorb(database: Database, blobs: BlobStore, name: str, received: Path) -> bool:
    """Keep a received xorb; False when it was there. Raises Refusal when it is none."""
    if has_xorb(database, name):
        return False
    if received.stat().st_size == 0:
        raise bad_request("the xorb is empty")
    with (
        received.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as data,
    ):
        sizes = array("I", [chunk.size for chunk in read_chunks(data)]).tobytes()
    blobs.place(received, blobs.xorb(name))
    with database.write() as connection:
        connection.execute("INSERT OR REPLACE INTO xorbs VALUES(?,?)", (name, sizes))
    return True


def add_shard(database: Database, blobs: BlobStore, shard: bytes, verified: Verified) -> None:
    """Make the contents of every file that a shard describes; durable when it returns.

    Raises:
        Refusal: it is no shard, a xorb is missing, or a file is not what its sha256 says.
    """
    files = read_shard(shard)
    used: set[str] = set()
    for number, file in enumerate(files):
        verified(number, len(files))
        if blobs.size(file.sha256) is None:
            _rebuild(database, blobs, file)
            used |= {term.xorb for term in file.terms}
    with database.write() as connection:
        done = [name for name in sorted(used) if _is_covered(connection, name)]
    for name in done:
        blobs.xorb(name).unlink(missing_ok=True)


def _rebuild(database: Database, blobs: BlobStore, file: ShardFile) -> None:
    """Put a file together, verify it, give it its name and note where its chunks stand."""
    digest, temporary = hashlib.sha256(), blobs.temporary()
    spans, offset = [], 0
    try:
        with ExitStack() as opened, temporary.open("wb") as target:
            reader = _Reader(database.read(), blobs, opened)
            for term in file.terms:
                start = offset
                for data in reader.read(term):
                    digest.update(data)
                    target.write(data)
                    offset += len(data)
                if offset - start != term.size:
                    raise bad_request(
                        f"a term has {offset - start} bytes, not the {term.size} that it claims"
                    )
                spans.append((term.xorb, term.start, term.stop, file.sha256, start))
        if digest.digest() != file.sha256:
            raise bad_request(
                f"a file has sha256 {digest.hexdigest()}, not the {file.sha256.hex()} that it claims"
            )
        blobs.place(temporary, blobs.blob(file.sha256))
    finally:
        temporary.unlink(missing_ok=True)
    with database.write() as connection:
        connection.executemany("INSERT OR IGNORE INTO spans VALUES(?,?,?,?,?)", spans)


class _Reader:
    """Chunks, from xorbs that are there and from contents that hold them.

    Args:
        connection: Where spans are looked up.
        blobs: Where xorbs and contents are.
        opened: Closes what was opened when the file is done.
    """

    def __init__(self, connection: sqlite3.Connection, blobs: BlobStore, opened: ExitStack) -> None:
        self._connection = connection
        self._blobs = blobs
        self._opened = opened
        self._xorbs: dict[str, tuple[memoryview, list[Chunk]] | None] = {}

    def read(self, term: Term) -> Iterator[bytes]:
        """The bytes of a term, piece by piece; raises Refusal when a chunk is missing."""
        sizes = _sizes(self._connection, term.xorb)
        if sizes is None or term.stop > len(sizes):
            raise _missing(term)
        opened = self._open(term.xorb)
        if opened is not None:
            xorb, chunks = opened
            for chunk in chunks[term.start : term.stop]:
                yield unpack(xorb, chunk)
            return
        yield from self._read_contents(term, sizes)

    def _read_contents(self, term: Term, sizes: array[int]) -> Iterator[bytes]:
        """A term whose xorb is gone, from the contents that its chunks stand in."""
        at = term.start
        while at < term.stop:
            span = self._connection.execute(
                "SELECT * FROM spans WHERE xorb=? AND start<=? AND stop>? ORDER BY stop DESC LIMIT 1",
                (term.xorb, at, at),
            ).fetchone()
            if span is None:
                raise _missing(term)
            stop = min(span["stop"], term.stop)
            offset = span["offset"] + sum(sizes[span["start"] : at])
            try:
                yield from _slice(self._blobs.blob(span["sha256"]), offset, sum(sizes[at:stop]))
            except FileNotFoundError:  # purged since
                raise _missing(term) from None
            at = stop

    def _open(self, name: str) -> tuple[memoryview, list[Chunk]] | None:
        if name not in self._xorbs:
            try:
                file = self._opened.enter_context(self._blobs.xorb(name).open("rb"))
            except FileNotFoundError:
                self._xorbs[name] = None
            else:
                mapped = self._opened.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
                view = self._opened.enter_context(memoryview(mapped))
                self._xorbs[name] = view, read_chunks(view)
        return self._xorbs[name]


def _slice(path: Path, offset: int, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while size > 0:
            data = file.read(min(size, _BLOCK))
            if not data:
                raise Refusal(500, "InternalError", f"{path.name} is shorter than it was")
            size -= len(data)
            yield data


def forget_spans(connection: sqlite3.Connection, blobs: BlobStore, gone: Collection[bytes]) -> list[Path]:
    """Forget where chunks stood in contents that go; returns the xorbs that hold any, to be deleted too."""
    xorbs: set[str] = set()
    for sha256 in gone:
        rows = connection.execute("SELECT DISTINCT xorb FROM spans WHERE sha256=?", (sha256,)).fetchall()
        xorbs |= {row["xorb"] for row in rows}
        connection.execute("DELETE FROM spans WHERE sha256=?", (sha256,))
    for name in xorbs:
        # Whole by the contents that are left, or else not there any more for clients.
        if not _is_covered(connection, name):
            connection.execute("DELETE FROM xorbs WHERE hash=?", (name,))
    return [blobs.xorb(name) for name in sorted(xorbs)]


def _sizes(connection: sqlite3.Connection, name: str) -> array[int] | None:
    """Bytes of each chunk of a xorb; None when it is not known."""
    row = connection.execute("SELECT sizes FROM xorbs WHERE hash=?", (name,)).fetchone()
    return None if row is None else array("I", row["sizes"])


def _is_covered(connection: sqlite3.Connection, name: str) -> bool:
    """Whether every chunk of a xorb stands in a content."""
    sizes = _sizes(connection, name)
    rows = connection.execute("SELECT start, stop FROM spans WHERE xorb=? ORDER BY start", (name,))
    reached = 0
    for row in rows:
        if row["start"] > reached:
            return False
        reached = max(reached, row["stop"])
    return sizes is not None and reached >= len(sizes)


def _missing(term: Term) -> Refusal:
    return bad_request(
        f"chunks {term.start} to {term.stop} of xorb {term.xorb} are not here: the client's cache "
        "($HF_HOME/xet) is older than this hub; remove it and upload again"
    )
