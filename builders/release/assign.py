"""Which samples go into which tar: kept ones stay where they are, new ones open new tars.

How it works
- The limit counts what a tar really weighs: a header block and padding for each member, and the two zero
  blocks at the end. A member that is larger than the limit alone gets a tar of its own.
- An id that a part of the previous release holds stays in that part, so that removing an id rewrites one
  part and leaves the others as they are. It moves only when its part no longer fits the limit.
- Ids that are new fill new parts in their order. Numbers are never used again, not even those of parts that
  are gone: a name that was published never means something else.
- The same ids, sizes, limit and previous parts give the same parts; parts that are assigned again stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

BLOCK = 512  # bytes; everything in a tar is a multiple of it (POSIX ustar)
END_BYTES = 2 * BLOCK  # two zero blocks end a tar (POSIX ustar)


@dataclass(frozen=True)
class Part:
    """A tar of a kind: its number, and the ids that it holds in their order."""

    number: int
    ids: tuple[str, ...]


def member_bytes(size: int) -> int:
    """Bytes that a file of `size` bytes takes in a tar: header, data, padding."""
    return BLOCK + -(-size // BLOCK) * BLOCK


def tar_bytes(sizes: Sequence[int]) -> int:
    """Bytes of a tar of files of these sizes."""
    return sum(map(member_bytes, sizes)) + END_BYTES


def data_offsets(sizes: Sequence[int]) -> Iterator[int]:
    """Where the data of each member begins, in bytes from the tar's start."""
    position = 0
    for size in sizes:
        yield position + BLOCK
        position += member_bytes(size)


def assign(
    sizes: Sequence[tuple[str, int]],
    cap: int,
    before: Mapping[int, Sequence[str]] | None = None,
    next_number: int = 0,
) -> list[Part]:
    """Parts of ids, each a tar of at most `cap` bytes unless it has a single member.

    Args:
        sizes: (id, bytes), sorted by id.
        cap: The most bytes of a tar.
        before: What each part of the previous release holds, by its number.
        next_number: The first number that was never used.

    Returns:
        The parts that hold something, by their numbers.
    """
    wanted = dict(sizes)
    parts = []
    for number, ids in sorted((before or {}).items()):
        kept = sorted(sample_id for sample_id in ids if sample_id in wanted)
        part = Part(number, tuple(_first_that_fit(kept, wanted, cap)))
        for sample_id in part.ids:
            del wanted[sample_id]
        if part.ids:
            parts.append(part)
    new = _fill([(sample_id, size) for sample_id, size in sizes if sample_id in wanted], cap)
    first = max([next_number, *(number + 1 for number in before or {})])
    return parts + [Part(number, tuple(ids)) for number, ids in enumerate(new, first)]


def _first_that_fit(ids: Sequence[str], sizes: Mapping[str, int], cap: int) -> Iterator[str]:
    filled = END_BYTES
    for sample_id in ids:
        filled += member_bytes(sizes[sample_id])
        if filled > cap and sample_id != ids[0]:
            return
        yield sample_id


def _fill(sizes: Sequence[tuple[str, int]], cap: int) -> list[list[str]]:
    parts: list[list[str]] = []
    filled = 0
    for sample_id, size in sizes:
        needed = member_bytes(size)
        if not parts or filled + needed > cap:
            parts.append([])
            filled = END_BYTES
        parts[-1].append(sample_id)
        filled += needed
    return parts
