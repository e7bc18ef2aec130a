"""What the driver and its actors on other machines tell one another: where one is, and what went wrong there.

- An actor must have the same versions of everything, and see the same run folder, as the driver.
- What a job raises comes back as a value, with its notes and where it was raised: what carries errors between
  machines loses both.
"""

from __future__ import annotations

import pickle
import re
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from sparkle._processes import Job
from sparkle.generation.config import RunConfig
from sparkle.generation.run.epoch import RunEpoch
from sparkle.generation.run.fingerprints import processor
from sparkle.generation.run.jobs import Process
from sparkle.generation.run.nodes import versions_here
from sparkle.generation.run.schedule import ATTEMPTS
from sparkle.schemas.errors import RunError, SparkleError

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Site:
    """Where an actor is.

    Attributes:
        node: Its node's id.
        host: The machine's name.
        versions: Of everything that decides what it makes.
        processor: What its processor can do; another one may round otherwise.
        root: The run folder.
        epoch: Which epoch of the run it sees there.
        vram: Bytes of its GPU; 0 without one, or where nobody says.
    """

    node: str
    host: str
    versions: dict[str, str]
    processor: dict[str, str]
    root: Path
    epoch: str
    vram: int

    def require_same(self, driver: Site) -> None:
        """Raise RunError where what is done there would come out otherwise, or somewhere else."""
        for name in sorted({*driver.versions, *self.versions}):
            here, there = driver.versions.get(name), self.versions.get(name)
            if here != there:
                raise RunError(
                    "a node has another version than the driver",
                    got=f"{name} {there or 'not installed'}",
                    wanted=f"{name} {here or 'not installed'}",
                    where=f"node {self.host}",
                    fix="install the same environment on every node, then run the same command again",
                )
        if self.epoch != driver.epoch:
            raise RunError(
                "the run folder is not the same folder on every node",
                got="the epoch of another driver" if self.epoch else "no epoch there",
                wanted=f"epoch {driver.epoch}",
                where=f"node {self.host}, {self.root}",
                fix="mount the storage of the run at the same path on every node, or name an absolute --out",
            )


def site_here(root: Path, config: RunConfig, *, node: str = "", vram: int = 0) -> Site:
    """Return where this process is."""
    return Site(
        node, socket.gethostname(), versions_here(config), processor(), root, RunEpoch.read(root), vram
    )


@dataclass(frozen=True)
class Raised:
    """What a job raised, where it was raised, in words; its notes are in the pickle."""

    error: BaseException
    notes: list[str]
    text: str


def caught(job: Callable[[], Answer]) -> Answer | Raised:
    """Do a job; return its answer, or what it raised."""
    try:
        return job()
    except Exception as error:  # all of it travels
        notes, text = list(getattr(error, "__notes__", ())), traceback.format_exc()
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 # our own, of just now
        except Exception:  # it cannot travel
            error = RuntimeError(f"{type(error).__name__}: {error}")
        return Raised(error, notes, text)


def raise_here(raised: Raised) -> NoReturn:
    """Raise what a job raised, as if it were here."""
    error = raised.error
    if not hasattr(error, "__notes__"):
        for note in raised.notes:
            error.add_note(note)
    raise error from (None if isinstance(error, SparkleError) else RuntimeError(f"\n{raised.text}"))


def given_up(job: Job[Any]) -> Any:
    """Return what becomes of a job that has killed several workers.

    Raises:
        RunError: it was no sample's.
    """
    if isinstance(job, Process):
        return job.lost()
    raise RunError(
        "workers die, again and again, at one source",
        got=f"{ATTEMPTS} that did nothing else",
        where=job,
        fix="give workers more memory, or leave the source out, and run the same command again",
    )


def plain_words(error: BaseException) -> str:
    """Return an error's words without colours, shortened."""
    words = " ".join(re.sub("\x1b\\[[0-9;]*m", "", str(error)).split())
    return words if len(words) < 500 else f"{words[:250]} ... {words[-250:]}"
