"""Run `sparkle build` and kill it with SIGKILL at a chosen moment: `python kill_at.py MOMENT COUNT WORDS...`.

COUNT is which time the moment comes by, from 1. The moments are reached by wrapping the real functions, which
do their work until then; `MOMENTS` says what each is.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sparkle import _files, _run_folder
from sparkle.builders.building import pack, reclaim
from sparkle.builders.release import staging, tar
from sparkle.commands.build import build
from sparkle.schemas.canonical import dump_line


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_line(path: Path, records: Any) -> None:
    line = dump_line(next(iter(records)))
    with path.open("ab") as file:
        file.write(line[: len(line) // 2])
    die()


def half_tar(temporary: Path, target: Path) -> None:
    if target.suffix == ".tar":
        os.truncate(temporary, temporary.stat().st_size // 2)
        die()
    _files.commit(temporary, target)


def after(real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: (real(*args, **kwargs), die())


def before(real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: (die(), real(*args, **kwargs))


# Name -> (where a function is, its name, what takes its place at the moment).
MOMENTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "half a tar": (_files, "commit", half_tar),
    "a tar in place, not listed": (tar, "write_tar", after(tar.write_tar)),
    "half a line of the journal": (pack, "append_lines", half_line),
    "a tar listed": (pack.Journal, "add", after(pack.Journal.add)),
    "before the swap": (staging, "_swap", before(staging._swap)),
    "after the swap": (staging, "_swap", after(staging._swap)),
    "a tar named by the run, not listed": (
        _run_folder.Reclaimed,
        "_link",
        after(_run_folder.Reclaimed._link),
    ),
    "half a line of what is held": (_run_folder, "append_lines", half_line),
    "what is held listed, nothing deleted": (_run_folder, "append_lines", after(_run_folder.append_lines)),
    "some files deleted": (Path, "unlink", after(Path.unlink)),
    "a file taken out of a tar": (_run_folder.Reclaimed, "restore", after(_run_folder.Reclaimed.restore)),
    "lines forgotten, tars not": (_run_folder, "write_jsonl", after(_run_folder.write_jsonl)),
}


def arm(moment: str, count: int) -> None:
    owner, name, instead = MOMENTS[moment]
    real, calls = getattr(owner, name), 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        # Only files of a run: temporary ones come and go all the time.
        calls += moment != "some files deleted" or args[0].is_relative_to(os.environ["SPARKLE_TEST_RUN"])
        return (instead if calls == count else real)(*args, **kwargs)

    setattr(owner, name, staticmethod(wrapped) if name == "_link" else wrapped)
    for module in (pack, reclaim):  # names that were imported before
        if getattr(module, name, None) is real and module is not owner:
            setattr(module, name, wrapped)


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    build(sys.argv[3:])
