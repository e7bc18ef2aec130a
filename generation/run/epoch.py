"""An epoch: one driver's time with a run, and the fence around it.

- Workers write into `RUN/.staging/<epoch>/`, which the driver made and they never make; the driver gives
  what counts its place. So whoever was given up (a frozen machine, an orphan of a driver that was killed) can
  write nowhere, whenever it wakes.
- Whoever opens a run takes away the folder of the driver before. The lock on a run holds on one machine;
  where a file system does not share it, a driver reads before each batch whether the run is still its own.
- The folder is removed as a whole when the driver ends, or when the next one begins.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from sparkle._files import fsync_folder, write_atomic
from sparkle.generation.run.jobs import Done
from sparkle.generation.steps.base import staged_path
from sparkle.schemas import layout
from sparkle.schemas.errors import RunError
from sparkle.schemas.stages import STEP_BY_NAME

_CURRENT = "epoch"  # the file that names it


class RunEpoch:
    """One driver's time with a run, from now on; the one before it is over."""

    def __init__(self, root: Path) -> None:
        clear_staging(root)
        self._root = root
        self._name = uuid4().hex
        self.folder = root / layout.STAGING / self._name
        self.folder.mkdir(parents=True)
        write_atomic(root / layout.STAGING / _CURRENT, self._name.encode())

    def check(self) -> None:
        """Raise RunError where another driver has taken the run over."""
        found = self.read(self._root)
        if found != self._name:
            raise RunError(
                "another process has taken this run over",
                got=f"epoch {found or 'ended'}",
                wanted=f"epoch {self._name}",
                where=self._root,
                fix="let the other one go on, or stop it and run the same command again: nothing is lost",
            )

    def place(self, answers: Iterable[Done]) -> None:
        """Give artifacts their places, durably, and take away older ones that nobody made again."""
        folders = set()
        for done in answers:
            for kind in STEP_BY_NAME[done.step].makes:
                target = self._root / kind.path(done.outcome.id)
                if kind.name not in done.outcome.artifacts:
                    target.unlink(missing_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(staged_path(self.folder, done.mark, kind, done.outcome.id), target)
                folders.add(target.parent)
        for folder in sorted(folders):
            fsync_folder(folder)

    def close(self) -> None:
        """Let nobody write any more; an epoch that another one took over is over already."""
        if self.read(self._root) == self._name:
            clear_staging(self._root)

    @staticmethod
    def read(root: Path) -> str:
        """Return the name of the epoch that a run is in; empty without one."""
        try:  # opened each time: network file systems look then
            return (root / layout.STAGING / _CURRENT).read_text("utf-8")
        except FileNotFoundError:
            return ""


def clear_staging(root: Path) -> None:
    """End whatever epoch there is in a run folder."""
    staging = root / layout.STAGING
    if not staging.is_dir():
        return
    (staging / _CURRENT).unlink(missing_ok=True)
    for path in list(staging.iterdir()):  # by its name nobody finds it any more, and nothing is added to it
        path.rename(path.with_name(f"{path.name}.over"))
    shutil.rmtree(staging)
