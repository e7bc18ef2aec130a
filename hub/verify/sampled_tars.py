"""What consumers are given of the tars: one of each kind of each theme, of which they read the first members.

- Of a Hub the beginnings of those tars are fetched, as far as they are read.
- Tars of an import are upstream's: names may begin with `./`, and folders, files of no sample and links may
  stand among the members. What a link leads to is read in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sparkle.builders.release.any_tar import TarError, TarStream
from sparkle.builders.release.assign import BLOCK, END_BYTES, member_bytes
from sparkle.hub.verify.verified import Verified
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.layout import KIND_BY_NAME, KINDS


@dataclass(frozen=True)
class SampledTar:
    """A tar that consumers read.

    Attributes:
        shard: Its path in the release.
        path: A file with it, or with its first members and the end of a tar.
        listed: Names of members that it must list, in order.
        read: The sha256, as hexadecimal digits, of those that are read.
        samples: How many members come up to the last of these.
        others: Whether it may list others.
        links: How many artifacts are links.
    """

    shard: str
    path: Path
    listed: tuple[str, ...]
    read: Mapping[str, str]
    samples: int
    others: bool = False
    links: int = 0


def sample_tars(
    release: Verified, members: Mapping[str, Sequence[Artifact]], count: int, scratch: Path
) -> Iterator[SampledTar]:
    """A tar of each kind of each theme, with `count` members to read.

    Args:
        release: The release.
        members: The rows of each theme.
        count: How many members are read.
        scratch: A folder for the beginnings of tars of a Hub.
    """
    for theme, rows in members.items():
        for kind in KINDS:
            shards = sorted({row.file for row in rows if row.kind == kind})
            if not shards or shards[0] not in release.files:
                continue
            held = sorted((row for row in rows if row.file == shards[0]), key=lambda row: row.offset)
            read = held[:count]
            if release.local:
                path = release.folder / shards[0]
            else:
                path = scratch / f"{theme}-{kind.name}.tar"
                path.parent.mkdir(parents=True, exist_ok=True)
                end = read[-1].offset - BLOCK + member_bytes(read[-1].size)
                there = min(end, release.files[shards[0]].size)
                path.write_bytes(release.read(shards[0], 0, there) + bytes(END_BYTES))
                held = read
            if release.provenance().imported:
                yield _of_upstream(shards[0], path, held, read)
            else:
                names = tuple(row.member for row in held)
                yield SampledTar(shards[0], path, names, {row.member: row.hex for row in read}, count)


def _of_upstream(shard: str, path: Path, held: Sequence[Artifact], read: Sequence[Artifact]) -> SampledTar:
    names: dict[int, str] = {}  # of plain files, by where their data are
    with path.open("rb") as file, suppress(TarError):  # the readers say so
        for entry in TarStream(file, seek=True, hashed=False):
            if entry.odd is None:
                names[entry.offset] = entry.name
    offsets = list(dict.fromkeys(row.offset for row in held))
    samples = sum(offset <= read[-1].offset for offset in names)
    return SampledTar(
        shard,
        path,
        tuple(names.get(offset, "") for offset in offsets),
        {names.get(row.offset, row.member): row.hex for row in read},
        samples,
        others=True,
        links=sum(not names.get(row.offset, "").endswith(row.member) for row in held),
    )


def paired_shards(
    release: Verified, members: Mapping[str, Sequence[Artifact]], count: int
) -> dict[str, dict[str, str]]:
    """The first paired shard of each theme of a folder -> the sha256 of what its first samples must hold."""
    options = release.provenance().document["options"]
    streams = options.get("webdataset", {}).get("streams", ())
    kinds = {kind.field: kind for kind in map(KIND_BY_NAME.__getitem__, streams)}
    found = {}
    for theme, rows in members.items():
        shard = layout.webdataset_shard(theme, 0)
        if shard in release.files:
            ids = sorted({row.id for row in rows})[:count]
            by_key = {(row.id, row.kind): row.hex for row in rows}
            found[shard] = {
                layout.webdataset_member(sample_id, field): by_key[sample_id, kind]
                for sample_id in ids
                for field, kind in kinds.items()
                if (sample_id, kind) in by_key
            }
    return found
