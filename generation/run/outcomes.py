"""What a step said of samples: lines of a file, of which memory holds where each stands.

- An outcome costs some forty bytes, not the two thousand of the record that it is read into: its verdict, its
  fingerprint, and where its line is. The line is read again when a step wants it.
- Lines are appended, and the last one of an id counts. `sort` brings a file into the order of ids by copying
  lines; one that is in order already is left alone.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from struct import Struct

import msgspec
import numpy as np

from sparkle._files import append_lines, atomic_path, read_records
from sparkle.generation.run.lines import Numbers
from sparkle.schemas.funnel import Fate, fate_of
from sparkle.schemas.records import AnyOutcome

# Of each outcome: offset and length of its line, number of its verdict, and half of its fingerprint.
_ROW = Struct("<qii16s")
_ROWS = np.dtype([("offset", "<i8"), ("length", "<i4"), ("verdict", "<i4"), ("fingerprint", "V16")])
_NONE = -1
_decoder = msgspec.json.Decoder(AnyOutcome)


class StepOutcomes:
    """A step's outcomes, as a container of ids.

    Args:
        path: Their file, without a torn line.
        numbers: Of the run's ids, for all of its steps.
    """

    def __init__(self, path: Path, numbers: Numbers) -> None:
        self._path = path
        self._numbers = numbers
        self._slots = array("i")  # by number of an id: its row in the table, or none
        self._table = bytearray()
        self._verdicts: list[Fate] = []
        self._verdict_numbers: dict[Fate, int] = {}
        self._count = self._size = 0
        self._descriptor: int | None = None

    def load(self) -> None:
        """Read what is there.

        Raises:
            RecordError: a line is bad; the error names file and line.
        """
        if not self._path.exists():
            return
        self._size = self._path.stat().st_size
        before: tuple[AnyOutcome, int] | None = None
        for offset, outcome in read_records(self._path, AnyOutcome):
            if before is not None:
                self._put(*before, offset)
            before = outcome, offset
        if before is not None:
            self._put(*before, self._size)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __len__(self) -> int:
        return self._count

    def __contains__(self, sample_id: object) -> bool:
        return isinstance(sample_id, str) and self._slot(sample_id) != _NONE

    def append(self, outcomes: Sequence[AnyOutcome]) -> None:
        """Write outcomes down, durably: one fsync for all."""
        for outcome, length in zip(outcomes, append_lines(self._path, outcomes), strict=True):
            self._put(outcome, self._size, self._size + length)
            self._size += length

    def get(self, sample_id: str) -> AnyOutcome | None:
        """Read the outcome of a sample."""
        slot = self._slot(sample_id)
        if slot == _NONE:
            return None
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDONLY)
        offset, length, *_ = _ROW.unpack_from(self._table, slot * _ROW.size)
        return _decoder.decode(os.pread(self._descriptor, length, offset))

    def verdict(self, sample_id: str) -> Fate:
        """Return what became of a sample that has an outcome."""
        slot = self._slot(sample_id)
        if slot == _NONE:
            raise KeyError(sample_id)
        number: int = _ROW.unpack_from(self._table, slot * _ROW.size)[2]
        return self._verdicts[number]

    def made_from(self, sample_id: str, fingerprint: str) -> bool:
        """Return whether there is an outcome of a sample that has this fingerprint."""
        slot = self._slot(sample_id)
        if slot == _NONE:
            return False
        half: bytes = _ROW.unpack_from(self._table, slot * _ROW.size)[3]
        return half == bytes.fromhex(fingerprint)[: len(half)]

    def mentioning(self, word: str) -> Iterator[AnyOutcome]:
        """Read the outcomes in whose line a word stands, in the order of the file."""
        wanted = word.encode()
        if self._path.exists():
            with self._path.open("rb") as lines:
                yield from (_decoder.decode(line) for line in lines if wanted in line)

    def forget(self, sample_ids: Iterable[str]) -> int:
        """Let outcomes count no longer, and return how many there were; `sort` makes it durable."""
        there = [sample_id for sample_id in sample_ids if sample_id in self]
        for sample_id in there:
            self._slots[self._numbers.give(sample_id)] = _NONE
        self._count -= len(there)
        return len(there)

    def sort(self, order: array[int]) -> None:
        """Bring the file into the order of ids, one line for each, or leave it as it was.

        Args:
            order: The numbers of all ids, in the order of the ids.
        """
        if not self._path.exists():
            return
        self._grow(len(order))
        numbers = np.frombuffer(order, np.int32)
        slots = np.frombuffer(self._slots, np.int32)[numbers]
        numbers, slots = numbers[slots != _NONE], slots[slots != _NONE]
        table = np.frombuffer(self._table, _ROWS)[slots]
        begins, lengths = table["offset"], table["length"].astype(np.int64)
        sorted_ends = np.cumsum(lengths)
        size = int(lengths.sum())
        if size == self._size and np.array_equal(begins, sorted_ends - lengths):
            return
        first = np.flatnonzero(np.diff(begins, prepend=-1) != np.concatenate([[0], lengths])[:-1])
        last = np.append(first[1:], len(slots)) - 1
        self._copy(begins[first].tolist(), (begins + lengths)[last].tolist() if len(slots) else [])
        table["offset"] = sorted_ends - lengths
        slots_now = np.full(len(self._slots), _NONE, np.int32)
        slots_now[numbers] = np.arange(len(slots))
        self._slots, self._table = array("i", slots_now.tobytes()), bytearray(table.tobytes())
        self._size = size

    def _copy(self, begins: Sequence[int], ends: Sequence[int]) -> None:
        """Write the file anew, out of pieces of what it is."""
        self.close()
        # By pread: a map of the file would stay in memory, piece by piece, until all of it is there.
        with (
            atomic_path(self._path) as temporary,
            temporary.open("wb") as new,
            self._path.open("rb") as old,
        ):
            for begin, end in zip(begins, ends, strict=True):
                new.write(os.pread(old.fileno(), end - begin, begin))

    def _slot(self, sample_id: str) -> int:
        number = self._numbers.find(sample_id)
        return self._slots[number] if number is not None and number < len(self._slots) else _NONE

    def _grow(self, count: int) -> None:
        if len(self._slots) < count:
            self._slots.extend([_NONE] * (count - len(self._slots)))

    def _put(self, outcome: AnyOutcome, begin: int, end: int) -> None:
        number = self._numbers.give(outcome.id)
        self._grow(number + 1)
        verdict = fate_of(outcome)
        known = self._verdict_numbers.setdefault(verdict, len(self._verdicts))
        if known == len(self._verdicts):
            self._verdicts.append(verdict)
        row = _ROW.pack(begin, end - begin, known, bytes.fromhex(outcome.fingerprint)[:16])
        slot = self._slots[number]
        if slot == _NONE:
            self._slots[number] = len(self._table) // _ROW.size
            self._table += row
            self._count += 1
        else:
            _ROW.pack_into(self._table, slot * _ROW.size, *_ROW.unpack(row))
