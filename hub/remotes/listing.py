"""What is in a place, without reading it: every file with its size, and its sha256 where the place knows it.

- A Hub knows the sha256 of what it keeps as large files (LFS or Xet): of tars, media, tables and every file
  over some 10 MB. Of the small text files it knows the hash that git gives them.
- A folder knows sizes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkle.builders.manifest import list_files
from sparkle.hub.remotes.folder import FolderRemote

if TYPE_CHECKING:
    from sparkle.hub.remotes.hub import HubRemote

_HUBS_OWN = ".gitattributes"  # written by the Hub itself when a repository is created


@dataclass(frozen=True)
class ListedFile:
    """A file of a place.

    Attributes:
        path: From its root.
        size: In bytes.
        sha256: Hexadecimal, where the place knows it.
        git_sha1: Else the hash that git gives its content, where the place knows that.
    """

    path: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None


def list_remote(remote: FolderRemote | HubRemote) -> dict[str, ListedFile]:
    """Every file of a place by its path, without what the Hub puts there itself.

    Raises:
        ReleaseError: the Hub does not answer.
    """
    if isinstance(remote, FolderRemote):
        folder = remote.folder
        return {path: ListedFile(path, (folder / path).lstat().st_size) for path in list_files(folder)}
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile, RepoFolder

    from sparkle.builders.source.hub_errors import client_errors
    from sparkle.hub.remotes.reading import patiently

    def ask() -> list[RepoFile | RepoFolder]:
        api = HfApi()
        return list(
            api.list_repo_tree(remote.repo, recursive=True, revision=remote.commit, repo_type="dataset")
        )

    found = {}
    with client_errors(remote.name):
        for item in patiently(ask):
            if isinstance(item, RepoFile) and item.path != _HUBS_OWN:
                hashes = (None, item.blob_id) if item.lfs is None else (item.lfs.sha256, None)
                found[item.path] = ListedFile(item.path, item.size, *hashes)
    return dict(sorted(found.items()))
