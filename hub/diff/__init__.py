"""How two releases differ: `diff` is what users call, as `sparkle.diff`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sparkle._progress import Progress, silent

if TYPE_CHECKING:
    from sparkle.hub.diff.release import ReleaseDiff


def diff(before: str | Path, after: str | Path, *, progress: Progress = silent) -> ReleaseDiff:
    """Compare two releases, each in a folder or on a Hub.

    Only manifests and Parquet tables are read, never a tar.

    Example:
        >>> found = sparkle.diff("releases/demo", "releases/demo")
        >>> found.same
        True

    Args:
        before: The older release: a folder, or `owner/name[@revision]` on a Hub.
        after: The newer release.
        progress: Reports progress.

    Raises:
        ReleaseError: one of them cannot be read, or a table is not the one in its manifest.
    """
    from sparkle.builders.reading.place import open_place
    from sparkle.hub.diff.release import compare_releases

    return compare_releases(open_place(before), open_place(after), progress)
