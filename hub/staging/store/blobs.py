"""Large contents on disk, by their sha256, and what is on its way to becoming one.

ROOT/
  blobs/xx/SHA256      whole and verified; never changed afterwards
  xorbs/xx/HASH        chunks of Xet uploads that are not part of a blob yet
  parts/SHA256-SIZE/   parts of a multipart upload that is under way
  tmp/                 being received: emptied at start, and by whoever wrote there

A file is fsynced, renamed into its place and its folder fsynced before anybody is told of it. A kill leaves a
blob that is whole, or a file in `tmp`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import mkstemp

from sparkle._files import fsync_folder
from sparkle.hub.staging.store.refusal import unprocessable

_BLOCK = 1024 * 1024  # bytes read at once


class BlobStore:
    """The folders of large contents below a root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tmp = root / "tmp"
        shutil.rmtree(self._tmp, ignore_errors=True)  # what a kill left
        for name in ("blobs", "xorbs"):
            for prefix in range(256):
                (root / name / f"{prefix:02x}").mkdir(parents=True, exist_ok=True)
            fsync_folder(root / name)
        for name in ("parts", "tmp"):
            (root / name).mkdir(exist_ok=True)
        fsync_folder(root)

    def temporary(self) -> Path:
        """Make a new empty file in `tmp`, which is the caller's to move or to remove."""
        descriptor, name = mkstemp(dir=self._tmp)
        os.close(descriptor)
        return Path(name)

    def blob(self, sha256: bytes) -> Path:
        """Return where a blob is, or would be."""
        name = sha256.hex()
        return self.root / "blobs" / name[:2] / name

    def size(self, sha256: bytes) -> int | None:
        """Return a blob's bytes; None when it is not there."""
        return file_size(self.blob(sha256))

    def xorb(self, name: str) -> Path:
        """Return where a xorb is, or would be; its name is 64 hexadecimal digits."""
        return self.root / "xorbs" / name[:2] / name

    def parts(self, sha256: bytes, size: int) -> Path:
        """Return the folder of the parts of a blob that is uploaded in parts."""
        return self.root / "parts" / f"{sha256.hex()}-{size}"

    def make_parts(self, sha256: bytes, size: int) -> Path:
        """Make that folder if need be, durably."""
        folder = self.parts(sha256, size)
        if not folder.exists():
            folder.mkdir(exist_ok=True)
            fsync_folder(folder.parent)
        return folder

    def place(self, temporary: Path, target: Path) -> None:
        """Give a received file its name, durably."""
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
        fsync_folder(target.parent)

    def put_together(self, sha256: bytes, pieces: Iterable[bytes]) -> None:
        """Make a blob of its pieces, durably; raises Refusal when they have another sha256."""
        digest, temporary = hashlib.sha256(), self.temporary()
        try:
            with temporary.open("wb") as file:
                for piece in pieces:
                    digest.update(piece)
                    file.write(piece)
            if digest.digest() != sha256:
                raise unprocessable(f"got sha256 {digest.hexdigest()}, wanted {sha256.hex()}")
            self.place(temporary, self.blob(sha256))
        finally:
            temporary.unlink(missing_ok=True)

    def names(self, folder: str) -> Iterator[Path]:
        """Yield every file of `blobs` or `xorbs`, sorted."""
        for prefix in sorted((self.root / folder).iterdir()):
            yield from sorted(prefix.iterdir())

    def forget_old_parts(self, seconds: float) -> None:
        """Remove parts of uploads that nobody has touched for that long: their URLs have run out."""
        for folder in (self.root / "parts").iterdir():
            try:
                if time.time() - folder.stat().st_mtime > seconds:
                    shutil.rmtree(folder, ignore_errors=True)
            except FileNotFoundError:  # finished meanwhile
                continue


def file_size(path: Path) -> int | None:
    """Return a file's bytes; None when it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def read_blocks(path: Path, offset: int, size: int) -> Iterator[bytes]:
    """Yield bytes of a file, a block at a time."""
    with path.open("rb") as file:
        file.seek(offset)
        while size > 0:
            data = file.read(min(_BLOCK, size))
            if not data:
                raise OSError(f"{path} is shorter than it was")
            size -= len(data)
            yield data
