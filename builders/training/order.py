"""In which order samples are seen: a pure function of (seed, epoch), the same on every rank and worker.

How it works
- An epoch is computed whole, as arrays of row numbers: 140,000 rows take milliseconds and a megabyte. Where
  one goes on is then an index into it: resuming costs the same anywhere, with any number of ranks or workers.
- Randomness is sorted raw output of PCG64, whose stream numpy promises to keep; `Generator.permutation`
  is not promised.
- `shuffle="blocks"` keeps rows together that lie together in the tars: blocks of `BLOCK_ROWS` rows are
  dealt in random order to `LANES` lanes, rows are shuffled inside their block, and lanes take turns batch by
  batch. A worker that takes every n-th batch reads whole blocks when ranks times workers divide `LANES`.
- `weights` mix groups (themes, releases): groups take turns in a fixed pattern, so that any window as long as
  the sum of the weights holds each group exactly as often as its weight. A group that is through starts its
  next cycle in another order; an epoch is as long as there are rows, and the next one goes on where it ended.
- `buckets` make batches of one kind: walking along the order, a batch leaves when its bucket is full; what is
  left over comes last, in short batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from sparkle.schemas.errors import ConfigError

Rows = npt.NDArray[np.int64]
Shuffle = Literal["rows", "blocks", "none"]
SHUFFLES: tuple[Shuffle, ...] = ("rows", "blocks", "none")

# Rows of a block: at 1 MB a pair, a worker that streams holds some 30 MB of each lane that it reads.
BLOCK_ROWS = 32
# Lanes: 1, 2, 4 or 8 workers read whole blocks each.
LANES = 8
MAX_PATTERN = 10_000  # sum of whole weights: beyond it, no epoch shows the difference


@dataclass(frozen=True)
class Epoch:
    """An epoch's samples in order.

    Attributes:
        rows: int64 (N,): which row.
        cycles: int64 (N,): how often that row's group was gone through before.
        ends: int64 (B,): where each batch ends; None where batches are cut as they come.
    """

    rows: Rows
    cycles: Rows
    ends: Rows | None

    def batch_ends(self, start: int, batch_size: int) -> Rows:
        """Return where batches end from a position on.

        Raises:
            ConfigError: batches are of one kind each, and none begins there.
        """
        count = len(self.rows)
        if self.ends is None:
            return np.minimum(np.arange(start, count, batch_size) + batch_size, count)
        if start and start not in self.ends:
            raise ConfigError(
                "no batch begins where the state was taken",
                got=f"position {start}, batches of {batch_size}",
                fix="resume with the batch size and buckets with which the state was taken",
            )
        return self.ends[self.ends > start]


@dataclass(frozen=True, eq=False)
class Order:
    """Everything that the order of rows depends on; `PairDataset.order` makes one of a dataset.

    Example:
        >>> order = sparkle.Order(4, seed=7, batch_size=2)
        >>> sorted(order.epoch(0).rows.tolist())
        [0, 1, 2, 3]

    Attributes:
        count: Number of rows.
        seed: At least 0.
        batch_size: Rows per batch, on each rank.
        shuffle: "rows", "blocks" (see above) or "none".
        groups: int (count,): the group of each row, counted from 0, where groups are mixed.
        weights: How often each group is seen, relative to the others; 0 leaves a group out.
        buckets: int (count,): rows that may share a batch have the same number.

    Raises:
        ConfigError: a value is invalid.
    """

    count: int
    seed: int = 0
    batch_size: int = 1
    shuffle: Shuffle = "rows"
    groups: Rows | None = None
    weights: tuple[float, ...] = ()
    buckets: Rows | None = None

    def __post_init__(self) -> None:
        for name, least in {"count": 1, "seed": 0, "batch_size": 1}.items():
            if getattr(self, name) < least:
                raise ConfigError(f"invalid {name}", got=getattr(self, name), wanted=f"at least {least}")
        if self.shuffle not in SHUFFLES:
            raise ConfigError("there is no such shuffle", got=self.shuffle, wanted=f"one of {SHUFFLES}")
        for name in ("groups", "buckets"):
            numbers = getattr(self, name)
            if numbers is not None and len(numbers) != self.count:
                raise ConfigError(
                    f"every row needs one of the {name}", got=len(numbers), wanted=f"{self.count} numbers"
                )
        if (self.groups is None) != (not self.weights):
            raise ConfigError("groups and weights go together", wanted="both or neither")
        if self.weights:
            _require_rows(self._members, self._pattern)

    def epoch(self, number: int) -> Epoch:
        """Return the samples of an epoch, counted from 0."""
        rows, cycles = self._mixed(number) if self.weights else self._whole(number)
        if self.buckets is None:
            return Epoch(rows, cycles, None)
        moved, ends = fill_batches(self.buckets[rows], self.batch_size)
        return Epoch(rows[moved], cycles[moved], ends)

    def _whole(self, number: int) -> tuple[Rows, Rows]:
        rows = np.arange(self.count)
        return self._shuffled(rows, (number,), LANES), np.full(self.count, number)

    def _mixed(self, number: int) -> tuple[Rows, Rows]:
        """Return an epoch's part of the endless mix."""
        length = sum(len(self._members[group]) for group in np.unique(self._pattern))
        turns = np.arange(number * length, (number + 1) * length)
        full, rest = np.divmod(turns, len(self._pattern))
        taken = self._pattern[rest]
        rows, cycles = np.empty(length, np.int64), np.empty(length, np.int64)
        for group in np.unique(self._pattern).tolist():
            members, here = self._members[group], taken == group
            chosen = self._pattern == group
            seen = full[here] * chosen.sum() + (np.cumsum(chosen) - chosen)[rest[here]]
            cycle, place = np.divmod(seen, len(members))
            found = np.empty(len(seen), np.int64)
            for turn in np.unique(cycle).tolist():
                found[cycle == turn] = self._shuffled(members, (turn, group), 1)[place[cycle == turn]]
            rows[here], cycles[here] = found, cycle
        return rows, cycles

    @cached_property
    def _pattern(self) -> Rows:
        return mix_pattern(whole_weights(self.weights))

    @cached_property
    def _members(self) -> list[Rows]:
        return [np.flatnonzero(self.groups == group) for group in range(len(self.weights))]

    def _shuffled(self, rows: Rows, key: Sequence[int], lanes: int) -> Rows:
        if self.shuffle == "none":
            return rows
        if self.shuffle == "rows":
            return rows[np.argsort(_random((self.seed, *key), len(rows)), kind="stable")]
        return rows[block_order(len(rows), (self.seed, *key), lanes, self.batch_size)]


def bucket_numbers(columns: Sequence[Rows]) -> Rows:
    """Return numbers of buckets: rows that agree in all columns have the same.

    Args:
        columns: int (N,) each, at least 0.
    """
    numbers = np.zeros_like(columns[0])
    for column in columns:
        numbers = numbers * (column.max() + 1) + column
    return numbers


def fill_batches(buckets: Rows, batch_size: int) -> tuple[Rows, Rows]:
    """Make batches of one bucket each, in the order in which they fill up; short ones last.

    Args:
        buckets: int (N,): the bucket of each sample, in order.
        batch_size: Samples of a batch.

    Returns:
        Positions (N,) in the new order, and where each batch ends (B,).
    """
    by_bucket = np.argsort(buckets, kind="stable")
    _, counts = np.unique(buckets, return_counts=True)
    firsts = np.cumsum(counts) - counts
    cuts = [np.arange(0, count, batch_size) for count in counts]
    starts = np.concatenate([cut + first for cut, first in zip(cuts, firsts, strict=True)])
    sizes = np.concatenate(
        [np.minimum(batch_size, count - cut) for cut, count in zip(cuts, counts, strict=True)]
    )
    filled = by_bucket[starts + sizes - 1] + (sizes < batch_size) * len(buckets)
    batches = np.argsort(filled, kind="stable")
    starts, sizes = starts[batches], sizes[batches]
    ends = np.cumsum(sizes)
    return by_bucket[np.arange(len(buckets)) + np.repeat(starts - (ends - sizes), sizes)], ends


def block_order(count: int, key: Sequence[int], lanes: int, batch_size: int) -> Rows:
    """Return rows in the order of `shuffle="blocks"`, as positions (N,)."""
    first = int(_random((*key, 0), 1)[0] % np.uint64(BLOCK_ROWS))  # blocks differ from cycle to cycle
    block = (np.arange(count) + first) // BLOCK_ROWS
    place = np.empty(block[-1] + 1, np.int64)
    place[np.argsort(_random((*key, 1), len(place)), kind="stable")] = np.arange(len(place))
    rows = np.lexsort((_random((*key, 2), count), place[block]))
    lane = place[block[rows]] % lanes
    by_lane = np.argsort(lane, kind="stable")
    counts = np.bincount(lane, minlength=lanes)
    within = np.empty(count, np.int64)
    within[by_lane] = np.arange(count) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(rows[np.lexsort((within, lane, within // batch_size))], np.int64)


def mix_pattern(weights: Sequence[int]) -> Rows:
    """Let groups take turns as evenly as possible: each as often as its weight in every round.

    Smooth weighted round robin: whoever is owed most is next.
    """
    total, owed = sum(weights), np.zeros(len(weights), np.int64)
    pattern = np.empty(total, np.int64)
    for turn in range(total):
        owed += weights
        pattern[turn] = chosen = int(np.argmax(owed))
        owed[chosen] -= total
    return pattern


def whole_weights(weights: Sequence[float]) -> list[int]:
    """Return weights as the smallest whole numbers in the same relation.

    Raises:
        ConfigError: a weight is negative or not a number, all are 0, or their sum exceeds `MAX_PATTERN`.
    """
    try:
        parts = [Fraction(str(weight)) for weight in weights]
    except ValueError:
        parts = []
    if not parts or min(parts) < 0 or not any(parts):
        raise ConfigError("invalid weights", got=list(weights), wanted="0 or more, not all 0")
    scale = math.lcm(*(part.denominator for part in parts))
    whole = [int(part * scale) for part in parts]
    whole = [number // math.gcd(*whole) for number in whole]
    if sum(whole) > MAX_PATTERN:
        raise ConfigError(
            f"the mix needs a pattern of more than {MAX_PATTERN:,} rows",
            got=" : ".join(map(str, whole)),
            wanted="coarser weights",
        )
    return whole


def named_weights(names: Sequence[str], weights: Mapping[str, float]) -> tuple[float, ...]:
    """Return weights in the order of their groups' names.

    Raises:
        ConfigError: a group has no weight, or a weight no group.
    """
    if set(names) != set(weights):
        raise ConfigError(
            "a mix names every group once; 0 leaves one out",
            got=", ".join(sorted(weights)),
            wanted=", ".join(names),
        )
    return tuple(weights[name] for name in names)


def _require_rows(members: Sequence[Rows], pattern: Rows) -> None:
    empty = [group for group in np.unique(pattern).tolist() if not len(members[group])]
    if empty:
        raise ConfigError("a group with a weight has no rows", got=f"groups {empty}")


def _random(key: Sequence[int], count: int) -> npt.NDArray[np.uint64]:
    """Return random numbers that follow from a key of whole numbers, each at least 0."""
    return np.asarray(np.random.PCG64(np.random.SeedSequence(list(key))).random_raw(count), np.uint64)
