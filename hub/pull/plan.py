"""What a pull will bring, before it brings anything: which artifacts, how many bytes and requests.

How it works
- Of what was chosen, what is there and right (size and sha256) is not brought again.
- Neighbours in a tar are read in one request, and so are artifacts with little between them: gaps are read
  along, the smallest first, until they make `_EXTRA` of the bytes that are wanted.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sparkle._files import safe_join
from sparkle._progress import Advance, count_text
from sparkle.builders.reading.pairs import Pairs
from sparkle.builders.reading.windows import plan_spans
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import Kind

_EXTRA = 0.03  # of the bytes: a promise of 5% keeps room for the tables
_THREADS = 4  # that hash what is there


@dataclass(frozen=True)
class Stream:
    """A kind of artifact in a pull.

    Attributes:
        kind: Its name.
        files: How many were chosen.
        bytes: Their bytes.
        there: How many of them are there and right.
        missing_bytes: The bytes of the others.
    """

    kind: str
    files: int
    bytes: int
    there: int
    missing_bytes: int


@dataclass(frozen=True)
class PullPlan:
    """What a pull will bring.

    Attributes:
        pairs: The chosen pairs.
        kinds: The chosen streams.
        artifacts: Their artifacts, a row after another.
        there: Whether each of these is there and right.
    """

    pairs: Pairs
    kinds: Sequence[Kind]
    artifacts: Sequence[Artifact]
    there: Sequence[bool]

    @cached_property
    def missing(self) -> list[Artifact]:
        """What is to be brought, in the order in which it lies in its tars."""
        found = [artifact for artifact, there in zip(self.artifacts, self.there, strict=True) if not there]
        return sorted(found, key=lambda artifact: (artifact.file, artifact.offset))

    @property
    def bytes(self) -> int:
        """Bytes of everything that was chosen."""
        return sum(artifact.size for artifact in self.artifacts)

    @property
    def missing_bytes(self) -> int:
        """Bytes of what is to be brought."""
        return sum(artifact.size for artifact in self.missing)

    @cached_property
    def gap(self) -> int:
        """Bytes between two artifacts that are read with them: the largest that the budget allows."""
        gaps = sorted(
            after.offset - before.end
            for before, after in zip(self.missing, self.missing[1:], strict=False)
            if before.file == after.file
        )
        left, allowed = _EXTRA * self.missing_bytes, 0
        for gap in gaps:
            left -= gap
            if left < 0:
                break
            allowed = gap
        return max(allowed, 0)

    @property
    def requests(self) -> int:
        """Requests of a Hub: one a range, and one to find out where each tar is; none of a folder."""
        if self.pairs.catalog.artifacts.folder is not None:
            return 0
        spans = list(plan_spans(self.missing, self.gap))
        return len(spans) + len({span.file for span in spans})

    @property
    def streams(self) -> list[Stream]:
        """What is chosen and missing of each kind."""
        found = []
        for kind in self.kinds:
            of_kind = [
                (artifact.size, there)
                for artifact, there in zip(self.artifacts, self.there, strict=True)
                if artifact.kind == kind
            ]
            missing = [size for size, there in of_kind if not there]
            total = sum(size for size, _ in of_kind)
            found.append(Stream(kind.name, len(of_kind), total, len(of_kind) - len(missing), sum(missing)))
        return found

    def fitting(self, limit: int) -> int:
        """How many pairs, from the first, have artifacts of at most so many bytes in all."""
        total = 0
        for row in range(len(self.pairs)):
            first = row * len(self.kinds)
            total += sum(artifact.size for artifact in self.artifacts[first : first + len(self.kinds)])
            if total > limit:
                return row
        return len(self.pairs)


def make_plan(pairs: Pairs, kinds: Sequence[Kind], out: Path, advance: Advance) -> PullPlan:
    """Find out what is there and what is missing.

    Args:
        pairs: The chosen pairs.
        kinds: The chosen streams.
        out: Where they go.
        advance: Told of every artifact that was looked at.
    """
    artifacts = [pairs.artifact(row, kind) for row in range(len(pairs)) for kind in kinds]

    def look(artifact: Artifact) -> bool:
        there = is_there(artifact, out)
        advance()
        return there

    with ThreadPoolExecutor(_THREADS) as pool:  # hashing runs outside Python's lock
        return PullPlan(pairs, kinds, artifacts, list(pool.map(look, artifacts)))


def is_there(artifact: Artifact, out: Path) -> bool:
    """Whether a file is an artifact's, by size and sha256."""
    path = safe_join(out, artifact.path)
    if not path.is_file() or path.stat().st_size != artifact.size:
        return False
    return artifact.sha256 is None or sha256_file(path) == artifact.sha256.hex()


def refuse_too_much(plan: PullPlan, out: Path, max_disk: int | None) -> None:
    """Raise ReleaseError when what was chosen is more than it may be, or than there is room for."""
    if max_disk is not None and plan.bytes > max_disk:
        fits = plan.fitting(max_disk)
        raise ReleaseError(
            "what was chosen is more than --max-disk",
            got=f"{plan.bytes:,} bytes of {count_text(len(plan.pairs), 'pair')}",
            wanted=f"at most {max_disk:,} bytes: {count_text(fits, 'pair')}",
            where=out,
            fix=f"--limit {fits}, fewer --streams, or more --max-disk" if fits else "a larger --max-disk",
        )
    free = shutil.disk_usage(_existing(out)).free
    if plan.missing_bytes > free:
        raise ReleaseError(
            "what is missing does not fit on this disk",
            got=f"{free:,} bytes free",
            wanted=f"{plan.missing_bytes:,} bytes",
            where=out,
            fix="make room, choose another --out, or take less with --limit",
        )


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
