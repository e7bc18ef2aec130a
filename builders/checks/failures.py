"""A check that breaks off is a finding at the file that it was looking at, never the end of the run.

- What a file holds may bring out a fault of ours, or of a library, that no reader knows by name. Everything
  else is checked all the same, and the finding says what was raised and where.
- What says nothing of the release is raised on: a full disk, too many open files, a Hub that does not answer.
- Of a file in which thousands of things are wrong the first ones are told: a line of one byte is worth a
  finding of two hundred.
"""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from sparkle._processes import Pool
from sparkle.schemas.errors import SparkleError, UnreachableError
from sparkle.schemas.load import LONGEST, cut
from sparkle.schemas.validate import Finding

_PACKAGE = Path(__file__).parents[2]
MOST_FINDINGS = 10_000  # of a file, or of a range of one
_NOT_OF_THE_FILE = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE}

Answer_co = TypeVar("Answer_co", covariant=True)
Answer = TypeVar("Answer")


class FileJob(Protocol[Answer_co]):
    """A job that looks at a file."""

    @property
    def file(self) -> str:
        """The file, from the release's root; the first one where there are several."""

    def __call__(self) -> Answer_co:
        """Look at it."""


@dataclass(frozen=True)
class _Caught(Generic[Answer]):
    """A job whose failure is its answer."""

    job: FileJob[Answer]

    def __call__(self) -> Answer | Finding:
        try:
            return self.job()
        except Exception as error:
            return failure(self.job.file, error)


def run_caught(pool: Pool, jobs: Sequence[FileJob[Answer]]) -> Iterator[Answer | Finding]:
    """Run jobs; yields the answer of each in their order, or a finding where it broke off."""
    return pool([_Caught(job) for job in jobs])


def too_many(file: str) -> Finding:
    """Return what is said of a file in which `MOST_FINDINGS` things are wrong."""
    problem = "more is wrong with this file than is told: the rest of it was not looked at"
    return Finding(file, 0, "", problem, wanted=f"at most {MOST_FINDINGS} findings")


def first_findings(findings: Iterable[Finding], file: str) -> Iterator[Finding]:
    """Yield the first findings of a file, and one that says so where there are too many."""
    for count, finding in enumerate(findings):
        if count == MOST_FINDINGS:
            yield too_many(file)
            return
        yield finding


@contextmanager
def caught(note: Callable[[Finding], None], file: str, pointer: str = "") -> Iterator[None]:
    """Note a finding at a file where the block breaks off, and go on behind it."""
    try:
        yield
    except Exception as error:
        note(failure(file, error, pointer))


def failure(file: str, error: Exception, pointer: str = "") -> Finding:
    """Return a finding for what was raised while a file was looked at; raises what says nothing of it."""
    if isinstance(error, UnreachableError):
        raise error
    if isinstance(error, OSError) and error.errno in _NOT_OF_THE_FILE:
        raise error
    if isinstance(error, SparkleError):
        return Finding(file, 0, pointer, error.problem, error.got, error.wanted)
    if isinstance(error, OSError) and error.errno is not None:
        return Finding(file, 0, pointer, "the file cannot be read", error.strerror)
    problem = "the check of this file broke off, which is a bug in sparkle unless memory was short"
    got = f"{type(error).__name__}: {cut(str(error), LONGEST)} ({_at(error)})"
    return Finding(file, 0, pointer, problem, got, "a report of it, with the file")


def _at(error: Exception) -> str:
    """Where in the package something was raised, or where it called what raised."""
    places = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    ours = [f"{file.relative_to(_PACKAGE)}:{line}" for file, line in places if file.is_relative_to(_PACKAGE)]
    return f"sparkle/{ours[-1]}" if ours else f"{places[-1][0]}:{places[-1][1]}"
