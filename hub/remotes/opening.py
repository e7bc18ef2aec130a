"""Which place a name means: a folder that is there, or else `owner/name[@revision]` on a Hub."""

from __future__ import annotations

import re
from pathlib import Path

from sparkle.hub.remotes.folder import FolderRemote
from sparkle.hub.remotes.remote import Remote
from sparkle.schemas.errors import ReleaseError

_HUB_SCHEME = "hf://datasets/"  # how `datasets` and fsspec write a repository
_REPOSITORY = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[^@\s]+))?")


def open_remote(name: str) -> Remote:
    """The release that a name means; `hf://datasets/` before it says that it is no folder.

    Raises:
        ReleaseError: it is neither a folder nor the name of a repository, or the Hub does not have it.
    """
    if name and not name.startswith(_HUB_SCHEME) and Path(name).is_dir():
        return FolderRemote(Path(name))
    match = _REPOSITORY.fullmatch(name.removeprefix(_HUB_SCHEME))
    if match is None:
        raise ReleaseError(
            "neither a folder nor a repository",
            got=name,
            wanted="a release's folder, or owner/name[@revision] of a dataset on the Hub",
        )
    from sparkle.hub.remotes.hub import HubRemote

    return HubRemote(match["repo"], match["revision"])
