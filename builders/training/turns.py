"""Datasets that take turns in a training, and how it goes on exactly where a checkpoint was made.

How it works
- Kiwi-Edit trains on up to three datasets: images, videos, videos with a reference. They take turns, a step
  each, until the shortest has had its epochs; the others have seen as many steps by then.
- A step is one sample on every process. Each dataset has an order of its own (`Order`, shuffled anew in
  every epoch), which its `PairSampler` deals out. Rows that do not suffice for all processes are left out of
  that epoch.
- `TurnState` says which samples were trained on, as text in a checkpoint. It holds for any number of
  processes: the next ones deal out the rest anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from sparkle.builders.training.order import Order
from sparkle.builders.training.sampler import PairSampler
from sparkle.schemas.errors import ConfigError

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

_OTHER_DATASET = (
    "train on the checkpoint's dataset; to go on with another one, choose an empty --output_path and give "
    "this checkpoint as --checkpoint"
)


@dataclass(frozen=True)
class TurnRows:
    """The rows of one dataset.

    Attributes:
        count: How many there are.
        sha256: Of the metadata file that they are from.
        where: That file.
    """

    count: int
    sha256: str
    where: str


class DatasetState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a training stands in one dataset.

    Attributes:
        sha256: Of its metadata file.
        seed: Of its order.
        rows: How many there are.
        epoch: The epoch that is next, or under way.
        position: Samples of that epoch that were trained on.
    """

    sha256: str
    seed: _Count
    rows: _Count
    epoch: _Count
    position: _Count


class TurnState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a training stands.

    Attributes:
        steps: Steps since it began.
        turn: The dataset whose turn is next.
        datasets: Where it stands in each, in the order of their turns.
    """

    steps: _Count
    turn: str
    datasets: dict[str, DatasetState]


def read_turn_state(text: str, where: object) -> TurnState:
    """Read what `msgspec.json` wrote into a checkpoint.

    Raises:
        ConfigError: it is something else.
    """
    try:
        state = msgspec.json.decode(text, type=TurnState)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ConfigError("the checkpoint does not say where it stands", got=error, where=where) from None
    if state.turn not in state.datasets:
        raise ConfigError("the checkpoint is of no dataset's turn", got=repr(state.turn), where=where)
    return state


class Turns:
    """The steps that are left of a training, as names of datasets in turn.

    Args:
        datasets: Rows by name, in the order of their turns.
        epochs: How often the shortest is gone through.
        rank: This process's number.
        world_size: How many processes train together.
        state: Where to go on; None begins.
        where: The checkpoint that it is from, for errors.

    Raises:
        ConfigError: the state is of other datasets, or a dataset has not a row for every process.
    """

    def __init__(
        self,
        datasets: Mapping[str, TurnRows],
        epochs: int,
        *,
        rank: int = 0,
        world_size: int = 1,
        state: TurnState | None = None,
        where: object = None,
    ) -> None:
        self._datasets = dict(datasets)
        self._names = tuple(datasets)
        self.samplers: dict[str, PairSampler] = {}
        for seed, (name, rows) in enumerate(datasets.items()):
            if rows.count < world_size:
                raise ConfigError(
                    f"the {name} do not suffice for a step",
                    got=f"{rows.count} rows, {world_size} processes",
                    wanted="at least one row per process",
                    where=rows.where,
                )
            self.samplers[name] = PairSampler(
                Order(rows.count, seed=seed), rank=rank, world_size=world_size, drop_last=True
            )
        self.done = 0
        first = 0
        if state is not None:
            self._require_same(state, where)
            self.done, first = state.steps, self._names.index(state.turn)
            for name, found in state.datasets.items():
                self.samplers[name].resume(msgspec.structs.asdict(found))
        self._first = first
        shortest = min(self._names, key=lambda name: datasets[name].count // world_size)
        rounds = self.samplers[shortest].steps_until(epochs)
        begun = self._names.index(shortest) < first  # a round whose others are to come
        self._left = max(0, (rounds + begun) * len(self._names) - first)

    def __len__(self) -> int:
        """Return the number of steps that are left."""
        return self._left

    def __iter__(self) -> Iterator[str]:
        """Yield the dataset of each step that is left."""
        count = len(self._names)
        return (self._names[(self._first + step) % count] for step in range(self._left))

    def state_after(self, steps: int) -> TurnState:
        """Return the state after so many steps of those that were left at the start."""
        count = len(self._names)
        places = {}
        for number, (name, rows) in enumerate(self._datasets.items()):
            sampler = self.samplers[name]
            taken = len(range((number - self._first) % count, steps, count))
            place = sampler.state_at(taken * sampler.world_size)
            places[name] = DatasetState(sha256=rows.sha256, **place)
        return TurnState(self.done + steps, self._names[(self._first + steps) % count], places)

    def _require_same(self, state: TurnState, where: object) -> None:
        """Raise ConfigError for the state of other datasets."""
        if tuple(state.datasets) != self._names:
            raise ConfigError(
                "the checkpoint is of other datasets",
                got=", ".join(self._names),
                wanted=", ".join(state.datasets),
                where=where,
                fix=_OTHER_DATASET,
            )
        for name, found in state.datasets.items():
            rows = self._datasets[name]
            if (found.rows, found.sha256) != (rows.count, rows.sha256):
                raise ConfigError(
                    f"the checkpoint is of other {name}",
                    got=f"{rows.where}: {rows.count} rows, sha256 {rows.sha256}",
                    wanted=f"{found.rows} rows of metadata with sha256 {found.sha256}",
                    where=where,
                    fix=_OTHER_DATASET,
                )
