"""`PairStream`: batches of pairs as an iterable dataset that reads the tars of both videos side by side.

    stream = PairDataset("releases/demo", ["location"], clip=Clip(frames=49)).stream(batch_size=2)
    for batch in DataLoader(stream, batch_size=None, num_workers=8):
        ...

How it works
- Batches are those of the sampler, in the same order with any number of workers: worker w of W makes every
  W-th batch of its rank, and a data loader takes them in turns.
- Bytes are read a chunk ahead, in another thread, in the order in which they lie in the tars; with
  `shuffle="blocks"` a chunk is whole blocks. Source and edited lie in tars of their own, which are read side
  by side; nothing is copied into tars of pairs.
- `set_epoch` and `resume` reach workers that are there already (`persistent_workers=True`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from sparkle.builders.training.order import BLOCK_ROWS, LANES
from sparkle.builders.training.sampler import Draw, PairSampler, State
from sparkle.builders.training.tensors import collate, import_torch

Batch = dict[str, Any]

# Rows that are read at once where the order does not keep neighbours together.
_ROWS_AHEAD = 8

IterableDataset: Any = import_torch().utils.data.IterableDataset


class Items(Protocol):
    """What a row becomes: a `PairDataset`."""

    def read(self, rows: Sequence[int]) -> list[list[bytes]]:
        """The bytes of all streams of some rows."""
        ...

    def make(self, row: int, data: Sequence[bytes]) -> dict[str, Any]:
        """An item out of the bytes of its streams."""
        ...


class PairStream(IterableDataset):  # type: ignore[misc]  # untyped
    """Batches of one rank; `DataLoader(stream, batch_size=None)`.

    Args:
        dataset: What a row becomes.
        sampler: Which rows, in which batches.
    """

    def __init__(self, dataset: Items, sampler: PairSampler) -> None:
        self.dataset = dataset
        self.sampler = sampler
        # Epoch and position at which iterations begin, seen by all workers.
        self._start = import_torch().zeros(2, dtype=import_torch().int64).share_memory_()

    def __len__(self) -> int:
        """Return the number of batches of the next iteration."""
        self.sampler.resume(self._state())
        return len(self.sampler)

    def __iter__(self) -> StreamWalk:
        """Iterate over one epoch, or what is left of it."""
        return StreamWalk(self, self._state(), 0)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next iteration is; without, it is the same again."""
        self.resume({**self._state(), "epoch": epoch, "position": 0})

    def resume(self, state: Mapping[str, int]) -> None:
        """Go on from a state; the next iteration is the rest of its epoch.

        Raises:
            ConfigError: the state belongs to another sampler.
        """
        self.sampler.resume(state)
        self._start[0], self._start[1] = state["epoch"], state["position"]

    def state_after(self, batch: Mapping[str, Any]) -> State:
        """Return the state once a batch was used: see `PairSampler.state_after`."""
        return self.sampler.state_after(batch)

    def _state(self) -> State:
        epoch, position = self._start.tolist()
        return {"seed": self.sampler.order.seed, "rows": self.sampler.order.count} | {
            "epoch": epoch,
            "position": position,
        }

    def batches(self, state: Mapping[str, int]) -> list[list[Draw]]:
        """Return the batches of this worker from a state on."""
        worker = import_torch().utils.data.get_worker_info()
        self.sampler.resume(state)
        mine = list(self.sampler)
        return mine if worker is None else mine[worker.id :: worker.num_workers]

    def chunks(self, batches: Sequence[list[Draw]]) -> Iterator[Sequence[list[Draw]]]:
        """Yield batches that are read together: one at first, to begin training soon, then ever more."""
        order = self.sampler.order
        worker = import_torch().utils.data.get_worker_info()
        readers = self.sampler.world_size * (1 if worker is None else worker.num_workers)
        lanes = max(1, LANES // readers) if order.shuffle == "blocks" and not order.weights else 1
        rows = _ROWS_AHEAD if order.shuffle == "rows" else BLOCK_ROWS * lanes
        most = max(1, rows // order.batch_size)
        start, size = 0, 1
        while start < len(batches):
            yield batches[start : start + size]
            start, size = start + size, min(2 * size, most)


class StreamWalk(Iterator[Batch]):
    """An iteration over a stream, with a state for torchdata's StatefulDataLoader.

    Args:
        stream: The stream.
        state: Where the iteration began.
        done: How many of this worker's batches were handed out since.
    """

    def __init__(self, stream: PairStream, state: Mapping[str, int], done: int) -> None:
        self._stream = stream
        self._begin(state, done)

    def _begin(self, state: Mapping[str, int], done: int) -> None:
        self._state, self._done = dict(state), done
        self._batches = self._read(self._stream.batches(state)[done:])

    def __next__(self) -> Batch:
        batch = next(self._batches)
        self._done += 1
        return batch

    def state_dict(self) -> dict[str, int]:
        """Return where this worker is."""
        return {**self._state, "done": self._done}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from a state of the same worker; raises ConfigError for one of another sampler."""
        self._begin({name: value for name, value in state.items() if name != "done"}, state["done"])

    def _read(self, batches: Sequence[list[Draw]]) -> Iterator[Batch]:
        dataset = self._stream.dataset
        with ThreadPoolExecutor(1, thread_name_prefix="pairs") as pool:
            pending = None
            for chunk in (*self._stream.chunks(batches), None):
                rows = [draw for batch in chunk or () for draw in batch]
                upcoming = None if chunk is None else (chunk, pool.submit(dataset.read, rows))
                if pending is not None:
                    ready, reading = pending
                    data = iter(reading.result())
                    for batch in ready:
                        yield collate([dataset.make(draw, next(data)) for draw in batch])
                pending = upcoming
