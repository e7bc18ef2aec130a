"""The artifacts of upstream's layout: every tar and loose file is read once, and remembered.

How it works
- Units (a tar, or some hundred loose files) are read by several threads, as `sparkle validate` reads them
  (`members`); hashing runs outside Python's lock.
- A finished unit is written to the journal folder. A rerun takes it from there when the files have the same
  sizes, times and inodes as when they were read, so a kill costs at most the units that were under way.
- Memory holds a unit's list of members for each thread; `load` reads one back when it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparkle._files import BLOCK_BYTES, temporary_beside
from sparkle._processes import cpus
from sparkle._progress import Advance, Progress
from sparkle.builders.checks.members import Found, read_tar
from sparkle.builders.checks.rows import SampleRows
from sparkle.builders.reading.place import Place
from sparkle.builders.release.any_tar import TarStream
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.upstream.files import LooseFiles, UpstreamFiles, UpstreamTar
from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import parse_id
from sparkle.schemas.validate import Finding

_VERSION = 5  # of a unit in the journal; raised when it holds something else
_LOOSE_FILES = 1000  # files of a unit: some 500 MB of clips, so that little is read again after a kill
_MEGABYTE = 10**6

Unit = UpstreamTar | LooseFiles
Told = Callable[[int], None]  # told of bytes that were read


@dataclass
class Indexed:
    """What was found in a unit: its artifacts; size and sha256 (hexadecimal) of a tar."""

    rows: SampleRows
    size: int = 0
    sha256: str = ""


class Index:
    """The artifacts of a folder of upstream's layout, unit by unit.

    Args:
        files: What stands where.
        journal: A folder for what was finished; made if need be.
        place: Where it is read.

    Attributes:
        units: Tars sorted by path, then loose files.
    """

    def __init__(self, files: UpstreamFiles, journal: Path, place: Place) -> None:
        self._place = place
        self._journal = journal
        self.units: list[Unit] = [*files.tars, *(part for loose in files.loose for part in _parts(loose))]

    def read_all(self, progress: Progress, threads: int | None = None) -> None:
        """Read every unit that the journal does not have.

        Args:
            progress: Told of megabytes.
            threads: How many units are read at once; None is as many as there are cores.

        Raises:
            OSError: a file cannot be read.
        """
        stamps = {unit: [self._place.stamp(path) for path in paths_of(unit)] for unit in self.units}
        states = {unit: fingerprint(found) for unit, found in stamps.items()}
        units = [unit for unit in self.units if not self._is_done(unit, states[unit])]
        total = sum(size for unit in units for size, *_ in stamps[unit])
        with (
            progress("reading artifacts (MB)", total // _MEGABYTE) as advance,
            ThreadPoolExecutor(threads or cpus()) as pool,
        ):
            told = _megabytes(advance)
            jobs = [pool.submit(self._read, unit, states[unit], told) for unit in units]
            try:
                for job in as_completed(jobs):
                    job.result()
            finally:
                for job in jobs:
                    job.cancel()

    def load(self, unit: Unit) -> Indexed:
        """What a unit holds; it was read before."""
        document = self._document(unit)
        if document is None:
            raise ReleaseError("the journal of an import is gone", where=self._journal)
        columns = {
            name: np.frombuffer(bytes.fromhex(values), dtype).reshape(-1, *shape)
            for name, (dtype, shape, values) in document["columns"].items()
        }
        findings = [Finding(**value) for value in document["findings"]]
        keys, files = columns.pop("key"), tuple(document["files"])
        rows = SampleRows(unit.theme, files, keys, columns, findings, kind=unit.kind)
        return Indexed(rows, document["size"], document["sha256"])

    def forget(self, unit: Unit) -> None:
        """Drop what was read of a unit, so that a rerun reads it again."""
        self._path(unit).unlink(missing_ok=True)

    def entries(self) -> Iterator[FileEntry]:
        """Every file that was read, as a manifest lists it."""
        for unit in self.units:
            indexed = self.load(unit)
            if isinstance(unit, UpstreamTar):
                yield FileEntry(unit.path, indexed.size, indexed.sha256)
            else:
                rows = indexed.rows
                for row in range(len(rows.keys)):
                    sha256 = rows.columns["sha256"][row].tobytes().hex()
                    yield FileEntry(rows.at(row)[0], int(rows.columns["size"][row]), sha256)

    def _read(self, unit: Unit, state: str, told: Told) -> None:
        indexed = _read_unit(self._place, unit, told)
        columns = {"key": indexed.rows.keys, **indexed.rows.columns}
        document = {
            "version": _VERSION,
            "state": state,
            "size": indexed.size,
            "sha256": indexed.sha256,
            "files": indexed.rows.files,
            "columns": {
                name: (values.dtype.str, values.shape[1:], values.tobytes().hex())
                for name, values in columns.items()
            },
            "findings": [asdict(finding) for finding in indexed.rows.findings],
        }
        path = self._path(unit)
        temporary = temporary_beside(path)
        temporary.write_text(json.dumps(document, separators=(",", ":")), "utf-8")
        temporary.replace(path)  # not synced: what a power cut spoils is no JSON, and read again

    def _is_done(self, unit: Unit, state: str) -> bool:
        document = self._document(unit)
        return document is not None and (document["version"], document["state"]) == (_VERSION, state)

    def _document(self, unit: Unit) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] = json.loads(self._path(unit).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return document

    def _path(self, unit: Unit) -> Path:
        return self._journal / f"{paths_of(unit)[0].replace('/', '__')}.json"


def _parts(loose: LooseFiles) -> Iterator[LooseFiles]:
    for first in range(0, len(loose.names), _LOOSE_FILES):
        yield LooseFiles(loose.folder, loose.theme, loose.kind, loose.names[first : first + _LOOSE_FILES])


def _megabytes(advance: Advance) -> Told:
    """Tells of bytes as whole megabytes. Threads share it: a count that is off by one does no harm."""
    count = 0

    def told(size: int) -> None:
        nonlocal count
        before, count = count, count + size
        if done := count // _MEGABYTE - before // _MEGABYTE:
            advance(done)

    return told


def paths_of(unit: Unit) -> tuple[str, ...]:
    """The files that a unit is read from."""
    if isinstance(unit, UpstreamTar):
        return (unit.path,)
    return tuple(f"{unit.folder}/{name}" for name in unit.names)


def _read_unit(place: Place, unit: Unit, told: Told) -> Indexed:
    """Read a unit; raises OSError when a file cannot be read."""
    if isinstance(unit, UpstreamTar):
        with place.open(unit.path) as file:
            stream = TarStream(file)
            rows = read_tar(stream, unit.path, unit.theme, unit.kind, told=told)
            sha256 = stream.finish()  # which moves the position
            return Indexed(rows, stream.position, sha256)
    found = Found(unit.theme, unit.kind, ours=False, told=told)
    for path, name in zip(paths_of(unit), unit.names, strict=True):
        index = parse_id(name.removesuffix(unit.kind.suffix))[1]
        with place.open(path) as file:
            found.read(index, 0, iter(lambda: file.read(BLOCK_BYTES), b""), path, "")
    return Indexed(found.rows(*paths_of(unit)))
