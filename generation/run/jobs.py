"""What workers do: hash and probe sources, and take one sample through one step."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sparkle.generation.backends.local_model import free_device_memory
from sparkle.generation.config import RunConfig
from sparkle.generation.run.sources import inspect_source
from sparkle.generation.steps import make_step
from sparkle.generation.steps.base import AnyStep, Failed, Kept, Rejected, SampleState, Work
from sparkle.schemas import records as r
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import plain, sha256_file


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
class Done:
    """What came of a `Process`.

    Args:
        step: Of which step.
        outcome: What it said.
        mark: By which its artifacts are found in the staging folder (`staged_path`).
        seconds: That the step took, once it was set up.
    """

    step: str
    outcome: r.AnyOutcome
    mark: str
    seconds: float


@dataclass(frozen=True)
class Process:
    """A job: one sample in one step.

    Args:
        root: The run folder, of which it only reads.
        staging: The folder where its artifacts are left.
        config: The run's configuration.
        step: The step's name.
        sample: The sample, with what the step needs of those before it.
        fingerprint: Of the outcome.
        held: What it reads that lies in tars.
    """

    root: Path
    staging: Path
    config: RunConfig
    step: str
    sample: SampleState
    fingerprint: str
    held: list[Artifact]

    def __str__(self) -> str:
        return f"{self.step} of {self.sample.id}"

    def __call__(self) -> Done:
        """Do it, with the step that this process has set up."""
        step = _set_up(self.step, self.config)
        work = Work(self.root, self.config, step, self.sample, self.staging)
        kept: Collection[str] = ()
        began = time.monotonic()
        try:
            work.take_out(self.held)
            outcome = _outcome(self.sample.id, self.fingerprint, step.process(work), work.made)
            kept = outcome.artifacts
        except BaseException as error:
            error.add_note(f"in {self}, source {self.sample.source.path}")
            raise
        finally:
            work.clear(kept)
        return Done(self.step, outcome, work.mark, time.monotonic() - began)


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
