"""Folders for what is needed for a moment; what a kill leaves of them, the next process removes.

Each holds a lock that is gone with its process: a folder whose lock can be taken is nobody's. It is put under
its lock before it has the name by which others find it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sparkle._files import exclusive
from sparkle.schemas.errors import SparkleError

_PREFIX, _LOCK = "sparkle-scratch-", "lock"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder among the temporary files, which is removed with all that is in it."""
    place = tempfile.gettempdir()
    _remove_stale(Path(place))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    with exclusive(folder / "new", None):
        try:
            (folder / "new").rename(folder / _LOCK)
            files = folder / "files"
            files.mkdir()
            yield files
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@cache
def _remove_stale(place: Path) -> None:
    """Remove what killed processes of this user left, once in a process."""
    for folder in place.glob(f"{_PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            if (folder / _LOCK).is_file():  # one without is being made
                with exclusive(folder / _LOCK, SparkleError("somebody works in it")):
                    shutil.rmtree(folder, ignore_errors=True)
        except (SparkleError, OSError):
            continue  # in use, or gone
