"""What the system refuses that is the user's to resolve, and which option or variable resolves it.

- A full disk, missing permissions and the like are the user's wherever the file is. A missing file is only
  where the command line names the path, or a folder above it; otherwise it is a bug of ours.
- The fix names what to change: the option or argument that the file belongs to, or else the variable that
  says where a cache or temporary files are. Of a full disk the system does not name the file: then it is
  whatever lies on a disk that is full.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from sparkle._cache import cache_folder
from sparkle.schemas.errors import SparkleError

_FULL = 16 << 20  # bytes that are free where nothing can be written any more

_MAKE_ROOM = "make room or choose another {place}, then run the same command again"
_ALLOW = "check the permissions, or choose another {place}"
# What the system may refuse wherever a file is, and what to do about it.
_ANYWHERE = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EFBIG: "choose a file system that takes larger files, by another {place}",
    errno.EROFS: "choose another {place}: this one cannot be written to",
    errno.EACCES: _ALLOW,
    errno.EPERM: _ALLOW,
    errno.EIO: "check the disk",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
}
# What it may refuse of a path that the command line names, or of a folder above it.
_NAMED = {
    errno.ENOENT: "check the path",
    errno.EEXIST: "a file is in the way: choose another {place}",
    errno.EISDIR: "a folder is in the way: choose another {place}",
}
# What it may refuse of anything in such a path or beside it: we have no names of our own that lead to these.
_NEARBY = {
    errno.ENOTDIR: "a file is in the way: choose another {place}",
    errno.ENAMETOOLONG: "choose a shorter {place}",
    errno.ELOOP: "a symbolic link leads to itself: choose another {place}",
}


def named_paths(ctx: click.Context) -> dict[str, Path]:
    """Return the paths that a command line names, by option or argument."""
    found: dict[str, Path] = {}
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        values = value if isinstance(value, tuple) else (value,)
        argument = isinstance(parameter, click.Argument)
        name = parameter.make_metavar(ctx).strip("[].") if argument else parameter.opts[-1]
        for each in values:
            if isinstance(each, Path) or (argument and each):
                found[name] = Path(each).absolute()
    return found


def refusal(error: Exception, paths: Mapping[str, Path]) -> SparkleError | None:
    """Return what to tell where the system refused something that is the user's to resolve; else None.

    Args:
        error: What was raised.
        paths: Paths that the user named, by option or argument.
    """
    if not isinstance(error, OSError):
        return None
    file = Path(os.fsdecode(error.filename)).absolute() if isinstance(error.filename, str | bytes) else None
    fix = _ANYWHERE.get(error.errno or 0)
    if file is not None and any(file in (path, *path.parents) for path in paths.values()):
        fix = fix or _NAMED.get(error.errno or 0)
    if file is not None and any(file.is_relative_to(path.parent) for path in paths.values()):
        fix = fix or _NEARBY.get(error.errno or 0)
    if fix is None:
        return None
    place = _place(file, paths)
    return SparkleError(f"the system refused: {error.strerror}", where=file, fix=fix.format(place=place))


def _place(file: Path | None, paths: Mapping[str, Path]) -> str:
    """Return what decides where a file is, as words that follow "another"."""
    places = {**dict(_variables()), **paths}
    if file is None:
        found = [name for name, path in places.items() if _is_full(path)]
    else:
        found = [name for name, path in places.items() if path.is_relative_to(file)]
        around = {name: path.parent if name in paths else path for name, path in places.items()}
        depths = {name: len(base.parts) for name, base in around.items() if file.is_relative_to(base)}
        depths |= {name: len(path.parts) for name, path in places.items() if file.is_relative_to(path)}
        found = found or [name for name, depth in depths.items() if depth == max(depths.values())]
    named = [name for name in found if name in paths]
    return named[-1] if named else f"folder with {' and '.join(found)}" if found else "path"


def _variables() -> Iterator[tuple[str, Path]]:
    """Yield where files are kept that no command line names, by the variable that says so."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        yield "SPARKLE_CACHE", cache_folder().absolute()
        yield "HF_HOME", Path(os.environ.get("HF_HOME") or base / "huggingface").absolute()
    except RuntimeError:  # there is no home
        pass
    yield "TMPDIR", Path(tempfile.gettempdir()).absolute()


def _is_full(path: Path) -> bool:
    there = next(each for each in (path, *path.parents) if each.exists())
    return shutil.disk_usage(there).free < _FULL
