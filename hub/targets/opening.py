"""Which place a name means when something is published to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sparkle.builders.reading.patience import tell
from sparkle.builders.reading.repository import DATASET, RepoKind
from sparkle.hub.targets.folder import FolderTarget
from sparkle.hub.targets.target import Target
from sparkle.schemas.errors import ConfigError

HUB, FOLDER = "hub", "folder"


def open_target(
    name: str,
    kind: str | None = None,
    *,
    revision: str | None = None,
    private: bool = False,
    checkpoint: int | None = None,
    repository: RepoKind = DATASET,
    say: Callable[[str], None] = tell,
) -> Target:
    """The place that a name means.

    Args:
        name: `owner/name` of a repository, or a folder.
        kind: `hub` or `folder`; None goes by the name: a folder is one that is there, or begins with `/`, `.`
            or `~`.
        revision: The branch, or the folder's revision; None is the main one.
        private: Whether a repository that is made is private.
        checkpoint: See `HubTarget`.
        repository: What a repository is of.
        say: Told of waits; the default writes to standard error.

    Raises:
        ConfigError: the name means neither, or an option does not go with it.
    """
    if kind == FOLDER or (kind is None and (name.startswith(("/", ".", "~")) or Path(name).is_dir())):
        if private or checkpoint is not None:
            raise ConfigError("--private and --checkpoint are a Hub's", got=name, wanted="owner/name")
        return FolderTarget(Path(name).expanduser(), revision)
    from sparkle.hub.targets.hub import HubTarget

    return HubTarget(name, revision, private=private, checkpoint=checkpoint, kind=repository, say=say)
