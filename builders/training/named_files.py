"""Files of a folder, a release, an index or a Hub by the paths that a csv has for them.

A file is loose where it exists, else read out of its tar. The release, index or repository is opened when the
first file is asked for that is not loose. Processes open their own: a `NamedFiles` pickles as the name of its
folder.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkle.builders.reading.folder import refuse_gone
from sparkle.schemas import layout
from sparkle.schemas.errors import MediaError, RecordError
from sparkle.schemas.layout import KINDS, Kind

if TYPE_CHECKING:
    from sparkle.builders.reading.pairs import Pairs
    from sparkle.builders.reading.source import Source


class NamedFiles:
    """Files of a folder, a release, an index or a repository on a Hub.

    Args:
        where: The folder or repository.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._is_folder = Path(where).is_dir()

    def __getstate__(self) -> dict[str, Any]:
        """Keep where to look; what was opened stays in its process."""
        return {"where": self.where, "_is_folder": self._is_folder}

    def find(self, name: str) -> Path | bytes:
        """Return the file, or its bytes where it is in a tar.

        Args:
            name: A path that counts from the folder, or an absolute one: the metadata is the user's own.

        Raises:
            MediaError: there is no such file.
            ArtifactError: it is not what its table says.
            ReleaseError: its tar is not the one in the tables, or the folder is gone.
        """
        path = Path(self.where, name)
        if path.is_file():
            return path
        if self._is_folder:
            refuse_gone(Path(self.where).absolute())
        place = _parse(name)
        where = f"{self.where}: {name}"
        if place is None or not self._has_tables:
            raise MediaError("there is no such file", where=where)
        kind, sample_id = place
        row = self._rows.get(sample_id)
        if row is None:
            raise MediaError("the tables have no such sample", got=sample_id, where=where)
        return self._source.read(self._pairs.artifact(row, kind))

    @cached_property
    def _has_tables(self) -> bool:
        """Whether to look further: a folder of plain files has no tables, and a repository must."""
        folder = Path(self.where)
        listed = (folder / name for name in (layout.MANIFEST, layout.INDEX))
        return not folder.is_dir() or any(path.is_file() for path in listed)

    @cached_property
    def _pairs(self) -> Pairs:
        from sparkle.builders.reading.pairs import open_pairs

        return open_pairs(self.where, kinds=())

    @cached_property
    def _source(self) -> Source:
        from sparkle.builders.reading.source import open_source

        return open_source(self._pairs.catalog)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {sample_id: row for row, sample_id in enumerate(self._pairs.ids)}


def _parse(name: str) -> tuple[Kind, str] | None:
    """Return what a path names, such as `location/source_video/ID.mp4`; None for any other path."""
    sample_id = Path(name).stem
    try:
        paths = {path: kind for kind in KINDS for path in (kind.path(sample_id), kind.member(sample_id))}
    except RecordError:
        return None
    return (paths[name], sample_id) if name in paths else None
