"""The text of a theme: csv, JSON lines and the table of records, in one pass over what the run recorded.

How it works
- Samples are taken some hundred at a time; their records are read once and go into every file that tells of
  them. Memory holds some such batches.
- Many samples are read and put into words by several processes; this one writes, in the order of ids.
- Files are hashed while they are written, and take their names when all of them are done: a kill before that
  leaves none, a rerun writes the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sparkle._files import atomic_path
from sparkle._processes import collector_off, cpus, pool_of
from sparkle.builders.building.outcomes import MANY, read_again
from sparkle.builders.release import tables
from sparkle.builders.release.formats import CSV_COLUMNS, csv_line, jsonl_files, pair_row
from sparkle.builders.release.manifest import FileEntry, describe_file
from sparkle.builders.release.sample import STREAMED, Sample, SampleText
from sparkle.schemas import layout
from sparkle.schemas import records as r

_AHEAD = 8  # batches a process that may wait to be written: some 7 MB each


class _File:
    """A file that is hashed while it is written."""

    def __init__(self, path: str, temporary: Path) -> None:
        self.path = path
        self._digest = hashlib.sha256()
        self._file = temporary.open("wb")

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)
        self._digest.update(data)

    def close(self) -> None:
        """Flush what is buffered."""
        self._file.close()

    def entry(self, folder: Path) -> FileEntry:
        """The file, which has its name now, as the manifest lists it."""
        return describe_file(folder, self.path, sha256=self._digest.hexdigest())


@collector_off()
def write_text(folder: Path, theme: str, samples: Sequence[Sample]) -> list[FileEntry]:
    """Write a theme's csv, JSON lines and records below a release's folder.

    Args:
        folder: The release.
        theme: The theme.
        samples: All of its samples, sorted by id.

    Returns:
        The files.

    Raises:
        RecordError: a line does not follow its schema; the error names file, sample and pointer.
    """
    with ExitStack() as stack:

        def opened(path: str) -> _File:
            file = _File(path, stack.enter_context(atomic_path(folder / path)))
            stack.callback(file.close)
            return file

        files = [opened(path) for path in (layout.prompts_csv(theme), *_jsonl_paths(theme))]
        files[0].write(csv_line(list(CSV_COLUMNS)).encode())
        records = folder / layout.records_parquet(theme)
        table = stack.enter_context(tables.table_writer(records, tables.RECORDS_SCHEMA))
        for told in _tell(theme, samples):
            for file, data in zip(files, told.texts, strict=True):
                file.write(data)
            table.write_table(told.records)
    table_entry = describe_file(folder, layout.records_parquet(theme))
    return [*(file.entry(folder) for file in files), table_entry]


@dataclass(frozen=True)
class _Told:
    """What some samples add to each text file, csv first, and to the table of records."""

    texts: tuple[bytes, ...]
    records: pa.Table


@dataclass(frozen=True)
class _Batch:
    """Some samples of a theme, to be put into words wherever there is a processor."""

    theme: str
    found: tuple[SampleText, ...]

    @collector_off()
    def __call__(self) -> _Told:
        """Read their records and make the lines."""
        streams = (read_again(self.found, step, r.STEP_RECORDS[step]) for step in STREAMED)
        told = [dict(zip(STREAMED, records, strict=True)) for records in zip(*streams, strict=True)]
        rows = (pair_row(words.id, words.prompt).values() for words in self.found)
        pairs = "".join(csv_line(list(row)) for row in rows).encode()
        lines = (b"".join(map(file.line, self.found, told)) for file in jsonl_files(self.theme))
        return _Told((pairs, *lines), tables.records_table(self.found, told))


def _tell(theme: str, samples: Sequence[Sample]) -> Iterator[_Told]:
    """What each batch says, a row group of the table of records each, in order."""
    size = tables.RECORDS_GROUP
    batches = [
        _Batch(theme, tuple(sample.text for sample in samples[start : start + size]))
        for start in range(0, len(samples), size)
    ]
    workers = cpus() if len(samples) >= MANY else 1
    with pool_of(workers) as run:
        for start in range(0, len(batches), _AHEAD * workers):
            yield from run(batches[start : start + _AHEAD * workers])


def _jsonl_paths(theme: str) -> list[str]:
    return [file.path for file in jsonl_files(theme)]
