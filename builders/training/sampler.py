"""Hands out an order's batches to ranks and workers, and resumes exactly from a few integers.

How it works
- Ranks take turns: of the batches of an epoch, rank r of R takes every R-th, so that all ranks together are
  always at one position of the order. A state is that position: seed, rows, epoch, samples used of it.
- It counts what was used, not what workers fetched ahead. Every `Draw` carries the position behind its step,
  items carry it on, and `state_after(batch)` reads it from the batch that was trained on last. Where items
  carry nothing (Kiwi-Edit's), `state_at(batches)` counts. torchdata's StatefulDataLoader keeps it by itself.
- Resumed on other ranks, the remaining samples come in the same order and are dealt out anew.
- An iteration is one epoch, or the rest of one; the next iteration is the next epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sparkle.builders.training.order import Epoch, Order, Rows
from sparkle.schemas.errors import ConfigError

State = dict[str, int]


class Draw(int):
    """A row's number, and where in the order it was drawn: an index for any map-style dataset.

    Attributes:
        cycle: How often its group was gone through before: what makes windows and crops differ.
        epoch: The epoch behind this draw's step.
        position: Samples of that epoch that all ranks have used when this draw's step is done.
    """

    cycle: int
    epoch: int
    position: int

    def __new__(cls, row: int, cycle: int = 0, epoch: int = 0, position: int = 0) -> Draw:
        """A draw of a row."""
        draw = super().__new__(cls, row)
        draw.cycle, draw.epoch, draw.position = cycle, epoch, position
        return draw

    def __reduce__(self) -> tuple[Any, ...]:
        return (Draw, (int(self), self.cycle, self.epoch, self.position))


class PairSampler:
    """A batch sampler, for `DataLoader(dataset, batch_sampler=...)`; `PairDataset.sampler` makes one.

    Example:
        >>> sampler = sparkle.PairSampler(sparkle.Order(4, batch_size=2, shuffle="none"))
        >>> list(sampler)
        [[0, 1], [2, 3]]
        >>> sampler.state_at(1)  # four integers; `sampler.resume` goes on from there
        {'seed': 0, 'rows': 4, 'epoch': 0, 'position': 2}

    Args:
        order: The order.
        rank: This process's number among those that train together; None gives the batches of all, for
            accelerate, whose `prepare` deals them out in the same way.
        world_size: How many processes train together.
        drop_last: Leave out short batches, and the batches of a last step that do not suffice for all
            ranks. Without, ranks can differ by one batch, which breaks `DistributedDataParallel`.

    Raises:
        ConfigError: there is no such rank.
    """

    def __init__(
        self, order: Order, *, rank: int | None = 0, world_size: int = 1, drop_last: bool = False
    ) -> None:
        if not 0 <= (rank or 0) < world_size:
            raise ConfigError("there is no such rank", got=f"rank {rank} of {world_size}")
        self.order = order
        self.rank = rank
        self.world_size = world_size
        self.drop_last = drop_last
        self._resumed = (0, 0)  # epoch and position
        self._start = (0, 0)  # the same, of where the next iteration begins

    @property
    def batch_size(self) -> int:
        """Rows per batch; accelerate asks for it."""
        return self.order.batch_size

    def __len__(self) -> int:
        """Return the number of batches of this rank in the next iteration."""
        epoch, position = self._start
        return len(self._steps(self.order.epoch(epoch), position)[self._mine])

    def __iter__(self) -> Walk:
        """Iterate over one epoch, or what is left of it."""
        return Walk(self, self._start)

    def resume(self, state: Mapping[str, int]) -> None:
        """Go on from a state; the next iteration is the rest of its epoch.

        Args:
            state: What `state_after` or `state_at` gave, on any rank of any number of ranks.

        Raises:
            ConfigError: the state belongs to another sampler.
        """
        self._start = self._resumed = self._read(state)

    def state_after(self, batch: Mapping[str, Any]) -> State:
        """Return the state once a batch was used by this rank, and the others used theirs of the same step.

        Args:
            batch: What a data loader made of items with `epoch` and `position`.
        """
        return self._state(*(int(np.asarray(batch[name]).max()) for name in ("epoch", "position")))

    def state_at(self, batches: int) -> State:
        """Return the state when all ranks together have used so many batches since the start or `resume`.

        Args:
            batches: At least 0; later epochs are counted on.
        """
        epoch, position = self._resumed
        while batches:
            steps = self._steps(self.order.epoch(epoch), position)
            if batches < len(steps):
                return self._state(epoch, int(steps[batches - 1]))
            batches -= len(steps)
            epoch, position = epoch + 1, 0
        return self._state(epoch, position)

    def steps_until(self, epoch: int) -> int:
        """Return how many steps all ranks take from the start, or from `resume`, until an epoch begins."""
        first, position = self._resumed
        batches = sum(
            len(self._steps(self.order.epoch(number), position if number == first else 0))
            for number in range(first, epoch)
        )
        return batches // self.world_size

    @property
    def _mine(self) -> slice:
        """Return which of the batches of all ranks are this one's."""
        return slice(None) if self.rank is None else slice(self.rank, None, self.world_size)

    def _state(self, epoch: int, position: int) -> State:
        return {"seed": self.order.seed, "rows": self.order.count, "epoch": epoch, "position": position}

    def _read(self, state: Mapping[str, int]) -> tuple[int, int]:
        expected = {"seed": self.order.seed, "rows": self.order.count}
        found = {name: state.get(name) for name in expected}
        if found != expected or not {"epoch", "position"} <= state.keys():
            raise ConfigError(
                "this state belongs to another sampler: seed or number of rows differ",
                got=", ".join(f"{name} {state.get(name)}" for name in (*expected, "epoch", "position")),
                wanted=", ".join(f"{name} {value}" for name, value in expected.items()),
                fix="resume with the same seed and the same choice of samples",
            )
        self.order.epoch(state["epoch"]).batch_ends(state["position"], self.order.batch_size)
        return state["epoch"], state["position"]

    def _steps(self, epoch: Epoch, position: int) -> Rows:
        """Return where the batches of all ranks end, from a position on."""
        ends = epoch.batch_ends(position, self.order.batch_size)
        if self.drop_last:
            ends = ends[np.diff(ends, prepend=position) == self.order.batch_size]
            ends = ends[: len(ends) - len(ends) % self.world_size]
        return ends


class Walk(Iterator[list[Draw]]):
    """An iteration over the batches of one rank, with a state for torchdata's StatefulDataLoader."""

    def __init__(self, sampler: PairSampler, start: tuple[int, int]) -> None:
        self._sampler = sampler
        self._begin(*start)

    def _begin(self, epoch: int, position: int) -> None:
        self._number, self._position = epoch, position
        self._epoch = self._sampler.order.epoch(epoch)
        ends = self._sampler._steps(self._epoch, position)
        starts = np.concatenate(([position], ends[:-1]))[: len(ends)]
        world = self._sampler.world_size
        together = np.arange(len(ends)) // world * world + world  # batches when a batch's step is done
        behind = ends[np.minimum(together, len(ends)) - 1]
        mine = (edges[self._sampler._mine].tolist() for edges in (starts, ends, behind))
        self._batches = list(zip(*mine, strict=True))
        self._last = int(ends[-1]) if len(ends) else position
        self._next = 0

    def __len__(self) -> int:
        return len(self._batches) - self._next

    def __next__(self) -> list[Draw]:
        if self._next == len(self._batches):
            self._sampler._start = (self._number + 1, 0)
            raise StopIteration
        start, end, behind = self._batches[self._next]
        self._next += 1
        # Behind the last step is the next epoch's beginning.
        epoch, position = (self._number + 1, 0) if behind == self._last else (self._number, behind)
        self._position = behind
        rows, cycles = self._epoch.rows[start:end].tolist(), self._epoch.cycles[start:end].tolist()
        return [Draw(row, cycle, epoch, position) for row, cycle in zip(rows, cycles, strict=True)]

    def state_dict(self) -> State:
        """Return where this iteration is; its last step is still part of it."""
        return self._sampler._state(self._number, self._position)

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from a state; raises ConfigError for one of another sampler."""
        epoch, position = self._sampler._read(state)
        self._begin(epoch, position)
        # Whoever loads the state of an iteration that is over starts another one right away.
        self._sampler._start = (epoch, position) if self._batches else (epoch + 1, 0)
