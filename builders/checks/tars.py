"""A theme's tars and loose files: which there are, and whether artifacts fit each other.

- Sizes are those at which artifacts are shown, by their headers where these tell: a pair has the same width,
  height and number of frames, which is 4k+1, at the release's rate; masks, edges and frames fit their video.
  What decoding tells of them (`media`) and what an import reads are compared in the same way.
- Loose files are those of the first samples and no others, with their members' contents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import PurePosixPath

import numpy as np

from sparkle.builders.checks.members import TarJob
from sparkle.builders.checks.rows import Keys, SampleRows, id_of, matches, unlike
from sparkle.builders.checks.theme import TABLE, Theme
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.reading.place import Place
from sparkle.builders.release.manifest import FileEntry
from sparkle.media.timing import ROUNDING_MS
from sparkle.schemas import layout
from sparkle.schemas.ids import format_id
from sparkle.schemas.layout import KINDS
from sparkle.schemas.validate import Finding

_EVEN = f"equal distances, within {ROUNDING_MS:.1f} ms"
_FPS_TOLERANCE = 0.01  # frames a second; containers round rates, and the next one in use is 15


def tar_jobs(theme: Theme, *, contents: bool, elsewhere: Place | None = None) -> Iterator[TarJob]:
    """Yield the tars to read; kinds without one are findings.

    Args:
        theme: The theme.
        contents: Whether to read the data of members.
        elsewhere: The place that has the tars where they are not in the folder.
    """
    where = elsewhere or FolderPlace(theme.folder)
    located = (layout.parse(path) for path in theme.files)
    tars = [at for at in located if at.what is layout.What.TAR and at.theme == theme.name]
    for kind in KINDS:
        parts = sorted(at.part for at in tars if at.kind is kind and at.part is not None)
        for part in parts:
            file = kind.shard(theme.name, part)
            yield TarJob(where, file, theme.name, kind.name, contents, not theme.imported)
        if not parts and not theme.imported:  # where tars were extracted, rows name loose files
            theme.note(kind.shard(theme.name, 0), 0, "", "the tar is missing")


def compare_shapes(artifacts: Sequence[SampleRows], fps: Set[float] = frozenset()) -> Iterator[Finding]:
    """Yield what does not fit in the artifacts of the same samples; what is not known fits.

    Args:
        artifacts: The artifacts, each kind by itself.
        fps: Frames per second that videos may have; any where there is none.
    """
    for found in artifacts if fps else ():
        rates = found.columns["fps"]
        fits = np.any([np.abs(rates - rate) < _FPS_TOLERANCE for rate in fps], axis=0)
        for row in np.flatnonzero(~np.isnan(rates) & ~fits).tolist():
            got, wanted = f"{rates[row]:g}", f"{min(fps):g}"
            yield Finding(*found.at(row), "not the release's frames a second", got, wanted)
    for found in artifacts:
        uneven = found.columns["uneven"]
        for row in np.flatnonzero(uneven > 0).tolist():
            yield Finding(
                *found.at(row), "frames are not evenly timed", f"up to {uneven[row]:.1f} ms off", _EVEN
            )
    source = next((found for found in artifacts if found.kind is layout.SOURCE_VIDEO), None)
    if source is None:
        return
    frames = source.columns["frames"]
    for row in np.flatnonzero(~np.isnan(frames) & (frames % 4 != 1)).tolist():
        yield Finding(*source.at(row), "the number of frames is not 4k+1", f"{frames[row]:g}")
    for found in artifacts:
        rows, others = matches(found, source)
        image = found.kind is not None and found.kind.suffix == ".png"
        sides = ("width", "height") if image else ("frames", "width", "height")
        wrong = np.zeros(len(rows), np.bool_)
        for side in sides:
            ours, theirs = found.columns[side][rows], source.columns[side][others]
            # A longer background is cut: upstream's have 81 frames, whatever the source has.
            longer = (ours > theirs) & (side == "frames" and found.kind is layout.BACKGROUND_VIDEO)
            wrong |= (ours != theirs) & ~np.isnan(ours) & ~np.isnan(theirs) & ~longer
        for row, other in zip(rows[wrong].tolist(), others[wrong].tolist(), strict=True):
            shown = (_in_words(*of, sides) for of in ((found, row), (source, other)))
            yield Finding(*found.at(row), "does not fit its source video", *shown)


def _in_words(found: SampleRows, row: int, sides: Sequence[str]) -> str:
    *frames, width, height = (f"{found.columns[side][row]:g}" for side in sides)
    return f"{frames[0]} frames of {width}x{height}" if frames else f"{width}x{height}"


def check_contents(theme: Theme) -> None:
    """Check that members have the contents that the rows of the table name."""
    table = theme.rows.get(TABLE)
    for kind in KINDS if table is not None else ():
        members, column = theme.rows.get(kind.name), f"{kind.name}_sha256"
        if members is None or table is None:
            continue
        for row, other in unlike(members, "sha256", table, column):
            file, line, pointer = members.at(row)
            got, wanted = members.columns["sha256"][row], table.columns[column][other]
            shown = {"got": got.tobytes().hex(), "wanted": wanted.tobytes().hex()}
            theme.note(file, line, pointer, "another content than the sample's row names", **shown)


def check_loose(theme: Theme, first: Keys, listed: Mapping[str, FileEntry]) -> None:
    """Check that the loose files are those of the first samples, with the contents that the rows name.

    Args:
        theme: The theme.
        first: The first samples.
        listed: The manifest's entries by path; contents are compared with them elsewhere.
    """
    table = theme.rows.get(TABLE)
    rows = (np.full(len(first), -1) if table is None else table.finder.rows(first)).tolist()
    ids = [id_of(theme.name, key) for key in first.tolist()]
    for kind in KINDS:
        wanted = {kind.path(sample_id): row for sample_id, row in zip(ids, rows, strict=True)}
        folder = PurePosixPath(kind.path(format_id(theme.name, 0))).parent
        found = {path for path in theme.files if path.startswith(f"{folder}/")}
        for path in sorted(wanted.keys() - found):
            theme.note(path, 0, "", "a loose file of the first samples is missing")
        for path in sorted(found - wanted.keys()):
            theme.note(path, 0, "", "a loose file of no first sample")
        for path in sorted(found & wanted.keys() & listed.keys()):
            if table is not None and wanted[path] >= 0:
                sha256 = table.columns[f"{kind.name}_sha256"][wanted[path]].tobytes().hex()
                if sha256 != listed[path].sha256:
                    problem = "another content than the sample has in its tar"
                    theme.note(path, 0, "", problem, got=listed[path].sha256, wanted=sha256)
