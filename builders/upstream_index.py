"""The artifacts of upstream's layout: every tar and loose file is read once, and remembered.

How it works
- Units (a tar, or some hundred loose files) are read by several threads; hashing runs
  outside Python's lock.
- A finished unit is written to the journal folder. A rerun takes it from there when the files have the same
  sizes, times and inodes as when they were read, so a kill costs at most the units that were under way.
- Memory holds a unit's list of members for each thread; `load` reads one back when it is asked for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sparkle.builders.manifest import FileEntry
from sparkle.builders.progress import Progress
from sparkle.builders.upstream_files import Files, LocalFiles, LooseFiles, UpstreamFiles, UpstreamTar
from sparkle.builders.upstream_unit import Found, Indexed, Told, Unit, paths_of, read_unit
from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.fsio import temporary_beside
from sparkle.schemas.terminal import Advance
from sparkle.schemas.validate import Finding

_VERSION = 1  # of a unit in the journal; raised when it holds something else
_LOOSE_FILES = 1000  # files of a unit: some 500 MB of clips, so that little is read again after a kill
_MEGABYTE = 10**6


class Index:
    """The artifacts of a folder of upstream's layout, unit by unit.

    Args:
        files: What stands where.
        journal: A folder for what was finished; made if need be.
        place: Where it is read; None is the folder of `files`.

    Attributes:
        units: Tars sorted by path, then loose files.
    """

    def __init__(self, files: UpstreamFiles, journal: Path, place: Files | None = None) -> None:
        self._files = LocalFiles(files.folder) if place is None else place
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
        states = {unit: self._state(unit) for unit in self.units}
        units = [unit for unit in self.units if not self._is_done(unit, states[unit])]
        total = sum(self._files.size(path) for unit in units for path in paths_of(unit))
        with (
            progress("reading artifacts (MB)", total // _MEGABYTE) as advance,
            ThreadPoolExecutor(threads or os.cpu_count()) as pool,
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
        return Indexed(
            document["size"],
            document["sha256"],
            [_found(values) for values in document["found"]],
            [Finding(**value) for value in document["findings"]],
        )

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
                yield from (FileEntry(found.file, found.size, found.sha256) for found in indexed.found)

    def _read(self, unit: Unit, state: str, told: Told) -> None:
        indexed = read_unit(self._files, unit, told)
        document = {
            "version": _VERSION,
            "state": state,
            "size": indexed.size,
            "sha256": indexed.sha256,
            "found": [list(vars(found).values()) for found in indexed.found],
            "findings": [asdict(finding) for finding in indexed.findings],
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

    def _state(self, unit: Unit) -> str:
        """Changes when a file of the unit does."""
        return fingerprint([self._files.state(path) for path in paths_of(unit)])


def _found(values: list[Any]) -> Found:
    """An artifact of the journal."""
    sample_id, file, offset, size, sha256, shape = values
    return Found(sample_id, file, offset, size, sha256, shape and (shape[0], shape[1], shape[2]))


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
