"""One tree of errors: every one says what was got, what was wanted, where, and what to do next.

- A user-facing error is a subclass of `SparkleError`. Its parts are fields, so that a
  command can print them for a person or as JSON.
- An error about one sample (`SampleError` and below) makes that sample's outcome Failed and the
  run goes on; every other error stops the command.
- Errors travel between processes, so they pickle by their fields.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable
from typing import Any


def command(*words: object) -> str:
    """Return a command line that can be pasted into a shell, whatever is in its words."""
    return shlex.join(map(str, words))


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return what to do about a word that is not known: the nearest one that is, if one is near."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else None


class SparkleError(Exception):
    """What went wrong, in parts. Every error that is the user's to resolve is one.

    Example:
        >>> try:
        ...     sparkle.open_pairs("releases/demo", ["winter"])
        ... except sparkle.SparkleError as error:
        ...     print(error.problem, "-", error.got)
        no such theme - winter

    Args:
        problem: One sentence: what is wrong.
        got: What was found.
        wanted: What would have been right.
        where: File, line, member, field: as near as it can be named.
        fix: What to do next, as a command where there is one.
    """

    def __init__(
        self,
        problem: str,
        *,
        got: object = None,
        wanted: object = None,
        where: object = None,
        fix: str | None = None,
    ) -> None:
        self.problem = problem
        self.got = None if got is None else str(got)
        self.wanted = None if wanted is None else str(wanted)
        self.where = None if where is None else str(where)
        self.fix = fix
        super().__init__(problem)

    def parts(self) -> dict[str, str]:
        """The fields that are set, for JSON output and for outcomes."""
        names = ("problem", "where", "got", "wanted", "fix")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def __str__(self) -> str:
        rest = (f"{name}: {value}" for name, value in self.parts().items() if name != "problem")
        return "\n  ".join((self.problem, *rest))

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.parts()))


def _rebuild(kind: type[SparkleError], parts: dict[str, str]) -> SparkleError:
    problem = parts.pop("problem")
    return kind(problem, **parts)


class ConfigError(SparkleError):
    """A configuration file or an option that is invalid.

    Example:
        >>> try:
        ...     sparkle.Clip(frames=0)
        ... except sparkle.ConfigError as error:
        ...     print(error.problem, "-", error.wanted)
        invalid frames - at least 1, or None for whole clips
    """


class SourceListError(SparkleError):
    """A list of sources that cannot be read: nothing starts."""


class RunError(SparkleError):
    """A run folder that cannot be used, or does not hold what was asked of it."""


class ReleaseError(SparkleError):
    """A release that cannot be written or read.

    Example:
        >>> try:
        ...     sparkle.validate("releases/nowhere")
        ... except sparkle.ReleaseError as error:
        ...     print(error.problem)
        not a release
    """


class ArtifactError(ReleaseError):
    """An artifact that is not what its table says, or not there: others can be read."""


class MissingFileError(ReleaseError):
    """A file that a release, an index or a repository does not have."""


class UnreachableError(ReleaseError):
    """A Hub that did not answer, however often it was asked: a later try may work.

    Example:
        >>> try:
        ...     raise sparkle.UnreachableError("the Hub does not answer", where="owner/name")
        ... except sparkle.UnreachableError as error:
        ...     print(error)
        the Hub does not answer
          where: owner/name
    """


class UnguardedScriptError(SparkleError):
    """A script that worker processes cannot import, since it does its work in the open."""


class RecordError(SparkleError):
    """A record that does not follow its schema."""


class UnsafePathError(ReleaseError):
    """A path from data that leaves its folder, or that no file can have."""


class SampleError(SparkleError):
    """Something is wrong with one sample: its outcome is Failed and the run goes on."""


class SourceGoneError(SampleError):
    """A source that is not where it was listed: the next run looks again."""


class WorkerLostError(SampleError):
    """A sample whose workers died one after another: the next run tries again."""


class AnswerError(SampleError):
    """A model's answer that cannot be used; the raw answer is what was got."""


class ServiceError(SampleError):
    """A service that could not do its work this time: the next run asks again."""


class MediaError(SampleError):
    """A video, image or mask that cannot be read or written as it should."""
