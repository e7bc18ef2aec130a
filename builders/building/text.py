"""The text of a theme: csv, JSON lines and the table of records, in one pass over what the run recorded.

How it works
- Samples are taken some hundred at a time; their records are read once and go into every file that tells of
  them. Memory holds some such batches.
- Many samples are read and put into words by several processes; this one writes, in the order of ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sparkle._processes import collector_off, cpus, pool_of
from sparkle.builders.building.origin import Piece
from sparkle.builders.building.outcomes import MANY, read_again
from sparkle.builders.release import tables
from sparkle.builders.release.formats import CSV_COLUMNS, csv_line, jsonl_files, pair_row
from sparkle.builders.release.sample import STREAMED, Sample, SampleText
from sparkle.schemas import layout
from sparkle.schemas import records as r

_AHEAD = 8  # batches a process that may wait to be written: some 7 MB each


def text_of(theme: str, samples: Sequence[Sample]) -> Iterator[Piece]:
    """Yield a theme's csv, JSON lines and records.

    Args:
        theme: The theme.
        samples: All of its samples, sorted by id.

    Raises:
        RecordError: a line does not follow its schema; the error names file, sample and pointer.
    """
    paths = [layout.prompts_csv(theme), *(file.path for file in jsonl_files(theme))]
    yield paths[0], csv_line(list(CSV_COLUMNS)).encode()
    for told in _tell(theme, samples):
        yield from zip(paths, told.texts, strict=True)
        yield layout.records_parquet(theme), told.records


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
