"""Does a bench show what was trained on? By bytes, by pictures, and by what the scenes look like.

- A source is compared with those of a release or an index, whatever their themes and ids are: the same bytes,
  as file or as clip; the same pictures in another file; then the hash of its scene (`media/look_alike`).
- The same bytes or pictures are refused. What is near is a finding too, but one that somebody should look at:
  ids of pairs that turned out to be different scenes are accepted from a file. What is only worth a look is a
  note.
- What a table does not record is not made up: rows without a hash are counted, and it is said how to get it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from sparkle.builders.reading.columns import BASE, REST
from sparkle.builders.reading.pairs import Pairs, open_pairs
from sparkle.builders.reading.place import find
from sparkle.builders.reading.source import open_source
from sparkle.builders.release.removed import Removed, read_provenance
from sparkle.media.look_alike import (
    LIMITS,
    LOOK,
    NEAR,
    Hashes,
    Variants,
    hash_of,
    hash_pictures,
    read_scene,
    search,
    unpack_hashes,
    variants,
)
from sparkle.schemas import layout
from sparkle.schemas.canonical import fingerprint, sha256_bytes, sha256_file
from sparkle.schemas.errors import MediaError, ReleaseError
from sparkle.schemas.layout import SOURCE_VIDEO
from sparkle.schemas.validate import Finding

_JOB_CLIPS = 8  # some seconds of decoding

Level = Literal["bytes", "pictures", "near", "look"]
_PROBLEMS: Mapping[Level, str] = {
    "bytes": "the source is that of a sample of the release",
    "pictures": "the source shows the same pictures as that of a sample of the release",
    "near": "the source looks like that of a sample of the release: look at both",
    "look": "the source may be like that of a sample of the release",
}


@dataclass(frozen=True)
class BenchSource:
    """A source that is looked for.

    Attributes:
        id: Its sample.
        path: The file.
        sha256: Of its bytes.
        hash: Of its scene; empty where it does not decode.
        variants: How it may look elsewhere; none where its scene has too little detail.
        problem: Why it does not decode.
    """

    id: str
    path: Path
    sha256: str
    hash: str
    variants: Variants = field(repr=False)
    problem: str | None = None

    @classmethod
    def unread(cls, sample_id: str, path: Path, problem: str, sha256: str = "") -> BenchSource:
        """A source that cannot be read."""
        return cls(sample_id, path, sha256, "", np.empty((0, 256), np.int8), problem)


@dataclass(frozen=True)
class SourcesJob:
    """Reads sources: of each its sample, its file, and where in a tar it lies, by offset and size."""

    places: tuple[tuple[str, Path, tuple[int, int] | None], ...]

    @property
    def file(self) -> str:
        """The first of them."""
        return str(self.places[0][1])

    def __call__(self) -> list[BenchSource]:
        """Hash and decode each."""
        return [read_source(*place) for place in self.places]


def read_source(sample_id: str, path: Path, span: tuple[int, int] | None = None) -> BenchSource:
    """Return the source of a sample: a file, or a span of one by offset and size."""
    source: Path | bytes = path
    if span is not None:
        with path.open("rb") as file:
            file.seek(span[0])
            source = file.read(span[1])
    sha256 = sha256_bytes(source) if isinstance(source, bytes) else sha256_file(source)
    try:
        scene = read_scene(source, threads=1)
    except MediaError as error:
        return BenchSource.unread(sample_id, path, f"{error.problem}: {error.got}", sha256)
    return BenchSource(sample_id, path, sha256, hash_of(scene), variants(scene))


def source_jobs(places: Sequence[tuple[str, Path, tuple[int, int] | None]]) -> list[SourcesJob]:
    """What has to be read of the sources of samples."""
    starts = range(0, len(places), _JOB_CLIPS)
    return [SourcesJob(tuple(places[start : start + _JOB_CLIPS])) for start in starts]


@dataclass(frozen=True)
class Trained:
    """The sources of a release or an index.

    Attributes:
        pairs: Its rows.
        known: Sha256 of a source's file or clip -> its first row.
        hashes: The hashes of scenes that its tables have, each once.
        rows: The first row of each.
        unhashed: How many rows have none.
        removed: What was taken down of it, which is not to come back.
    """

    pairs: Pairs
    known: Mapping[str, int]
    hashes: Hashes = field(repr=False)
    rows: npt.NDArray[np.int64] = field(repr=False)
    unhashed: int
    removed: Removed

    @property
    def name(self) -> str:
        """What to call it."""
        return self.pairs.name

    @property
    def prompts(self) -> list[str]:
        """The instruction of each row."""
        return list(self.pairs.column("prompt").to_pylist())

    @property
    def clips(self) -> int:
        """How many source videos it has."""
        return len(self.pairs.column(f"{SOURCE_VIDEO.name}_sha256").unique())

    @cached_property
    def revision(self) -> str:
        """A hash of the clips and source files that it has."""
        return fingerprint(sorted(self.known))

    def notes(self) -> Iterator[str]:
        """Say what cannot be compared."""
        if self.unhashed:
            yield (
                f"{self.name}: {self.unhashed:,} of {len(self.pairs):,} rows have no median_hash, so what "
                "looks like them is not found; build, import or index it again with this version to have it"
            )


def read_trained(where: str | Path) -> Trained:
    """Return the sources of a release or an index.

    Raises:
        ReleaseError: it cannot be read.
        UnreachableError: the Hub does not answer.
    """
    pairs = open_pairs(where, kinds=())
    pairs.load([BASE, REST, SOURCE_VIDEO.name])
    known: dict[str, int] = {}
    clips = pairs.column(f"{SOURCE_VIDEO.name}_sha256").to_pylist()
    for row, clip in enumerate(clips):
        if clip is not None:
            known.setdefault(clip.hex(), row)
    for row, source in enumerate(pairs.column("source_sha256").to_pylist()):
        if source is not None:
            known.setdefault(source, row)
    first: dict[str, int] = {}
    unhashed = 0
    for row, text in enumerate(pairs.column("median_hash").to_pylist()):
        if text is None:
            unhashed += 1
        else:
            first.setdefault(text, row)
    try:
        hashes = unpack_hashes([*first])
    except MediaError as error:
        raise ReleaseError(error.problem, wanted=error.wanted, where=f"{pairs.name} median_hash") from None
    rows = np.fromiter(first.values(), np.int64, len(first))
    provenance = find(pairs.catalog.tables, layout.PROVENANCE)
    removed = Removed() if provenance is None else read_provenance(provenance).removed
    return Trained(pairs, known, hashes, rows, unhashed, removed)


@dataclass(frozen=True)
class Match:
    """A source that was trained on, or looks like one.

    Attributes:
        source: The source.
        trained: Where it was found.
        row: In which row.
        level: How alike they are.
        distance: Bits of 256 between the scenes; None where bytes are the same.
    """

    source: BenchSource
    trained: Trained
    row: int
    level: Level
    distance: int | None = None

    @property
    def id(self) -> str:
        """The sample that was trained on."""
        return self.trained.pairs.ids[self.row]

    def __str__(self) -> str:
        bits = "" if self.distance is None else f" ({self.distance} of 256 bits differ)"
        return f"{self.source.path}: {_PROBLEMS[self.level]}: {self.id} of {self.trained.name}{bits}"

    def finding(self) -> Finding:
        """What is wrong."""
        got = self.id if self.distance is None else f"{self.id}, {self.distance} of 256 bits differ"
        wanted = None
        if self.level == "near":
            wanted = f"another scene; accept the pair if it is one: `{self.source.id} {self.id}`"
        return Finding(str(self.source.path), 0, "", _PROBLEMS[self.level], got, wanted)


def find_trained(
    clips: Sequence[BenchSource],
    trained: Trained,
    accepted: Set[tuple[str, str]] = frozenset(),
    *,
    within: int = LOOK,
) -> list[Match]:
    """Return which sources were trained on, or look as if they were, in the order of the sources.

    Args:
        clips: The sources.
        trained: What was trained on.
        accepted: Pairs of a sample and one that was trained on which were looked at, and differ.
        within: How far the scenes of two may be apart, in bits of 256.
    """
    near: dict[int, list[tuple[int, int]]] = {}
    for pair in search([clip.variants for clip in clips], trained.hashes, within):
        near.setdefault(pair.query, []).append((pair.distance, int(trained.rows[pair.row])))
    found = []
    for index, clip in enumerate(clips):
        if clip.sha256 in trained.known:
            found.append(Match(clip, trained, trained.known[clip.sha256], "bytes"))
            continue
        for distance, row in sorted(near.get(index, ())):
            if (clip.id, trained.pairs.ids[row]) in accepted:
                continue
            level: Level = "look" if distance > NEAR else "near"
            if level == "near" and _same_pictures(clip, trained, row):
                level = "pictures"
            found.append(Match(clip, trained, row, level, distance))
    return found


def _same_pictures(clip: BenchSource, trained: Trained, row: int) -> bool:
    """Whether two clips show the same; False, and near they stay, where one of them is not to be had."""
    try:
        theirs = read_trained_source(trained, row)
        return hash_pictures(theirs) == hash_pictures(clip.path)
    except (ReleaseError, MediaError):
        return False


def read_trained_source(trained: Trained, row: int) -> bytes:
    """Return the source video of a row; raises ReleaseError where it is not to be had."""
    return open_source(trained.pairs.catalog).read(trained.pairs.artifact(row, SOURCE_VIDEO))


def plain_notes(clips: Iterable[BenchSource]) -> Iterator[str]:
    """Say of which sources look-alikes cannot be found."""
    for clip in clips:
        if clip.problem is None and not len(clip.variants):
            yield f"{clip.path}: too little detail in the picture to know its scene again"


def limits_note() -> str:
    """What the search is worth."""
    return f"scenes up to {NEAR} of 256 bits apart count as near, up to {LOOK} as worth a look; {LIMITS}"
