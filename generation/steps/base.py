"""A step: a class with `setup()` and `process(work) -> Kept | Rejected | Failed`.

How it works:
- A subclass declares what it reads and makes, and writes `measure`: artifacts go out through
  `work.write`, what was measured comes back as the step's record.
- `process` lets the rules judge that record. A `SampleError`, or an error of the codec and of
  OpenCV on this sample's data, is Failed; anything else is a bug and stops the run.
- A step keeps nothing between samples, so a sample can be processed again at any time, anywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar
from uuid import uuid4

import av.error
import cv2
import numpy as np

from sparkle._files import fsync_file
from sparkle._run_folder import copy_out
from sparkle.generation.backend import Loadable
from sparkle.generation.backends import make_backend
from sparkle.generation.config import RunConfig
from sparkle.generation.needs import Demanding
from sparkle.schemas import records as r
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import plain, sha256_file
from sparkle.schemas.errors import RunError, SampleError
from sparkle.schemas.layout import KIND_BY_NAME, Kind
from sparkle.schemas.records import Record
from sparkle.schemas.rules import Thresholds, judge
from sparkle.schemas.seeds import derive_seed
from sparkle.schemas.stages import STEP_BY_NAME

R = TypeVar("R", bound=Record)
B = TypeVar("B")  # the backend's protocol, or None


@dataclass(frozen=True)
class SampleState:
    """A candidate on its way: what the steps before said of it and made for it."""

    candidate: r.Candidate
    source: r.SourceRecord
    records: dict[str, Record] = field(default_factory=dict)
    artifacts: dict[str, r.ArtifactRef] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The sample's id."""
        return self.candidate.id


@dataclass(frozen=True)
class Kept:
    """The sample goes on."""

    record: Record


@dataclass(frozen=True)
class Rejected:
    """A rule keeps the sample out; its record and artifacts stay."""

    reason: str
    record: Record


@dataclass(frozen=True)
class Failed:
    """The step could not be done on this sample; never a score."""

    error: dict[str, str]


def staged_path(staging: Path, mark: str, kind: Kind, sample_id: str) -> Path:
    """Return where an artifact lies until it has its place; a try's mark is its own, on any machine."""
    return staging / f"{mark}-{kind.name}-{sample_id}{kind.suffix}"


class Work:
    """One sample in one step: where to read and write, and its seed.

    Args:
        root: The run folder. Nothing is written there, but in `staging`.
        config: The run's configuration.
        step: What is done.
        sample: To whom.
        staging: A folder that is there. It is never made: who was given up finds it gone.
    """

    def __init__(
        self, root: Path, config: RunConfig, step: AnyStep, sample: SampleState, staging: Path
    ) -> None:
        self.root = root
        self.sample = sample
        self.mark = uuid4().hex
        self.made: dict[str, r.ArtifactRef] = {}
        self._staging = staging
        self._staged: dict[str, Path] = {}  # by kind
        self._makes = STEP_BY_NAME[step.name].makes
        self.seed = step_seed(config, step, sample)

    @property
    def prompt(self) -> str:
        """The instruction that `compose` settled on."""
        return self.record(r.ComposeRecord).prompt

    def record(self, kind: type[R]) -> R:
        """Return the record of this kind that a step before left."""
        return next(record for record in self.sample.records.values() if type(record) is kind)

    def read(self, kind: Kind) -> Path:
        """Return the path of an artifact that a step before made, or this one."""
        return self._staged.get(kind.name) or self.root / kind.path(self.sample.id)

    def take_out(self, held: Iterable[Artifact]) -> None:
        """Give artifacts that lie in tars files to read; raises as `copy_out` does."""
        for artifact in held:
            copy_out(self.root, artifact, self._stage(artifact.kind))

    @contextmanager
    def write(self, kind: Kind) -> Iterator[Path]:
        """Yield a path; what is written there becomes the sample's artifact of this kind, once it counts.

        A block that writes nothing leaves no artifact: the record must say why a rule keeps the sample out.
        """
        if kind not in self._makes:
            raise KeyError(f"{kind.name} is not among what this step makes")
        path = self._stage(kind)
        yield path
        if path.exists():
            reference = r.ArtifactRef(sha256_file(path), path.stat().st_size)
            fsync_file(path)
            self.made[kind.name] = reference

    def clear(self, keep: Collection[str]) -> None:
        """Delete what was written, but for some kinds."""
        for name, path in self._staged.items():
            if name not in keep:
                path.unlink(missing_ok=True)

    def portable(self, parts: dict[str, str]) -> dict[str, str]:
        """Return error texts that speak of artifacts by their places in the run."""
        for name, path in self._staged.items():
            place = self.root / KIND_BY_NAME[name].path(self.sample.id)
            for ours, others in ((str(path), str(place)), (path.name, place.name)):
                parts = {part: text.replace(ours, others) for part, text in parts.items()}
        return parts

    def _stage(self, kind: Kind) -> Path:
        path = staged_path(self._staging, self.mark, kind, self.sample.id)
        self._staged[kind.name] = path
        return path


class Step(ABC, Generic[B]):
    """Base of the steps; see the module's docstring. Its backend is made with it, and nothing is loaded."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    capability: ClassVar[str | None] = None
    needs: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[Kind, ...]] = ()
    per_source: ClassVar[bool] = False
    seed_scope: ClassVar[str | None] = None
    # What of the configuration, besides the backend's table, decides the output: names of its fields.
    decided_by: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        made: Any = None if self.capability is None else make_backend(config, self.capability)
        self.backend: B = made

    @property
    def on_gpu(self) -> bool:
        """Whether the backend loads a model into a GPU of this machine."""
        return isinstance(self.backend, Demanding) and self.backend.requirements.vram_bytes > 0

    def setup(self) -> None:
        """Load what the backend needs, once in the process that works."""
        if isinstance(self.backend, Loadable):
            self.backend.setup()

    def settings(self) -> dict[str, Any]:
        """Return what the fingerprint covers besides the backend."""
        return {name: plain(getattr(self.config, name)) for name in self.decided_by}

    @abstractmethod
    def measure(self, work: Work) -> Record:
        """Do the step's work on one sample."""

    def process(self, work: Work) -> Kept | Rejected | Failed:
        """Do the step's work and let the rules judge it.

        Raises:
            RunError: the machine could not do it (a full disk, no memory): the sample is not to blame.
        """
        try:
            record = self.measure(work)
        except SampleError as error:
            return Failed(work.portable({"kind": type(error).__name__, **error.parts()}))
        except OSError as error:
            raise _machine_error(self.name, work, error) from error
        except (cv2.error, av.error.FFmpegError, np.linalg.LinAlgError) as error:
            if getattr(error, "code", None) == cv2.Error.StsNoMem:
                raise _machine_error(self.name, work, error) from error
            problem = f"{type(error).__module__.partition('.')[0]} could not do {self.name}"
            where = work.sample.source.path
            parts = {
                "kind": type(error).__name__,
                "problem": problem,
                "got": str(error).strip(),
                "where": where,
            }
            return Failed(work.portable(parts))
        answer = verdict(self.name, record, self.config.thresholds)
        left_out = {kind.name for kind in STEP_BY_NAME[self.name].makes} - work.made.keys()
        if isinstance(answer, Kept) and left_out:
            raise RuntimeError(f"{self.name} kept {work.sample.id} without {', '.join(sorted(left_out))}")
        return answer


AnyStep = Step[Any]  # whatever its backend


def _machine_error(step: str, work: Work, error: Exception) -> RunError:
    return RunError(
        f"the machine could not do {step}",
        got=error,
        where=f"{work.sample.id}, {work.root}",
        fix="make room (disk, memory) and run the same command again: nothing is lost",
    )


def verdict(step: str, record: Record, thresholds: Thresholds) -> Kept | Rejected:
    """Return what the rules say of a record."""
    reason = judge(step, record, thresholds)
    return Kept(record) if reason is None else Rejected(reason, record)


def step_seed(config: RunConfig, step: AnyStep, sample: SampleState) -> int:
    """Return a sample's seed in a step; a source's samples share it where the step is once per source."""
    owner = sample.candidate.source if step.per_source else sample.id
    return derive_seed(config.seed, owner, step.seed_scope or step.name)
