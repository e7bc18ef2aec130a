"""Files that are whole or not there: atomic writes, append-only JSON lines, safe paths.

- `atomic_path` gives a temporary name beside the target; leaving the block fsyncs the file, renames
  it and fsyncs the folder. A kill leaves the old file, or none, and a `.tmp-` file that
  `remove_leftovers` clears away at the next start.
- `append_lines` writes whole lines and fsyncs. A kill inside an append leaves a torn tail: bytes
  after the last newline. `recover_jsonl` cuts it off; nothing that was acknowledged is lost.
- A bad line that is not the tail is never dropped: it is an error with its number.

One publisher at a time: a lock on a file, gone with the process that holds it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import msgspec

from sparkle.schemas.canonical import dump_line
from sparkle.schemas.errors import RecordError, ReleaseError, UnsafePathError
from sparkle.schemas.load import load
from sparkle.schemas.validate import parse_strict

T = TypeVar("T")

TEMPORARY_MARK = ".tmp-"


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
    """A name for writing `target` beside it; no other process uses it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f"{TEMPORARY_MARK}{os.getpid()}-{target.name}")


def commit(temporary: Path, target: Path) -> None:
    """Make a written temporary file durable and give it its name."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
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


def remove_leftovers(folder: Path) -> int:
    """Remove temporary files that a kill left anywhere below a folder; returns how many."""
    leftovers = [path for path in folder.rglob(f"{TEMPORARY_MARK}*") if path.is_file()]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def append_lines(path: Path, records: Iterable[Any]) -> None:
    """Append JSON lines and fsync before returning: once it returns they are not lost."""
    data = b"".join(dump_line(record) for record in records)
    path.parent.mkdir(parents=True, exist_ok=True)
    created = not path.exists()
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if created:
        fsync_folder(path.parent)


def recover_jsonl(path: Path) -> int:
    """Cut a torn tail (bytes after the last newline) off a JSON lines file; returns the bytes cut."""
    if not path.exists():
        return 0
    data = path.read_bytes()
    torn = len(data) - (data.rfind(b"\n") + 1)
    if torn:
        with path.open("r+b") as file:
            file.truncate(len(data) - torn)
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
        UnsafePathError: the path is absolute, holds `..`, a backslash, a NUL or an empty part, or
            passes through a symbolic link that leaves the folder.
    """
    parts = relative.split("/")
    unsafe = any(part in ("", ".", "..") for part in parts) or "\\" in relative or "\0" in relative
    if unsafe or PurePosixPath(relative).is_absolute():
        raise UnsafePathError(
            "a path from data leaves its folder", got=repr(relative), wanted="a plain relative path"
        )
    joined = folder.joinpath(*parts)
    if not joined.resolve().is_relative_to(folder.resolve()):
        raise UnsafePathError(
            "a path from data leaves its folder by a link", got=repr(relative), where=folder
        )
    return joined


# --- one publisher at a time -----------------------------------------------------------------------


@contextmanager
def exclusive(lock: Path, where: str) -> Iterator[None]:
    """Hold a lock file, made if need be, against other processes.

    Raises:
        ReleaseError: another process holds it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReleaseError(
                "another process publishes there", where=where, fix="wait for it to end"
            ) from None
        yield
