"""Tars without some members: what stays is copied in one run after another, then read through.

How it works
- Names, sizes and hashes of the members that stay decide every byte of the new tar, as those of any tar of a
  release (`tar`). Headers and padding come over with the data, so that a run of members is one range.
- The result is read again and is there only when it is, byte for byte, the tar that a build would write.
- Members are read from the old tar by range: what leaves is not read, nor is a tar that loses nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from sparkle.builders.assign import END_BYTES
from sparkle.builders.content import Content
from sparkle.builders.removal_model import Cut, Held
from sparkle.builders.removal_store import Store
from sparkle.builders.tar import Shard, check_tar
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.fsio import atomic_path


def cut_tar(store: Store, cut: Cut, target: Path) -> Shard:
    """Write what is left of a tar.

    Raises:
        ReleaseError: the old tar does not hold what the tables say.
    """
    contents = [Content(held.kind.member(held.id), target, held.ref) for held in cut.left]
    if target.exists() and (shard := check_tar(target, contents, _unheard)):
        return shard  # of an earlier attempt
    with atomic_path(target) as temporary:
        with temporary.open("wb") as file:
            for start, end in cut.runs:
                file.writelines(store.read(cut.path, start, end - start))
            file.write(bytes(END_BYTES))
        shard = check_tar(temporary, contents, _unheard)
        if shard is None:
            raise ReleaseError(
                "a tar does not hold what the tables say, so it cannot be cut",
                wanted=f"{len(contents)} members with the names, sizes and hashes of their rows",
                where=cut.path,
                fix="`sparkle validate` says what is wrong with the release",
            )
    return shard


def _unheard(done: int = 1) -> None:
    """Nobody is told of single members."""


def take_out(store: Store, held: Held, target: Path) -> None:
    """Write an artifact as a file of its own.

    Raises:
        ReleaseError: its tar holds other bytes than its row says.
    """
    digest = hashlib.sha256()
    with atomic_path(target) as temporary:
        with temporary.open("wb") as file:
            for block in store.read(held.shard, held.offset, held.ref.size):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != held.ref.sha256:
            raise ReleaseError(
                "a tar does not hold what the tables say",
                got=f"sha256 {digest.hexdigest()}",
                wanted=f"sha256 {held.ref.sha256}, {held.ref.size} bytes",
                where=f"{held.shard} {held.kind.member(held.id)}",
            )
