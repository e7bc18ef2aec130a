"""A finished run that is as it was has nothing to do: told by stamps, without reading an outcome.

- What is compared is everything that decides what a rerun does: the code's version and rules, the
  configuration with what each step's fingerprint covers, the list of sources, and size, mtime and inode of
  each file of the run and of each source.
- The answer is kept in the cache folder, by the run's path. Where it is missing or anything differs, the run
  is looked through.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from sparkle._cache import CacheDatabase
from sparkle._files import stamp
from sparkle.generation.config import RunConfig
from sparkle.generation.run.fingerprints import step_identity
from sparkle.generation.run.sources import ListedSource
from sparkle.generation.steps import make_step
from sparkle.schemas import layout, rules
from sparkle.schemas.canonical import canonical_json
from sparkle.schemas.stages import STEP_NAMES
from sparkle.schemas.version import __version__

_RUNS = "CREATE TABLE IF NOT EXISTS runs (path BLOB PRIMARY KEY, state TEXT, summary TEXT) WITHOUT ROWID"


@dataclass(frozen=True)
class RunSummary:
    """What a call of `generate` found and did; `notes` say what was done to sources, as their records do."""

    funnel: dict[str, Any]
    processed: int
    judged_again: int
    failures: tuple[str, ...]
    notes: tuple[str, ...]


class FinishedRuns:
    """The runs that were found finished."""

    def __init__(self) -> None:
        self._database = CacheDatabase("runs.sqlite", _RUNS)

    def recall(self, run: Path, state: str) -> RunSummary | None:
        """Return what a run came to, if it was found finished in just this state."""
        found = self._database.query(
            "SELECT summary FROM runs WHERE path = ? AND state = ?", os.fsencode(run.absolute()), state
        )
        try:
            return None if found is None else msgspec.json.decode(found, type=RunSummary)
        except msgspec.MsgspecError:  # of another version
            return None

    def remember(self, run: Path, state: str, summary: RunSummary) -> None:
        """Take what a run came to that has nothing left to do."""
        self._database.write(
            "REPLACE INTO runs (path, state, summary) VALUES (?, ?, ?)",
            [
                (
                    os.fsencode(run.absolute()),
                    state,
                    msgspec.json.encode(replace(summary, processed=0, judged_again=0)).decode(),
                )
            ],
        )

    def close(self) -> None:
        """Let go of the cache."""
        self._database.close()


def state_of(
    run: Path, config: RunConfig, document: bytes, listed: Sequence[ListedSource], id_offset: int
) -> str:
    """Return a hash of all that decides what `generate` does.

    Args:
        run: The run folder.
        config: The configuration.
        document: What `run.toml` would say.
        listed: The sources.
        id_offset: Where ids begin.
    """
    digest = hashlib.sha256(document)
    identities = [step_identity(make_step(name, config)) for name in STEP_NAMES]
    code = [__version__, stamp(Path(rules.__file__))]
    digest.update(canonical_json([identities, code, id_offset]))
    for item in listed:
        found = (item.place, item.theme, item.prompt, item.licence, _stamp_of(item.place))
        digest.update(ascii(found).encode())
    for line in sorted(_files_below(run)):
        digest.update(line)
    return digest.hexdigest()


def _stamp_of(place: str) -> list[int] | None:
    try:
        return stamp(place)
    except (OSError, ValueError):  # as good as none: what cannot be read is never remembered as done
        return None


def _files_below(folder: Path) -> Iterator[bytes]:
    """Yield a line for each file, also behind links to folders: where it is, its size, mtime and inode.

    What is there only while a driver works does not count.
    """
    for root, folders, files in os.walk(folder, followlinks=True):
        if layout.STAGING in folders:
            folders.remove(layout.STAGING)
        for name in files:
            path = os.path.join(root, name)
            yield os.fsencode(f"{path}\0{_stamp_of(path)}\n")
