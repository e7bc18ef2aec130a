"""Artifacts of a run that stand in tars of a release: they count as made; steps read them from there.

- `sparkle build --reclaim` deleted their files (`sparkle._run_folder`). A tar is hashed before what it
  holds counts as made; the hash is remembered as that of any artifact.
- What a step reads is taken out right before its sample is worked on and deleted right after, so that a rerun
  needs no more room than what it makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sparkle._cache import HashCache
from sparkle._run_folder import Reclaimed, ReclaimedArtifact, take_out
from sparkle.generation.steps.base import AnyStep, SampleState
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
        if held.shard not in self._whole:
            tar = self._reclaimed.path(held.shard)
            self._whole[held.shard] = tar.is_file() and self._hashes.sha256(tar) == held.shard
        return self._whole[held.shard]

    def inputs(self, step: AnyStep, sample: SampleState) -> dict[Kind, ReclaimedArtifact]:
        """What a step reads of a sample and has to be taken out for it."""
        found = {kind: self._find(kind, sample.id, sample.artifacts[kind.name]) for kind in step.reads}
        return {kind: held for kind, held in found.items() if held is not None}

    def _find(self, kind: Kind, sample_id: str, ref: ArtifactRef) -> ReclaimedArtifact | None:
        held = self._reclaimed.find(kind, sample_id, ref)
        return None if held and (self._reclaimed.run / kind.path(sample_id)).exists() else held


@contextmanager
def taken_out(run: Path, sample_id: str, inputs: Mapping[Kind, ReclaimedArtifact]) -> Iterator[None]:
    """Give artifacts files of their own while the block runs; raises as `take_out` does."""
    try:
        for kind, held in inputs.items():
            take_out(run, kind, sample_id, held)
        yield
    finally:
        for kind in inputs:
            (run / kind.path(sample_id)).unlink(missing_ok=True)
