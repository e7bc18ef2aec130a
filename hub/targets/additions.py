"""Files of a commit as `huggingface_hub` holds them, whose private attributes say how they are kept."""

from __future__ import annotations

from importlib.util import find_spec

from huggingface_hub import CommitOperationAdd, constants
from huggingface_hub.lfs import UploadInfo

from sparkle.hub.targets.target import Parcel
from sparkle.schemas.errors import ReleaseError


def recall(parcel: Parcel) -> CommitOperationAdd:
    """What stands in a commit for a large file that an earlier publish sent."""
    addition = CommitOperationAdd(parcel.entry.path, b"")
    addition.upload_info = UploadInfo(parcel.entry.size, b"", bytes.fromhex(parcel.entry.sha256))
    addition._upload_mode = "lfs"
    addition._is_uploaded = True
    return addition


def sends_by_xet() -> bool:
    """Whether the client sends large files by Xet, and not by LFS."""
    return not constants.HF_HUB_DISABLE_XET and find_spec("hf_xet") is not None


def is_large(addition: CommitOperationAdd) -> bool:
    """Whether the Hub keeps a file, which was sent, as a large one: then its content is there."""
    return addition._upload_mode == "lfs"


def refuse_ignored(addition: CommitOperationAdd) -> None:
    """Raise ReleaseError when the client would leave a file out without a word."""
    if addition._should_ignore:
        raise ReleaseError(
            "the repository's .gitignore keeps a file of the release out",
            where=addition.path_in_repo,
            fix="take that line out of the .gitignore",
        )
