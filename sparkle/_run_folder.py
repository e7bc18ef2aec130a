"""Artifacts of a run that lie in tars of a release, and no longer in files of their own.

How it works
- `sparkle build --reclaim` gives the run a second name (a hard link) of each tar of the release, by its
  sha256, and writes down which artifacts are in it and where; then it deletes their files. The disk holds
  every byte once, and the run loses nothing when the release is replaced, moved or deleted.
- `reclaimed.jsonl` is append-only, some hundred artifacts a line, fsynced before a file is deleted; the last
  line of an artifact counts. A line that a kill cut short named files that were not deleted yet: it is left
  out when read, and cut off before the next line.
- A file in its own place comes first: what was made again since then is there.
- What is taken out is compared with the hash that its outcome recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkle._files import (
    BLOCK_BYTES,
    append_lines,
    atomic_path,
    fsync_folder,
    link,
    recover_jsonl,
    write_jsonl,
)
from sparkle.schemas import layout
from sparkle.schemas.errors import RecordError, RunError
from sparkle.schemas.layout import KIND_BY_NAME, Kind
from sparkle.schemas.records import ArtifactRef
from sparkle.schemas.validate import check, parse_strict

_MEMBERS_A_LINE = 500  # some 60 KB a line


@dataclass(frozen=True, slots=True)
class ReclaimedArtifact:
    """An artifact in a tar: the tar's sha256, where its data lies there, and the data's sha256."""

    shard: str
    offset: int
    size: int
    sha256: str


class Reclaimed:
    """What tars hold for a run; empty for a run of which nothing was reclaimed."""

    def __init__(self, run: Path) -> None:
        """Read what is there.

        Raises:
            RecordError: a line is bad; the error names file and line.
        """
        self.run = run
        self._path = run / layout.RECLAIMED
        self._held: dict[str, dict[str, ReclaimedArtifact]] = {}
        if self._path.exists():
            self._load()

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    def find(self, kind: Kind, sample_id: str, ref: ArtifactRef) -> ReclaimedArtifact | None:
        """Return where an artifact is, when a tar holds exactly it."""
        held = self._held.get(kind.name, {}).get(sample_id)
        return held if held is not None and (held.sha256, held.size) == (ref.sha256, ref.size) else None

    def path(self, shard: str) -> Path:
        """Return the run's own name of a tar."""
        return self.run / layout.held_shard(shard)

    def shards(self) -> dict[str, list[tuple[Kind, str, ReclaimedArtifact]]]:
        """Return what each tar holds, in the order in which it lies there."""
        found: dict[str, list[tuple[Kind, str, ReclaimedArtifact]]] = {}
        for name, members in self._held.items():
            for sample_id, held in members.items():
                found.setdefault(held.shard, []).append((KIND_BY_NAME[name], sample_id, held))
        for listed in found.values():
            listed.sort(key=lambda item: item[2].offset)
        return found

    def add(self, shard: Path, kind: Kind, members: Mapping[str, ReclaimedArtifact]) -> None:
        """Hold artifacts in a tar, durably: once this returns, their files are no longer needed.

        Args:
            shard: The tar, whole and durable, on the run's file system.
            kind: The artifacts' kind.
            members: Where each is in this tar, by id.
        """
        known = self._held.setdefault(kind.name, {})
        new = {name: held for name, held in members.items() if known.get(name) != held}
        if new:
            self._link(shard, self.path(next(iter(new.values())).shard))
            recover_jsonl(self._path)
            append_lines(self._path, _lines(kind, list(new.items())))
            known.update(new)

    def restore(self, kind: Kind, sample_id: str) -> None:
        """Give an artifact that a tar holds a file of its own again; raises as `take_out` does."""
        take_out(self.run, kind, sample_id, self._held[kind.name][sample_id])

    def forget(self, shards: Iterable[str]) -> None:
        """Let go of tars that nobody needs: first the lines, then the files."""
        gone = set(shards)
        for name, members in self._held.items():
            self._held[name] = {key: held for key, held in members.items() if held.shard not in gone}
        kept = (
            line
            for _, members in sorted(self.shards().items())
            for line in _lines(members[0][0], [(name, held) for _, name, held in members])
        )
        write_jsonl(self._path, kept)
        for shard in gone:
            self.path(shard).unlink(missing_ok=True)

    def orphans(self) -> list[Path]:
        """Tars that no line speaks of: a kill came between the two."""
        known = {self.path(shard) for shard in self.shards()}
        folder = self.path("").parent
        return sorted(path for path in folder.iterdir() if path not in known) if folder.is_dir() else []

    @staticmethod
    def _link(shard: Path, target: Path) -> None:
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            link(shard, target)
            fsync_folder(target.parent)
            fsync_folder(target.parent.parent)

    def _load(self) -> None:
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    return
                where = f"{self._path}:{number}"
                try:
                    value = parse_strict(line)
                except RecordError as error:
                    raise RecordError(
                        error.problem, got=error.got, wanted=error.wanted, where=where
                    ) from None
                check("reclaimed", value, where=where)
                held = {name: ReclaimedArtifact(value["shard"], *rest) for name, *rest in value["members"]}
                self._held.setdefault(value["kind"], {}).update(held)


def take_out(run: Path, kind: Kind, sample_id: str, held: ReclaimedArtifact) -> None:
    """Write an artifact that a tar holds to its own place in the run.

    Raises:
        RunError: the tar is missing, or does not hold what was recorded.
    """
    tar, digest, left = run / layout.held_shard(held.shard), hashlib.sha256(), held.size
    try:
        with (
            tar.open("rb") as source,
            atomic_path(run / kind.path(sample_id)) as temporary,
            temporary.open("wb") as file,
        ):
            source.seek(held.offset)
            while left and (block := source.read(min(left, BLOCK_BYTES))):
                digest.update(block)
                file.write(block)
                left -= len(block)
            if left or digest.hexdigest() != held.sha256:
                raise RunError(
                    "a tar does not hold what the run recorded",
                    got=f"sha256 {digest.hexdigest()}, {held.size - left} bytes",
                    wanted=f"sha256 {held.sha256}, {held.size} bytes",
                    where=f"{tar}, byte {held.offset} ({kind.member(sample_id)})",
                )
    except FileNotFoundError:
        fix = "put it back: the tars in this folder are part of the run"
        raise RunError("a tar that holds reclaimed artifacts is missing", where=tar, fix=fix) from None


def _lines(kind: Kind, members: Sequence[tuple[str, ReclaimedArtifact]]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(members), _MEMBERS_A_LINE):
        some = members[start : start + _MEMBERS_A_LINE]
        listed = [[name, held.offset, held.size, held.sha256] for name, held in some]
        yield {"shard": some[0][1].shard, "kind": kind.name, "members": listed}
