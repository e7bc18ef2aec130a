"""What workers do: hash and probe sources, and take one sample through one step."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sparkle.generation.backends.local_model import free_device_memory
from sparkle.generation.config import RunConfig
from sparkle.generation.run.schedule import ATTEMPTS
from sparkle.generation.run.sources import inspect_source
from sparkle.generation.steps import make_step
from sparkle.generation.steps.base import AnyStep, Failed, Kept, Rejected, SampleState, Work
from sparkle.schemas import records as r
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import plain, sha256_file
from sparkle.schemas.errors import WorkerLostError
from sparkle.schemas.stages import STEP_NAMES


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
        resident: Whether the process keeps the steps that it has set up, models and all; else it has one.
    """

    root: Path
    staging: Path
    config: RunConfig
    step: str
    sample: SampleState
    fingerprint: str
    held: list[Artifact]
    resident: bool = False

    def __str__(self) -> str:
        return f"{self.step} of {self.sample.id}"

    def __call__(self) -> Done:
        """Do it, with the step that this process has set up."""
        step = _set_up(self.step, self.config, resident=self.resident)
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

    def lost(self) -> Done:
        """Return what is to be said of it when it takes its workers with it."""
        error = WorkerLostError(
            "its worker died, again and again",
            got=f"{ATTEMPTS} workers that did nothing else",
            where=self.sample.source.path,
            fix="give workers more memory, or leave the source out; the next run tries it again",
        )
        failed = Failed({"kind": type(error).__name__, **error.parts()})
        return Done(self.step, _outcome(self.sample.id, self.fingerprint, failed, {}), "", 0.0)


@dataclass(frozen=True)
class SetUp:
    """A job: load the model of a capability, to be kept."""

    config: RunConfig
    capability: str

    def __call__(self) -> None:
        """Load it."""
        for name in STEP_NAMES:
            if make_step(name, self.config).capability == self.capability:
                _set_up(name, self.config, resident=True)


_ready: dict[str, AnyStep] = {}  # the steps that this process has set up


def _set_up(name: str, config: RunConfig, *, resident: bool) -> AnyStep:
    """Return a step that is ready.

    One that is not resident has the process for itself, so that one model is in memory. Resident ones of the
    same capability share its model.
    """
    if name in _ready and _ready[name].config == config:
        return _ready[name]
    if not resident or any(other.config != config for other in _ready.values()):
        _ready.clear()
        free_device_memory()
    step = make_step(name, config)
    twin = next((other for other in _ready.values() if other.capability == step.capability), None)
    if step.capability is None or twin is None:
        step.setup()
    else:
        step.backend = twin.backend
    _ready[name] = step
    return step


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
