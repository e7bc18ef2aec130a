"""Artifacts of a run that stand in tars of a release: they count as made; steps read them from there.

- `sparkle build --reclaim` deleted their files (`sparkle._run_folder`). A tar is hashed before what it
  holds counts as made; the hash is remembered as that of any artifact.
- What a step reads is taken out right before its sample is worked on and deleted right after, so that a rerun
  needs no more room than what it makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sparkle._cache import HashCache
from sparkle._run_folder import Reclaimed, take_out
from sparkle.generation.steps.base import Sample, Step
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.layout import Kind
from sparkle.schemas.records import ArtifactRef


class HeldArtifacts:
    """What tars hold for a run, and whether they are whole."""

    def __init__(self, reclaimed: Reclaimed, hashes: HashCache) -> None:
        self._reclaimed = reclaimed
        self._hashes = hashes
        self._whole: dict[str, bool] = {}

    def has(self, kind: Kind, sample_id: str, ref: ArtifactRef) -> bool:
        """Whether an artifact has no file of its own, and a tar that is whole holds it."""
        held = self._find(kind, sample_id, ref)
        if held is None:
            return False
        if held.file not in self._whole:
            tar = self._reclaimed.run / held.file
            self._whole[held.file] = tar.is_file() and self._hashes.sha256(tar) == tar.stem
        return self._whole[held.file]

    def inputs(self, step: Step, sample: Sample) -> list[Artifact]:
        """What a step reads of a sample and has to be taken out for it."""
        found = (self._find(kind, sample.id, sample.artifacts[kind.name]) for kind in step.reads)
        return [held for held in found if held is not None]

    def _find(self, kind: Kind, sample_id: str, ref: ArtifactRef) -> Artifact | None:
        held = self._reclaimed.find(kind, sample_id, ref)
        return None if held and (self._reclaimed.run / kind.path(sample_id)).exists() else held


@contextmanager
def taken_out(run: Path, inputs: Sequence[Artifact]) -> Iterator[None]:
    """Give artifacts files of their own while the block runs; raises as `take_out` does."""
    try:
        for held in inputs:
            take_out(run, held)
        yield
    finally:
        for held in inputs:
            (run / held.path).unlink(missing_ok=True)
