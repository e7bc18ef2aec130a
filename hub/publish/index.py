"""An index of upstream's tars is uploaded as a dataset repository of its own."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi

from sparkle.builders.reading.index import read_index
from sparkle.builders.reading.patience import Patience
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError


def push_index(folder: Path, repo: str) -> str:
    """Upload an index; returns the commit's address.

    One commit: a reader sees the old index or the new one. A rerun sends nothing that is there.

    Args:
        folder: The index.
        repo: `owner/name` of a dataset, made (private to start with) if need be.

    Raises:
        ReleaseError: it is an index of a folder, which nobody else has, or the Hub refuses.
    """
    index = read_index(folder / layout.INDEX)
    if index.repo is None:
        raise ReleaseError(
            "an index of a folder is of no use to others",
            got=index.target,
            wanted="an index of a repository",
            where=folder,
            fix="`sparkle import` makes a release of the folder, `sparkle publish` publishes it",
        )
    known = [entry.path for entry in index.tables] + [layout.INDEX]

    def upload() -> str:
        api = HfApi()
        api.create_repo(repo, repo_type="dataset", private=True, exist_ok=True)
        info = api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=folder,
            allow_patterns=known,
            delete_patterns=[f"{layout.DATA}/**", f"{layout.RECORDS}/**"],
            commit_message=f"Index of {index.repo} at {(index.commit or '')[:12]}",
        )
        return str(info.commit_url)

    return Patience(repo).run(upload)  # done twice it is the same as done once
