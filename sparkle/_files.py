"""Files that are whole or not there: atomic writes, append-only JSON lines, safe paths.

- `atomic_path` gives a temporary name beside the target; leaving the block fsyncs the file, renames
  it and fsyncs the folder. A kill leaves the old file, or none, and a `.tmp-` file that
  `remove_leftovers` clears away at the next start.
- `append_lines` writes whole lines and fsyncs. A kill inside an append leaves a torn tail: bytes
  after the last newline. `recover_jsonl` cuts it off; nothing that was acknowledged is lost.
- A bad line that is not the tail is never dropped: it is an error with its number.
- `exclusive` is a lock that is gone with the process that holds it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import msgspec

from sparkle._folders import copy_command, leads_inside
from sparkle.schemas.canonical import dump_line, sha256_bytes
from sparkle.schemas.errors import RecordError, SparkleError, UnsafePathError
from sparkle.schemas.load import load
from sparkle.schemas.validate import MAX_LINE_BYTES, parse_strict

T = TypeVar("T")

_LONGEST_NAME, _LONGEST_PATH = 255, 2048  # bytes: no file system takes longer names

TEMPORARY_MARK = ".tmp-"
TEMPORARY = re.compile(
    re.escape(TEMPORARY_MARK) + "[0-9]+-[0-9a-f]{8}-"
)  # before the name of what is written
BLOCK_BYTES = 1 << 20  # of a read or a write; larger ones are not faster


def fsync_folder(folder: Path) -> None:
    """Make renames inside a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it is fsynced and renamed to `target`.

    The temporary name keeps the target's suffix, since writers choose their format by it. When the
    block raises, the temporary file is removed and the target is as it was.
    """
    temporary = temporary_beside(target)
    try:
        yield temporary
        commit(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_beside(target: Path) -> Path:
    """A name for writing `target` beside it; no other process uses it, nor one of another host."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f"{TEMPORARY_MARK}{os.getpid()}-{_host()}-{target.name}")


@cache
def _host() -> str:
    """Digits of this host's name: in containers every process may have the same number."""
    return sha256_bytes(socket.gethostname().encode())[:8]


def fsync_file(path: Path) -> None:
    """Make what a file contains durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def commit(temporary: Path, target: Path) -> None:
    """Make a written temporary file durable and give it its name."""
    fsync_file(temporary)
    temporary.replace(target)
    fsync_folder(target.parent)


def write_atomic(target: Path, data: bytes) -> None:
    """Write a whole file, or leave what was there."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)


def write_jsonl(target: Path, records: Iterable[Any]) -> None:
    """Write a whole file of JSON lines, or leave what was there."""
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        file.writelines(dump_line(record) for record in records)


def read_document(path: Path) -> bytes:
    """The bytes of a JSON document of others; of one that is too long, enough for `parse_strict` to say so.

    Raises:
        OSError: it cannot be read, or is no plain file: a fifo would be waited for.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "no plain file", str(path))
    with path.open("rb") as file:
        return file.read(MAX_LINE_BYTES + 1)


def remove_leftovers(folder: Path) -> int:
    """Remove temporary files that a kill left anywhere below a folder; returns how many."""
    leftovers = [path for path in folder.rglob(f"{TEMPORARY_MARK}*") if path.is_file()]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def append_lines(path: Path, records: Iterable[Any]) -> list[int]:
    """Append JSON lines and fsync before returning: once it returns they are not lost.

    Returns how many bytes each line has.
    """
    lines = [dump_line(record) for record in records]
    path.parent.mkdir(parents=True, exist_ok=True)
    created = not path.exists()
    with path.open("ab") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    if created:
        fsync_folder(path.parent)
    return [len(line) for line in lines]


def recover_jsonl(path: Path) -> int:
    """Cut a torn tail (bytes after the last newline) off a JSON lines file; returns the bytes cut."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        size = end = file.seek(0, os.SEEK_END)
        whole = 0
        while end and not whole:
            begin = max(0, end - BLOCK_BYTES)
            file.seek(begin)
            newline = file.read(end - begin).rfind(b"\n")
            whole = begin + newline + 1 if newline >= 0 else 0
            end = begin
    torn = size - whole
    if torn:
        with path.open("r+b") as file:
            file.truncate(whole)
            os.fsync(file.fileno())
    return torn


def read_jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line number from 1, value) of a JSON lines file.

    Raises:
        RecordError: a line is blank, not UTF-8, not JSON, has a key twice, NaN or infinity; the error
            names the file and the line.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield number, parse_strict(line)
            except RecordError as error:
                raise RecordError(
                    error.problem, got=error.got, wanted="one JSON object a line", where=f"{path}:{number}"
                ) from None


def read_records(path: Path, kind: type[T]) -> Iterator[tuple[int, T]]:
    """Yield (byte offset, record) of each line of a file that we wrote ourselves.

    Raises:
        RecordError: a line is not such a record; the error names file, line and what does not fit.
    """
    decode, offset = msgspec.json.Decoder(kind).decode, 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                record = decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                raise _misread(line, kind, f"{path}:{number}") from None
            yield offset, record
            offset += len(line)


def _misread(line: bytes, kind: type[Any], where: str) -> RecordError:
    """What is wrong with a line that msgspec did not read."""
    try:
        load(kind, parse_strict(line), f"{where} ")
    except RecordError as error:
        return RecordError(error.problem, got=error.got, wanted=error.wanted, where=error.where or where)
    return RecordError("not a line as we write it", got=repr(line[:80]), wanted=kind, where=where)


def safe_join(folder: Path, relative: str) -> Path:
    """`folder / relative`, refused when a path that came from data would leave the folder.

    Raises:
        UnsafePathError: the path is absolute, holds `..`, a backslash, a NUL or an empty part, is longer than
            any file's, or passes through a symbolic link that leaves the folder (`leads_inside`).
    """
    parts = relative.split("/")
    unsafe = any(part in ("", ".", "..") for part in parts) or "\\" in relative or "\0" in relative
    if unsafe or PurePosixPath(relative).is_absolute():
        raise UnsafePathError(
            "a path from data leaves its folder", got=repr(relative), wanted="a plain relative path"
        )
    longest = max(len(os.fsencode(part)) for part in parts)
    if longest > _LONGEST_NAME or len(os.fsencode(relative)) > _LONGEST_PATH:
        wanted = f"at most {_LONGEST_NAME} bytes a part, {_LONGEST_PATH} in all"
        raise UnsafePathError(
            "a path from data is too long", got=repr(relative[:_LONGEST_NAME]), wanted=wanted
        )
    joined = folder.joinpath(*parts)
    if not leads_inside(joined, folder):
        raise UnsafePathError(
            "a path from data leaves its folder by a link",
            got=f"{relative!r}, which leads to {os.path.realpath(joined)}",
            wanted="a file in the folder",
            where=folder,
            fix=f"if what the links lead to may be read: `{copy_command(folder)}`",
        )
    return joined


# --- locks, links, stamps --------------------------------------------------------------------------

_held: set[int] = set()  # descriptors of locks


def _let_go() -> None:
    """Close locks that a fork has copied: a child that outlives its parent would hold them."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def exclusive(path: Path, busy: SparkleError | None) -> Iterator[None]:
    """Hold a folder or a lock file against other processes and threads, until the block or the process ends.

    Processes that it forks meanwhile do not hold it.

    Args:
        path: A folder that exists, or a file, which is made if need be; its folder exists.
        busy: Raised when somebody else holds it, or when the folder was replaced while it was opened; None
            waits for it.
    """
    # Locks of network file systems want a file that is open for writing; a folder cannot be.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    _held.add(descriptor)
    try:
        if busy is None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        else:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                ours = os.path.samestat(os.fstat(descriptor), os.stat(path))
            except (BlockingIOError, FileNotFoundError):
                ours = False
            if not ours:
                raise busy
        yield
    finally:
        if descriptor in _held:  # not in a forked child
            _held.remove(descriptor)
            os.close(descriptor)


def link(source: Path, target: Path) -> None:
    """Give a file a second name; raises OSError where that is not possible.

    A symbolic link, such as a file of the Hub client's cache, is followed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source.resolve(), target)


def try_link(source: Path, target: Path) -> bool:
    """Give a file a second name; False where that is not possible (another device, no links there)."""
    try:
        link(source, target)
    except OSError:
        return False
    return True


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where that is not possible."""
    if not try_link(source, target):
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)


def stamp(path: Path | str) -> list[int] | None:
    """Size in bytes, time of change in ns and inode: they change when a file is replaced or written to.

    None when there is no file.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ino]
