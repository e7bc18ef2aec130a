"""What lies in a folder beside what somebody put there, and where a link in it may lead.

- Junk is what file managers, disks and network shares leave everywhere. It is no part of anything: never a
  source, never published, never a finding, and lost when a folder is replaced.
- The Hub's client leaves its notes in a folder that it downloads to, and the Hub its `.gitattributes`.
- A link may lead to a file in its folder, and from a snapshot in the Hub client's cache to the blobs of which
  it consists. Any other is not followed: a folder that came from somewhere could have a link to a
  private file, and publish it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from sparkle.schemas.errors import command

_JUNK = re.compile(
    "|".join(
        (
            # macOS
            r"[.]_.*|[.]DS_Store|[.]localized|[.]apdisk|[.]VolumeIcon[.]icns|[.]com[.]apple[.].*|Icon\r",
            r"[.]Trashes|[.]Spotlight-V100|[.]fseventsd|[.]TemporaryItems|[.]DocumentRevisions-V100",
            r"[.]PKInstallSandboxManager.*|[.]Apple(Double|DB|Desktop)|__MACOSX",
            r"Network Trash Folder|Temporary Items",
            # Windows
            r"(eh)?thumbs(_vista)?[.]db|desktop[.]ini|[$]RECYCLE[.]BIN|System Volume Information",
            r".*:Zone[.]Identifier",
            # Linux desktops, file systems, and shares that are in use
            r"[.]directory|[.]Trash(-[0-9]+)?|lost[+]found|[.]nfs[0-9a-f]{8,}|[.]fuse_hidden.*|[.]~lock[.].*#",
            # Synology, QNAP, Dropbox
            r"[.]dropbox([.](attr|cache))?|@eaDir|@Recycle|@Recently-Snapshot|@tmp|#recycle|#snapshot|[.]@__thumb",
        )
    ),
    re.IGNORECASE | re.DOTALL,
)
_CLIENTS_NOTES = (".cache/huggingface/", ".huggingface/")  # the latter by older versions
_REPOSITORY = re.compile("(datasets|models|spaces|kernels)--.+")


def is_junk(path: str) -> bool:
    """Whether a path from a folder is junk, or lies in a folder that is."""
    return any(map(_JUNK.fullmatch, path.split("/")))


def is_no_part(path: str) -> bool:
    """Whether a path from a folder is junk, or the Hub client's own."""
    return path == ".gitattributes" or path.startswith(_CLIENTS_NOTES) or is_junk(path)


def list_junk(folder: Path) -> list[str]:
    """The junk in a folder, sorted: files, and folders that end with a slash and are not looked into."""
    return sorted(_find_junk(folder))


def _find_junk(folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        below = os.path.relpath(root, folder)
        prefix = "" if below == "." else f"{below}/"
        yield from (f"{prefix}{name}" for name in files if is_junk(name))
        yield from (f"{prefix}{name}/" for name in folders if is_junk(name))
        folders[:] = [name for name in folders if not is_junk(name)]


# --- links -----------------------------------------------------------------------------------------


def is_snapshot(folder: Path) -> bool:
    """Whether a folder is a snapshot in the Hub client's cache, `REPOSITORY/snapshots/COMMIT`."""
    return bool(_blobs(folder))


def leads_inside(path: Path, folder: Path) -> bool:
    """Whether what a path leads to lies in a folder, or is a blob of the snapshot that the folder is."""
    target = Path(os.path.realpath(path))  # which, unlike `resolve`, does not fail at a link to itself
    return target.is_relative_to(os.path.realpath(folder)) or _is_blob(target, folder)


def is_stray_link(path: Path, folder: Path) -> bool:
    """Whether a path is a link, and none from a snapshot to one of its blobs."""
    return path.is_symlink() and not _is_blob(Path(os.path.realpath(path)), folder)


def _is_blob(target: Path, folder: Path) -> bool:
    return any(target.is_relative_to(blobs) for blobs in _blobs(folder))


def _blobs(folder: Path) -> tuple[Path, ...]:
    """Where a snapshot's links lead: its repository's blobs, and those that all repositories share."""
    snapshots = Path(os.path.realpath(folder)).parent
    repository = snapshots.parent
    if snapshots.name != "snapshots" or not (repository / "blobs").is_dir():
        return ()
    shared = (repository.parent / "blobs",) if _REPOSITORY.fullmatch(repository.name) else ()
    return (repository / "blobs", *shared)


def copy_command(folder: Path) -> str:
    """The command that makes a folder of files out of one that has links."""
    return command("cp", "-RL", folder, f"{folder.resolve().name}-copy")
