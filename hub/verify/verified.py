"""The release that is verified: where it is, what its manifest lists, and how its bytes are read.

How it works
- A folder is read where it is. Of a Hub, `Verified.folder` is a copy that holds what was asked for (`need`):
  text and tables come whole through the client's cache, everything else stands there as an empty file of the
  right size (`outline`), without taking room on the disk, so that a check of names and sizes works on it.
- Artifacts come by their place in a tar, by range; whole tars are streamed and never stored.
- Every byte that is asked of a Hub is counted.
- Which samples are looked at closely follows from a seed and the ids alone, and moves little when a release
  grows: a sample that is chosen stays so until enough others come before it in the seed's order.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from sparkle._files import safe_join
from sparkle._folders import is_no_part
from sparkle._progress import Progress, silent
from sparkle.builders.checks.files import check_document
from sparkle.builders.reading.place import Place, read_exactly
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.read_tables import read_columns
from sparkle.builders.release.removed import Provenance, read_provenance
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.layout import KINDS, Kind
from sparkle.schemas.load import load
from sparkle.schemas.validate import Finding

_MOST_BYTES = 1 << 30  # of an artifact; the largest masks, 4K and not compressed, have 84 MB
_TEXT_OR_TABLE = (".csv", ".jsonl", ".json", ".md", ".parquet")


class Verified:
    """A release that is verified.

    Args:
        place: Where it is.
        scratch: An empty folder for what is fetched of a Hub.

    Attributes:
        odd: What is there and no plain file, as a fifo: whoever opened one would wait for it.

    Raises:
        ReleaseError: there is no manifest, or the place cannot be read.
    """

    def __init__(self, place: Place, scratch: Path) -> None:
        self.place = place
        self.local = place.folder is not None
        self.folder = place.folder or scratch / "release"
        self.downloaded = 0
        self._fetched: set[str] = set()
        self.files: Mapping[str, FileEntry] = {
            path: file for path, file in place.list().items() if not is_no_part(path)
        }
        self.odd = [path for path in self.files if self.local and _is_odd(self.folder / path)]
        if layout.MANIFEST not in self.files:
            raise ReleaseError(
                "not a release",
                got=place.name,
                wanted=f"a place with {layout.MANIFEST}",
                fix="`sparkle build RUN --out RELEASE` makes one",
            )
        self.need([layout.MANIFEST])
        manifest, wrong = check_document(self.folder, layout.MANIFEST, "manifest")
        self.manifest_findings: tuple[Finding, ...] = tuple(wrong)
        listed = load(list[FileEntry], manifest["files"]) if manifest else []
        self.entries: Mapping[str, FileEntry] = {entry.path: entry for entry in listed}
        self.listed = listed

    @property
    def name(self) -> str:
        """How the release is called in messages."""
        return self.place.name

    @property
    def commit(self) -> str | None:
        """The commit that is read; None for a folder."""
        return self.place.commit

    def sizes(self, paths: Iterable[str]) -> int:
        """Bytes of files, as the place says."""
        return sum(self.files[path].size for path in paths)

    def text_and_tables(self) -> list[str]:
        """The files that are read whole at every level but integrity, sorted."""
        return [path for path in self.files if path.endswith(_TEXT_OR_TABLE)]

    def need(self, paths: Iterable[str], progress: Progress = silent, title: str = "fetching") -> None:
        """Have files in `folder`; those of a Hub that are not there yet are fetched.

        Raises:
            ReleaseError: the place has no such file, or cannot be reached.
        """
        if self.local:
            return
        missing = [path for path in paths if path not in self._fetched]
        with progress(title, len(missing)) as advance:
            for path in missing:
                target = self._target(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                found = self.place.fetch(path)
                self.downloaded += found.stat().st_size
                shutil.copyfile(found, target)
                self._fetched.add(path)
                advance()

    def outline(self) -> None:
        """Let every file of a Hub that was not fetched stand in `folder` by its name and size alone."""
        for path, file in self.files.items():
            target = self._target(path)
            if not self.local and path not in self._fetched:
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as empty:
                    empty.truncate(file.size)

    def read(self, path: str, start: int, size: int) -> bytes:
        """Some bytes of a file, as many as asked for; raises ReleaseError."""
        if not self.local:
            self.downloaded += size
        return read_exactly(self.place, path, start, size)

    def member(self, row: Artifact) -> bytes | None:
        """An artifact's bytes; None where its tar is missing or ends before, or it is impossibly large.

        Raises:
            ReleaseError: the place cannot be reached.
        """
        file = self.files.get(row.file)
        if file is None or not 0 <= row.size <= _MOST_BYTES or not 0 <= row.offset <= file.size - row.size:
            return None
        return self.read(row.file, row.offset, row.size)

    def provenance(self) -> Provenance:
        """Return how it came to be; raises ReleaseError when that cannot be read."""
        self.need([layout.PROVENANCE])
        return read_provenance(self.folder / layout.PROVENANCE, f"{self.name} {layout.PROVENANCE}")

    def _target(self, path: str) -> Path:
        return safe_join(self.folder, path)


def _is_odd(path: Path) -> bool:
    return path.exists() and not path.is_file()


# --- what the tables say of artifacts --------------------------------------------------------------


def themes_of(release: Verified) -> list[str]:
    """The themes that have rows."""
    return [theme for theme in THEMES if layout.tables_of(theme, release.files)]


def read_rows(release: Verified, theme: str, columns: Sequence[str], progress: Progress = silent) -> pa.Table:
    """Columns of a theme's rows.

    Raises:
        ReleaseError: a table cannot be read, or lacks a column.
    """
    paths = layout.tables_of(theme, release.files)
    release.need(paths, progress, f"fetching the table of {theme}")
    return pa.concat_tables(
        [read_columns(release.folder / path, columns, f"{release.name} {path}") for path in paths]
    )


def member_rows(release: Verified, theme: str, kinds: Sequence[Kind] = KINDS) -> list[Artifact]:
    """Every artifact of a theme that stands in a tar, in the order of kinds and ids.

    Raises:
        ReleaseError: a table cannot be read, or a row says where an artifact is only in part.
    """
    parts = ("shard", "offset", "size", "sha256")
    columns = ["task", *(f"{kind.name}_{part}" for kind in kinds for part in parts)]
    table = read_rows(release, theme, columns)
    ids = table["task"].to_pylist()
    found = []
    for kind in kinds:
        values = [table[f"{kind.name}_{part}"].to_pylist() for part in parts]
        for sample_id, shard, offset, size, sha256 in zip(ids, *values, strict=True):
            if shard is None or not shard.endswith(
                ".tar"
            ):  # an imported release may lack it, or have it loose
                continue
            if None in (sample_id, offset, size, sha256):
                raise ReleaseError(
                    "a row does not say where an artifact is", where=f"{release.name} {sample_id} {kind.name}"
                )
            found.append(Artifact(sample_id, kind, shard, offset, size, sha256))
    return sorted(found, key=lambda row: (KINDS.index(row.kind), row.id))


def members_by_tar(release: Verified) -> dict[str, list[Artifact]]:
    """Return every artifact that lies in a tar, by tar, in the order of ids; raises as `member_rows` does."""
    found: defaultdict[str, list[Artifact]] = defaultdict(list)
    for theme in themes_of(release):
        for row in member_rows(release, theme):
            found[row.file].append(row)
    return found


# --- which samples are looked at closely -----------------------------------------------------------


def choose_samples(release: Verified, count: int, seed: int) -> list[str]:
    """At most `count` ids, sorted; raises ReleaseError when a table cannot be read."""
    ids = [
        sample_id
        for theme in themes_of(release)
        for sample_id in read_rows(release, theme, ["task"])["task"].to_pylist()
    ]
    return sorted(sorted(ids, key=lambda sample_id: _rank(seed, sample_id))[:count])


def _rank(seed: int, sample_id: str) -> bytes:
    return hashlib.sha256(f"{seed} {sample_id}".encode()).digest()
