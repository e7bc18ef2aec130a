"""Files of a commit as `huggingface_hub` holds them, and what it has no public way to say of them.

A commit can name a file that another process sent, as the journal knows; and whether the Hub keeps a file as
a large one decides whether its content is there. This is the only file that knows those attributes.
"""

from __future__ import annotations

from huggingface_hub import CommitOperationAdd
from huggingface_hub.lfs import UploadInfo

from sparkle.hub.remotes.target import Parcel
from sparkle.schemas.errors import ReleaseError


def recall(parcel: Parcel) -> CommitOperationAdd:
    """What stands in a commit for a large file that an earlier publish sent."""
    addition = CommitOperationAdd(parcel.entry.path, b"")
    addition.upload_info = UploadInfo(parcel.entry.size, b"", bytes.fromhex(parcel.entry.sha256))
    addition._upload_mode = "lfs"
    addition._is_uploaded = True
    return addition


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
