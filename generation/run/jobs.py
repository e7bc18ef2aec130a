"""What workers do: hash and probe sources, and take one sample through one step."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sparkle.generation.backends.local_model import free_device_memory
from sparkle.generation.config import RunConfig
from sparkle.generation.run.folder import taken_out
from sparkle.generation.run.sources import inspect_source
from sparkle.generation.steps import make_step
from sparkle.generation.steps.base import AnyStep, Failed, Kept, Rejected, SampleState, Work
from sparkle.schemas import records as r
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import plain, sha256_file
from sparkle.schemas.stages import STEP_BY_NAME


@dataclass(frozen=True)
class HashFiles:
    """A job: what is in these files?"""

    paths: Sequence[Path]

    def __str__(self) -> str:
        return str(self.paths[0])

    def __call__(self) -> dict[Path, str]:
        """Hash those that can be read."""
        hashes = {}
        for path in self.paths:
            with suppress(OSError):
                hashes[path] = sha256_file(path)
        return hashes


@dataclass(frozen=True)
class Inspect:
    """A job: what is this source file?"""

    path: Path
    sha256: str
    licence: str | None

    def __str__(self) -> str:
        return str(self.path)

    def __call__(self) -> r.SourceRecord:
        """Probe it."""
        return inspect_source(self.path, self.sha256, self.licence)


@dataclass(frozen=True)
class Process:
    """A job: one sample in one step."""

    root: Path
    config: RunConfig
    step: str
    sample: SampleState
    fingerprint: str
    held: list[Artifact]

    def __str__(self) -> str:
        return f"{self.step} of {self.sample.id}"

    def __call__(self) -> r.AnyOutcome:
        """Do it, with the step that this process has set up."""
        step = _set_up(self.step, self.config)
        work = Work(self.root, self.config, step, self.sample)
        try:
            with taken_out(self.root, self.held):
                answer = step.process(work)
        except BaseException as error:
            error.add_note(f"in {self}, source {self.sample.source.path}")
            raise
        for kind in STEP_BY_NAME[self.step].makes:
            if kind.name not in work.committed:  # an older one is no longer this sample's
                (self.root / kind.path(self.sample.id)).unlink(missing_ok=True)
        return _outcome(self.sample.id, self.fingerprint, answer, work.committed)


_ready: list[AnyStep] = []  # this process's step: one at a time, so that one model is in memory


def _set_up(name: str, config: RunConfig) -> AnyStep:
    if not (_ready and _ready[0].name == name and _ready[0].config == config):
        _ready.clear()
        free_device_memory()
        step = make_step(name, config)
        step.setup()
        _ready.append(step)
    return _ready[0]


def _outcome(
    sample_id: str, fingerprint: str, answer: Kept | Rejected | Failed, artifacts: dict[str, r.ArtifactRef]
) -> r.AnyOutcome:
    if isinstance(answer, Failed):
        return r.AnyOutcome(
            id=sample_id, fingerprint=fingerprint, status=r.FAILED, error=answer.error, artifacts={}
        )
    return r.AnyOutcome(
        id=sample_id,
        fingerprint=fingerprint,
        status=r.KEPT if isinstance(answer, Kept) else r.REJECTED,
        reason=None if isinstance(answer, Kept) else answer.reason,
        record=plain(answer.record),
        artifacts=dict(sorted(artifacts.items())),
    )
