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
from collections.abc import Iterable, Iterator, Sequence
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
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import RecordError, RunError
from sparkle.schemas.layout import KIND_BY_NAME, Kind
from sparkle.schemas.records import ArtifactRef
from sparkle.schemas.validate import check, parse_strict

_MEMBERS_A_LINE = 500  # some 60 KB a line


class Reclaimed:
    """What tars hold for a run; empty for a run of which nothing was reclaimed."""

    def __init__(self, run: Path) -> None:
        """Read what is there.

        Raises:
            RecordError: a line is bad; the error names file and line.
        """
        self.run = run
        self._path = run / layout.RECLAIMED
        self._held: dict[str, dict[str, Artifact]] = {}  # name of a kind -> id -> where it is
        if self._path.exists():
            self._load()

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    def find(self, kind: Kind, sample_id: str, ref: ArtifactRef) -> Artifact | None:
        """Where an artifact is within the run, when a tar holds exactly it."""
        held = self._held.get(kind.name, {}).get(sample_id)
        return held if held is not None and (held.hex, held.size) == (ref.sha256, ref.size) else None

    def tars(self) -> dict[str, list[Artifact]]:
        """What each tar holds, by its path in the run, in the order in which it lies there."""
        found: dict[str, list[Artifact]] = {}
        for members in self._held.values():
            for held in members.values():
                found.setdefault(held.file, []).append(held)
        for listed in found.values():
            listed.sort(key=lambda held: held.offset)
        return found

    def add(self, shard: Path, members: Sequence[Artifact]) -> None:
        """Hold artifacts in a tar, durably: once this returns, their files are no longer needed.

        Args:
            shard: The tar, whole and durable, on the run's file system.
            members: Artifacts of one kind, each with its place in this tar, under the run's name for it.
        """
        known = self._held.setdefault(members[0].kind.name, {})
        new = [held for held in members if known.get(held.id) != held]
        if new:
            self._link(shard, self.run / new[0].file)
            recover_jsonl(self._path)
            append_lines(self._path, _lines(new))
            known.update((held.id, held) for held in new)

    def restore(self, artifact: Artifact) -> None:
        """Give an artifact that a tar holds a file of its own again; raises as `take_out` does."""
        take_out(self.run, artifact)

    def forget(self, tars: Iterable[str]) -> None:
        """Let go of tars that nobody needs: first the lines, then the files."""
        gone = set(tars)
        for name, members in self._held.items():
            self._held[name] = {key: held for key, held in members.items() if held.file not in gone}
        kept = (line for _, members in sorted(self.tars().items()) for line in _lines(members))
        write_jsonl(self._path, kept)
        for tar in gone:
            (self.run / tar).unlink(missing_ok=True)

    def orphans(self) -> list[Path]:
        """Tars that no line speaks of: a kill came between the two."""
        known = {self.run / tar for tar in self.tars()}
        folder = (self.run / layout.held_shard("")).parent
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
                kind, file = KIND_BY_NAME[value["kind"]], layout.held_shard(value["shard"])
                known = self._held.setdefault(kind.name, {})
                for name, offset, size, sha256 in value["members"]:
                    known[name] = Artifact(name, kind, file, offset, size, bytes.fromhex(sha256))


def take_out(run: Path, held: Artifact) -> None:
    """Write an artifact that a tar holds to its own place in the run; raises as `copy_out` does."""
    with atomic_path(run / held.path) as temporary:
        copy_out(run, held, temporary)


def copy_out(run: Path, held: Artifact, target: Path) -> None:
    """Write an artifact that a tar holds to a file.

    Raises:
        RunError: the tar is missing, or does not hold what was recorded.
    """
    tar, digest, left = run / held.file, hashlib.sha256(), held.size
    if not tar.is_file():
        fix = "put it back: the tars in this folder are part of the run"
        raise RunError("a tar that holds reclaimed artifacts is missing", where=tar, fix=fix)
    with tar.open("rb") as source, target.open("wb") as file:
        source.seek(held.offset)
        while left and (block := source.read(min(left, BLOCK_BYTES))):
            digest.update(block)
            file.write(block)
            left -= len(block)
    if left or digest.digest() != held.sha256:
        raise RunError(
            "a tar does not hold what the run recorded",
            got=f"sha256 {digest.hexdigest()}, {held.size - left} bytes",
            wanted=f"sha256 {held.hex}, {held.size} bytes",
            where=f"{tar}, byte {held.offset} ({held.member})",
        )


def _lines(members: Sequence[Artifact]) -> Iterator[dict[str, Any]]:
    """Yield the lines that record artifacts of one tar."""
    for start in range(0, len(members), _MEMBERS_A_LINE):
        some = members[start : start + _MEMBERS_A_LINE]
        listed = [[held.id, held.offset, held.size, held.hex] for held in some]
        yield {"shard": Path(some[0].file).stem, "kind": some[0].kind.name, "members": listed}
