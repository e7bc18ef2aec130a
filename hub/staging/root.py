"""The folder of a staging hub: opened by one process at a time.

ROOT/lock is held as long as a process works on the folder (`flock`, which a kill releases): a second server,
or a collection of garbage while a server runs, is refused. Opening finishes what a kill left: files in `tmp`
are removed, and so are contents that were given up.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sparkle.hub.staging.blobs import BlobStore
from sparkle.hub.staging.database import Database
from sparkle.hub.staging.purging import delete_doomed
from sparkle.schemas.errors import ConfigError


@dataclass(frozen=True)
class Root:
    """An opened folder."""

    path: Path
    database: Database
    blobs: BlobStore


@contextmanager
def open_root(path: Path) -> Iterator[Root]:
    """Open the folder of a hub, or begin one.

    Raises:
        ConfigError: another process has it open, or it holds something else.
    """
    if path.is_dir() and any(path.iterdir()) and not (path / "lock").exists():
        raise ConfigError(
            "the folder holds something else than a staging hub",
            where=path,
            fix="give --root a folder of its own; it is made when it is not there",
        )
    path.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds private repositories
    with (path / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                "another process works on this staging hub",
                where=path,
                fix="stop its `sparkle-hub serve`, or give --root another folder",
            ) from None
        blobs = BlobStore(path)
        with closing(Database(path / "hub.db")) as database:
            delete_doomed(database, blobs)
            yield Root(path, database, blobs)
