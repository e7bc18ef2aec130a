"""Xet uploads become plain contents, and their chunks are found again in them.

How it works
- A xorb is kept as it came until its chunks are in contents. A shard then says which chunks make a file: it
  is put together, held against its sha256, and becomes a content like one that came by LFS.
- Of each term it is noted where in the content its chunks are (`spans`). A xorb whose every chunk is noted is
  deleted: nothing is kept twice, and a later file that shares chunks reads them from the content.
- Deleting a content for good therefore deletes its chunks too, and those of others stay.
- Clients keep their own list of xorbs that the server has. One that is lost (the hub's folder was wiped)
  makes their uploads fail until their cache (`$HF_HOME/xet`) is cleared.
"""

from __future__ import annotations

import mmap
import sqlite3
from array import array
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sparkle.hub.staging.store.blobs import BlobStore, read_blocks
from sparkle.hub.staging.store.database import Database
from sparkle.hub.staging.store.refusal import Refusal, bad_request
from sparkle.hub.staging.store.xet_format import Chunk, ShardFile, Term, read_chunks, unpack


def add_xorb(database: Database, blobs: BlobStore, name: str, received: Path) -> bool:
    """Keep a received xorb; False when it was there. Raises Refusal when it is none."""
    if _sizes(database.read(), name) is not None:  # its chunks are here, in a xorb or in contents
        return False
    if received.stat().st_size == 0:
        raise bad_request("the xorb is empty")
    with _mapped(received) as data:
        sizes = array("I", [chunk.size for chunk in read_chunks(data)]).tobytes()
    blobs.place(received, blobs.xorb(name))
    with database.write() as connection:
        connection.execute("INSERT OR REPLACE INTO xorbs VALUES(?,?)", (name, sizes))
    return True


def make_files(database: Database, blobs: BlobStore, files: Sequence[ShardFile]) -> None:
    """Make the contents of the files of a shard; durable when it returns.

    Raises:
        Refusal: a xorb is missing, or a file is not what its sha256 says.
    """
    used: set[str] = set()
    for file in files:
        if blobs.size(file.sha256) is None:
            _rebuild(database, blobs, file)
            used |= {term.xorb for term in file.terms}
    with database.write() as connection:
        done = [name for name in sorted(used) if _is_covered(connection, name)]
    for name in done:
        blobs.xorb(name).unlink(missing_ok=True)


def _rebuild(database: Database, blobs: BlobStore, file: ShardFile) -> None:
    """Put a file together, verify it, give it its name and note where its chunks are."""
    spans: list[tuple[str, int, int, bytes, int]] = []

    def pieces(reader: _ChunkReader) -> Iterator[bytes]:
        offset = 0
        for term in file.terms:
            start = offset
            for data in reader.read(term):
                yield data
                offset += len(data)
            if offset - start != term.size:
                raise bad_request(f"a term has {offset - start} bytes, not the {term.size} that it claims")
            spans.append((term.xorb, term.start, term.stop, file.sha256, start))

    with ExitStack() as opened:
        blobs.put_together(file.sha256, pieces(_ChunkReader(database.read(), blobs, opened)))
    with database.write() as connection:
        connection.executemany("INSERT OR IGNORE INTO spans VALUES(?,?,?,?,?)", spans)


class _ChunkReader:
    """Chunks, from xorbs that are there and from contents that have them.

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
        """Yield the bytes of a term, piece by piece; raises Refusal when a chunk is missing."""
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
        """Yield a term whose xorb is gone, from the contents that have its chunks."""
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
                yield from read_blocks(self._blobs.blob(span["sha256"]), offset, sum(sizes[at:stop]))
            except FileNotFoundError:  # purged since
                raise _missing(term) from None
            at = stop

    def _open(self, name: str) -> tuple[memoryview, list[Chunk]] | None:
        if name not in self._xorbs:
            try:
                xorb = self._opened.enter_context(_mapped(self._blobs.xorb(name)))
                self._xorbs[name] = xorb, read_chunks(xorb)
            except FileNotFoundError:
                self._xorbs[name] = None
        return self._xorbs[name]


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as data,
    ):
        yield data


def forget_spans(connection: sqlite3.Connection, blobs: BlobStore, gone: Collection[bytes]) -> list[Path]:
    """Forget where chunks were in contents that go; returns the xorbs that have any, to be deleted too."""
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
    """Return the bytes of each chunk of a xorb; None when it is not known."""
    row = connection.execute("SELECT sizes FROM xorbs WHERE hash=?", (name,)).fetchone()
    return None if row is None else array("I", row["sizes"])


def _is_covered(connection: sqlite3.Connection, name: str) -> bool:
    """Return whether every chunk of a xorb is in a content."""
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
