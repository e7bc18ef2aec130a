"""`PairDataset`: pairs of a release, an index or a Hub as tensors, for training.

How it works
- Rows come from the tables, which all workers share, and bytes from where they are: loose files, tars, a Hub.
  What a row becomes is in `item`, in which order rows are seen in `order`.
- `pairs[5]` is row 5; `pairs[draw]`, with a `Draw` of the sampler, has the window and crop of that draw.
- A worker decodes with one thread, and opens files when it first needs them: a `PairDataset` pickles small.
- A bad sample is an error that names it. It is never skipped, repaired or replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sparkle.builders.reading.pairs import Pairs, named_kinds, open_pairs
from sparkle.builders.reading.source import Source, open_source
from sparkle.builders.training.item import Clip
from sparkle.builders.training.order import Order, Rows, Shuffle, bucket_numbers, named_weights
from sparkle.builders.training.sampler import Draw, PairSampler
from sparkle.builders.training.tensors import Tensors, require_form, to_tensors
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.ids import theme_of
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO

if TYPE_CHECKING:
    from sparkle.builders.training.stream import PairStream

Where = str | Path | Pairs


class PairDataset:
    """A map-style dataset of dicts of tensors.

    An item has `id`, `prompt`, `start` (first frame of the window), `mirrored`, `epoch` and `position` (see
    `PairSampler.state_after`), and each stream by its name: videos uint8 (T, H, W, 3), masks bool (T, H, W),
    frames uint8 (H, W, 3); with `tensors="CTHW"` float32 (3, T, H, W) in [-1, 1], (1, T, H, W) 0 or 1,
    and (3, H, W).

    Example:
        >>> clip = sparkle.Clip(frames=5, max_pixels=360_000)
        >>> pairs = sparkle.PairDataset("releases/demo", ["location"], clip=clip, tensors="CTHW")
        >>> sampler = pairs.sampler(batch_size=2, bucket_by=("height", "width"))
        >>> loader = torch.utils.data.DataLoader(pairs, batch_sampler=sampler, collate_fn=sparkle.collate)
        >>> for batch in loader:
        ...     state = sampler.state_after(batch)  # four integers, for `sampler.resume(state)`

    Args:
        where: A release's or an index's folder, `owner/name[@revision]` on a Hub, or `Pairs`; or several,
            each by a name that a mix can weigh.
        themes: A theme or several; None for all.
        clip: Which frames, how large, which part of the picture.
        streams: Names of kinds of artifact; the first one leads.
        tensors: "THWC" or "CTHW".
        seed: Windows, crops, mirror images and the order follow from it.
        min_scores: See `open_pairs`.
        max_scores: See `open_pairs`.
        ids: The samples to choose from; None for all.
        limit: Most pairs of each place.
        threads: Threads that decode a sample; more than 1 where there are no workers.
        cache: A folder for what is read from a Hub; None is one in the user's cache.
        verify: Whether bytes are compared with the sha256 of the tables.

    Raises:
        ReleaseError: `where` cannot be read.
        ConfigError: an option is invalid, or a clip is shorter than the window.
    """

    def __init__(
        self,
        where: Where | Mapping[str, Where],
        themes: str | Sequence[str] | None = None,
        *,
        clip: Clip | None = None,
        streams: Sequence[str] = (SOURCE_VIDEO.name, EDITED_VIDEO.name),
        tensors: Tensors = "THWC",
        seed: int = 0,
        min_scores: Mapping[str, float] | None = None,
        max_scores: Mapping[str, float] | None = None,
        ids: Collection[str] | None = None,
        limit: int | None = None,
        threads: int = 1,
        cache: Path | None = None,
        verify: bool = True,
    ) -> None:
        require_form(tensors)
        if threads < 1:
            raise ConfigError("invalid threads", got=threads, wanted="at least 1")
        self.clip = clip or Clip()
        self.kinds = named_kinds(streams)
        if not len(self.kinds) == len(streams) > 0:
            raise ConfigError("invalid streams", got=streams, wanted="at least one, each once")
        self.tensors = tensors
        self.seed = seed
        self.threads = threads
        self._names = tuple(where) if isinstance(where, Mapping) else ()
        self.parts: list[Pairs] = []
        self._sources: list[Source] = []
        for place in where.values() if isinstance(where, Mapping) else (where,):
            chosen = (
                place
                if isinstance(place, Pairs)
                else open_pairs(
                    place,
                    themes,
                    kinds=self.kinds,
                    min_scores=min_scores,
                    max_scores=max_scores,
                    ids=ids,
                    limit=limit,
                )
            )
            _require_length(chosen, self.clip.frames)
            self.parts.append(chosen)
            self._sources.append(open_source(chosen.catalog, cache=cache, verify=verify))
        self._ends = np.cumsum([len(part) for part in self.parts])
        if len(self) == 0:
            raise ConfigError("no pair was chosen", where=", ".join(part.name for part in self.parts))

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, row: int) -> dict[str, Any]:
        """Return an item.

        Args:
            row: A row's number, or a `Draw`.

        Raises:
            MediaError: a stream is bad, too short, or does not fit the others.
            ArtifactError: it is not what the tables say.
        """
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Return the items of a batch; what lies side by side is read in one go."""
        return [self.make(row, data) for row, data in zip(rows, self.read(rows), strict=True)]

    def read(self, rows: Sequence[int]) -> list[list[bytes]]:
        """Return the bytes of all streams of some rows, read in the order of their shards."""
        wanted = []
        for index, row in enumerate(rows):
            part, local = self._locate(row)
            for stream, kind in enumerate(self.kinds):
                artifact = self.parts[part].artifact(local, kind)
                wanted.append((part, artifact.file, artifact.offset, index, stream, artifact))
        wanted.sort(key=lambda entry: entry[:5])
        found: list[list[bytes]] = [[b""] * len(self.kinds) for _ in rows]
        for part in sorted({entry[0] for entry in wanted}):
            mine = [entry for entry in wanted if entry[0] == part]
            data = self._sources[part].read_many(entry[5] for entry in mine)
            for (_, _, _, index, stream, _), content in zip(mine, data, strict=True):
                found[index][stream] = content
        return found

    def make(self, row: int, data: Sequence[bytes]) -> dict[str, Any]:
        """Return an item made of the bytes of its streams."""
        part, local = self._locate(row)
        draw = row if isinstance(row, Draw) else Draw(row)
        pairs = self.parts[part]
        sample_id = pairs.ids[local]
        item = self.clip.decode(
            {kind.name: content for kind, content in zip(self.kinds, data, strict=True)},
            sample_id,
            seed=self.seed,
            cycle=draw.cycle,
            threads=self.threads,
            places={kind.name: _place(pairs.artifact(local, kind)) for kind in self.kinds},
        )
        told = {"id": sample_id, "prompt": pairs.prompt(local)}
        token = {"epoch": draw.epoch, "position": draw.position}
        return {**told, **token, **to_tensors(item, self.tensors)}

    def order(
        self,
        *,
        batch_size: int = 1,
        shuffle: Shuffle = "rows",
        bucket_by: Sequence[str] = (),
        mix: Mapping[str, float] | None = None,
    ) -> Order:
        """Return the order in which rows are seen.

        Args:
            batch_size: Rows per batch, on each rank.
            shuffle: "rows", "blocks" (friendly to tars) or "none".
            bucket_by: Columns of the tables in which the rows of a batch agree.
            mix: Name of a theme, or of a place where `where` has names -> how often it is seen.

        Raises:
            ConfigError: see `Order`; or a column has no value for a row.
        """
        groups, weights = self._groups(mix) if mix is not None else (None, ())
        buckets = bucket_numbers([self._numbers(name) for name in bucket_by]) if bucket_by else None
        return Order(len(self), self.seed, batch_size, shuffle, groups, weights, buckets)

    def sampler(
        self,
        *,
        batch_size: int = 1,
        shuffle: Shuffle = "rows",
        bucket_by: Sequence[str] = (),
        mix: Mapping[str, float] | None = None,
        rank: int | None = 0,
        world_size: int = 1,
        drop_last: bool = False,
    ) -> PairSampler:
        """Return a batch sampler of one rank.

        Args:
            batch_size: See `order`.
            shuffle: See `order`.
            bucket_by: See `order`.
            mix: See `order`.
            rank: See `PairSampler`.
            world_size: See `PairSampler`.
            drop_last: See `PairSampler`.
        """
        order = self.order(batch_size=batch_size, shuffle=shuffle, bucket_by=bucket_by, mix=mix)
        return PairSampler(order, rank=rank, world_size=world_size, drop_last=drop_last)

    def stream(
        self,
        *,
        batch_size: int = 1,
        shuffle: Shuffle = "blocks",
        bucket_by: Sequence[str] = (),
        mix: Mapping[str, float] | None = None,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
    ) -> PairStream:
        """Return the same as an iterable dataset of batches that reads tars from front to back.

        Args:
            batch_size: See `order`.
            shuffle: See `order`.
            bucket_by: See `order`.
            mix: See `order`.
            rank: This process's number among those that train together.
            world_size: How many these are.
            drop_last: See `PairSampler`.
        """
        from sparkle.builders.training.stream import PairStream

        order = self.order(batch_size=batch_size, shuffle=shuffle, bucket_by=bucket_by, mix=mix)
        return PairStream(self, PairSampler(order, rank=rank, world_size=world_size, drop_last=drop_last))

    def _locate(self, row: int) -> tuple[int, int]:
        """Return which place, and which row of it."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {int(row)} of {len(self)}")
        part = int(np.searchsorted(self._ends, row, side="right"))
        return part, int(row) - (int(self._ends[part - 1]) if part else 0)

    def _numbers(self, column: str) -> Rows:
        """Return a column's values as numbers that are equal where the values are."""
        chunks = [chunk for part in self.parts for chunk in part.column(column).chunks]
        values = pa.chunked_array(chunks).combine_chunks()
        if values.null_count:
            raise ConfigError(
                "a column to bucket by has no value for some rows",
                got=f"{values.null_count} of {len(values)}",
                where=column,
            )
        return np.asarray(values.dictionary_encode().indices, np.int64)

    def _groups(self, mix: Mapping[str, float]) -> tuple[Rows, tuple[float, ...]]:
        if self._names:
            sizes = [len(part) for part in self.parts]
            return np.repeat(np.arange(len(sizes)), sizes), named_weights(self._names, mix)
        themes = np.array([theme_of(name) for part in self.parts for name in part.ids])
        names, groups = np.unique(themes, return_inverse=True)
        return np.asarray(groups, np.int64), named_weights(names.tolist(), mix)


def _place(artifact: Artifact) -> str:
    return f"{artifact.id} {artifact.kind.name}: {artifact.file} at byte {artifact.offset}"


def _require_length(pairs: Pairs, frames: int | None) -> None:
    """Raise ConfigError where the tables have a clip that is shorter than the window."""
    known = pairs.frames >= 0
    short = np.flatnonzero(known & (pairs.frames < (frames or 0)))
    if len(short):
        raise ConfigError(
            "clips are shorter than the window",
            got=f"{len(short)} of {len(pairs)}; {pairs.ids[int(short[0])]} has {pairs.frames[short[0]]}",
            wanted=f"at least {frames} frames",
            where=pairs.name,
            fix=f'frames={pairs.frames[known].min()}, or leave them out: min_scores={{"frames": {frames}}}',
        )
