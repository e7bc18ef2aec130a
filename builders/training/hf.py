"""`sparkle.load`: pairs with the bytes of their artifacts, as a dataset of Hugging Face's `datasets`.

How it works
- `datasets` has no loading scripts any more, so this builder is shipped in the package. It reads what
  `open_pairs` and `open_source` read: a release or an index, in a folder or on a Hub.
- Rows come in shards of at most `SHARD_ROWS`, neighbours in their tars. That is what `num_proc`, workers of a
  `DataLoader` and `split_dataset_by_node` divide, and the most that resuming a stream reads again.
- Map-style copies the chosen artifacts into the cache of `datasets`, under a name that follows from the
  content of the tables and from what was asked for: a changed release is never served stale, the same one is
  not copied twice. Whether there is room is checked first. A stream copies nothing.
- Every artifact is compared with its sha256 on the way: a wrong one is an error, never another sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import datasets
import pyarrow as pa
import pyarrow.compute as pc

from sparkle.builders.reading.pairs import Pairs, named_kinds, open_pairs
from sparkle.builders.reading.source import Source, open_source
from sparkle.builders.release.tables import SCORE_COLUMNS, pairs_schema
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.errors import ReleaseError, SparkleError
from sparkle.schemas.ids import theme_of
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO, Kind

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

DEFAULT_STREAMS = (SOURCE_VIDEO.name, EDITED_VIDEO.name)

SHARD_ROWS = 100  # some 100 MB of pairs at upstream's mean size
_SHARDS = 64  # and a multiple of it where there are as many rows: what numbers of nodes and workers divide

_ROWS_VERSION = 1  # raised when the same release and options give other rows
_FACTS = ("subtheme", "scene", "frames", "width", "height", *SCORE_COLUMNS, "source_sha256", "licence")


@overload
def load(
    where: str | Path,
    theme: str | Sequence[str] | None = ...,
    *,
    streams: Sequence[str] = ...,
    min_scores: Mapping[str, float] | None = ...,
    max_scores: Mapping[str, float] | None = ...,
    limit: int | None = ...,
    streaming: Literal[False] = ...,
    num_proc: int | None = ...,
    cache_dir: str | Path | None = ...,
) -> Dataset: ...
@overload
def load(
    where: str | Path,
    theme: str | Sequence[str] | None = ...,
    *,
    streams: Sequence[str] = ...,
    min_scores: Mapping[str, float] | None = ...,
    max_scores: Mapping[str, float] | None = ...,
    limit: int | None = ...,
    streaming: Literal[True],
    num_proc: int | None = ...,
    cache_dir: str | Path | None = ...,
) -> IterableDataset: ...
def load(
    where: str | Path,
    theme: str | Sequence[str] | None = None,
    *,
    streams: Sequence[str] = DEFAULT_STREAMS,
    min_scores: Mapping[str, float] | None = None,
    max_scores: Mapping[str, float] | None = None,
    limit: int | None = None,
    streaming: bool = False,
    num_proc: int | None = None,
    cache_dir: str | Path | None = None,
) -> Dataset | IterableDataset:
    """Load pairs with the bytes of their videos, and of any other stream.

    A row has `task`, `prompt`, `theme`, facts from the tables (`subtheme`, `scene`, `frames`, `width`,
    `height`, scores, `source_sha256`, `licence`), and one column per stream: for a video or an image
    `{"bytes", "path"}`, which `cast_column(name, datasets.Video())` decodes; for masks the bytes of the npz,
    which `sparkle.load_mask` reads.

    Example:
        >>> pairs = sparkle.load("releases/demo", "location", min_scores={"edited_video": 9}, streaming=True)
        >>> row = next(iter(pairs))
        >>> row["task"], row["edited_video"]["path"]
        ('Sparkle_location_000000', 'location/edited_video/Sparkle_location_000000.mp4')

    Args:
        where: A folder with a release or an index, or `owner/name[@revision]` of either on a Hub.
        theme: One theme or several; None for all.
        streams: Names of kinds, such as `source_video_mask`. Samples that lack one of them are left out, with
            a warning that counts and names them.
        min_scores: Least scores (`edited_frame0`, `foreground_removed`, `edited_video`), measures, `frames`,
            `width` or `height`, by name.
        max_scores: Largest ones, likewise.
        limit: Most pairs, the first by theme and id.
        streaming: Read while iterating, without a copy; else a map-style dataset in the cache of `datasets`.
        num_proc: Number of processes that copy; only for map-style.
        cache_dir: Where the copy goes; None is the cache of `datasets`.

    Raises:
        ReleaseError: `where` cannot be read, has no such theme, or no pair passes; or a process that copies
            was killed.
        ConfigError: there is no such stream, score or measure.
        ArtifactError: an artifact is not the one in the tables.
    """
    kinds = named_kinds(streams)
    pairs = open_pairs(where, theme, kinds=kinds, min_scores=min_scores, max_scores=max_scores, limit=limit)
    chosen = {"min": dict(min_scores or {})} | ({"max": dict(max_scores)} if max_scores else {})
    if not len(pairs):
        asked = f"pairs within {chosen}" if min_scores or max_scores else "pairs with all streams"
        raise ReleaseError("no pair passes", wanted=asked, where=pairs.name, fix="ask for less")
    # What is copied by `datasets` needs no second copy in our cache.
    source = open_source(pairs.catalog) if streaming else open_source(pairs.catalog, cache_bytes=0)
    builder = PairsBuilder(pairs, source, kinds, chosen, cache_dir)
    if streaming:
        return builder.as_streaming_dataset(split="train")
    try:
        builder.download_and_prepare(num_proc=num_proc)
    except datasets.exceptions.DatasetGenerationError as error:
        if isinstance(error.__cause__, SparkleError):  # it says more than that something went wrong
            raise error.__cause__ from None
        raise
    except RuntimeError as error:  # `datasets` has no class for it
        if "abruptly died" not in str(error):
            raise
        raise ReleaseError(
            "a process that copies died",
            wanted="enough memory for each",
            where=pairs.name,
            fix=f"call it again, with fewer than num_proc={num_proc} if memory was short",
        ) from None
    return builder.as_dataset(split="train")


class PairsBuilder(datasets.GeneratorBasedBuilder):  # type: ignore[misc]  # untyped
    """The builder; `load` makes it.

    Args:
        pairs: The rows.
        source: Where their artifacts are.
        kinds: The streams.
        chosen: What else the rows depend on, as JSON values.
        cache_dir: Where copies go; None is the cache of `datasets`.
    """

    VERSION = datasets.Version(f"{_ROWS_VERSION}.0.0")
    DEFAULT_WRITER_BATCH_SIZE = 16  # rows in memory before they are written: some 16 MB

    def __init__(
        self,
        pairs: Pairs,
        source: Source,
        kinds: Sequence[Kind],
        chosen: Mapping[str, Any],
        cache_dir: str | Path | None,
    ) -> None:
        self.pairs = pairs
        self.source = source
        self.kinds = tuple(kinds)
        super().__init__(
            cache_dir=None if cache_dir is None else str(cache_dir),
            dataset_name="sparkle",
            config_name="-".join(pairs.themes),
            hash=_identity(pairs, kinds, chosen),
        )

    def _info(self) -> Any:
        return datasets.DatasetInfo(
            description="Pairs for instruction-guided video background replacement.",
            homepage="https://arxiv.org/abs/2605.06535",
            features=features_of(self.kinds),
            size_in_bytes=_total_bytes(
                self.pairs, self.kinds
            ),  # `datasets` compares it with the room there is
        )

    def _split_generators(self, dl_manager: object) -> list[Any]:
        count = len(self.pairs)
        shards = min(count, _SHARDS * -(-count // (_SHARDS * SHARD_ROWS)))
        bounds = [count * index // shards for index in range(shards + 1)]
        rows = list(pairwise(bounds))
        return [datasets.SplitGenerator(name="train", gen_kwargs={"rows": rows})]

    def _generate_examples(self, rows: Sequence[tuple[int, int]]) -> Iterator[tuple[str, dict[str, Any]]]:
        pairs = self.pairs
        table = pa.table({name: pairs.column(name) for name in ("task", "prompt", *_FACTS)})
        for first, end in rows:
            data = self.source.read_many(self._artifacts(first, end))
            for row in table.slice(first, end - first).to_pylist():
                row["theme"] = theme_of(row["task"])
                for kind in self.kinds:
                    row[kind.name] = _cell(kind, row["task"], next(data))
                yield row["task"], row

    def _artifacts(self, first: int, end: int) -> Iterator[Artifact]:
        for row in range(first, end):
            yield from (self.pairs.artifact(row, kind) for kind in self.kinds)


def features_of(kinds: Sequence[Kind]) -> Any:
    """The columns of `load` as `datasets` describes them."""
    fields = pairs_schema()
    facts = {name: datasets.Value(_dtype(fields.field(name).type)) for name in _FACTS}
    words = {name: datasets.Value("string") for name in ("task", "prompt", "theme")}
    return datasets.Features(words | facts | {kind.name: _feature(kind) for kind in kinds})


def _feature(kind: Kind) -> Any:
    if kind.suffix == ".mp4":
        return datasets.Video(decode=False)
    return datasets.Image(decode=False) if kind.suffix == ".png" else datasets.Value("binary")


def _dtype(arrow: pa.DataType) -> str:
    return "float64" if arrow == pa.float64() else str(arrow)


def _cell(kind: Kind, sample_id: str, data: bytes) -> Any:
    return data if kind.suffix == ".npz" else {"bytes": data, "path": kind.path(sample_id)}


def _total_bytes(pairs: Pairs, kinds: Sequence[Kind]) -> int:
    return sum(pc.sum(pairs.column(f"{kind.name}_size")).as_py() for kind in kinds)


def _identity(pairs: Pairs, kinds: Sequence[Kind], chosen: Mapping[str, Any]) -> str:
    """What the rows follow from: the tables, which have the sha256 of every artifact, and what was chosen."""
    tables = [entry.sha256 for theme in pairs.themes for entry in pairs.catalog.tables_of(theme)]
    return fingerprint([tables, [kind.name for kind in kinds], dict(chosen), len(pairs)])
