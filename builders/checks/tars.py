"""A theme's tars and loose files: which there are, what is in them, and whether artifacts fit each other.

- `tar_jobs` are the reads, for as many workers as there are; `take_tars` puts their answers together.
- Sizes are those that the artifacts' headers say: a pair has the same width, height and number of frames,
  which is 4k+1, at the release's rate; masks, edges and frames fit their video. Whether what a header says is
  there, decoding tells (`media`).
- Loose files are those of the first samples and no others, with their members' contents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import numpy as np

from sparkle.builders.checks.census import Finder, Keys, Segment, Slot, id_of, matches
from sparkle.builders.checks.members import Members, TarJob, UpstreamTarJob, join_members
from sparkle.builders.checks.survey import Survey
from sparkle.builders.reading.place import Place
from sparkle.builders.release.manifest import FileEntry
from sparkle.media.probe import Shape
from sparkle.schemas import layout
from sparkle.schemas.ids import format_id
from sparkle.schemas.layout import KINDS, Kind

_FPS_TOLERANCE = 0.01  # frames a second; containers round rates, and the next one in use is 15

# Kind -> which of frames, width and height must be those of the source video. A background video may be
# longer (imported ones are), but no shorter.
_ALL, _SIZE = (0, 1, 2), (1, 2)
_FITS: dict[Kind, tuple[int, ...]] = {
    layout.EDITED_VIDEO: _ALL,
    layout.SOURCE_FRAME0: _SIZE,
    layout.EDITED_FRAME0: _SIZE,
    layout.FOREGROUND_REMOVED: _SIZE,
    layout.BACKGROUND_VIDEO: _SIZE,
    layout.VIDEO_CANNY: _ALL,
    layout.SOURCE_VIDEO_MASK: _ALL,
}


def tar_jobs(
    survey: Survey, *, contents: bool, elsewhere: Place | None = None
) -> list[TarJob | UpstreamTarJob]:
    """The tars to read; parts that are missing are findings.

    Args:
        survey: The theme.
        contents: Whether to read the data of members.
        elsewhere: The place that has the tars where they are not in the folder.
    """
    jobs: list[TarJob | UpstreamTarJob] = []
    for kind in KINDS:
        found = (layout.parse(path) for path in survey.files)
        parts = [
            at.part
            for at in found
            if (at.what, at.theme, at.kind) == (layout.What.TAR, survey.theme, kind) and at.part is not None
        ]
        tars = [kind.shard(survey.theme, part) for part in sorted(parts)]
        slot = survey.tars[kind.name] = Slot(tars[0] if tars else kind.shard(survey.theme, 0), apart=True)
        if tars:
            survey.slots.append(slot)
        elif not survey.imported:  # where tars were extracted, rows name loose files
            survey.note(slot.file, 0, "", "the tar is missing")
        for tar in tars:
            if survey.imported:
                jobs.append(UpstreamTarJob(survey.folder, tar, survey.theme, kind.name, contents))
            else:
                jobs.append(TarJob(survey.folder / tar, tar, survey.theme, kind.name, contents, elsewhere))
    return jobs


def take_tars(survey: Survey, jobs: list[TarJob | UpstreamTarJob], answers: Iterator[Members]) -> None:
    """Note what is in the tars."""
    parts: dict[str, list[Members]] = {}
    for job, answer in zip(jobs, answers, strict=True):
        parts.setdefault(job.kind, []).append(answer)
    for kind in KINDS:
        if kind.name not in parts:
            continue
        survey.members[kind.name] = join_members(parts[kind.name])
        for part in parts[kind.name]:
            survey.findings.extend(part.findings)
            survey.tars[kind.name].segments.append(_segment(survey.theme, kind, part))


def _segment(theme: str, kind: Kind, part: Members) -> Segment:
    keys = part.keys
    return Segment(part.tars[0], keys, pointer=lambda row: kind.member(id_of(theme, keys[row])))


def compare_shapes(survey: Survey) -> None:
    """Artifacts of a sample that do not fit each other."""
    source = survey.members.get(layout.SOURCE_VIDEO.name)
    if source is None:
        return
    for kind in (layout.SOURCE_VIDEO, layout.EDITED_VIDEO, layout.BACKGROUND_VIDEO, layout.VIDEO_CANNY):
        if kind.name in survey.members:
            _check_rate(survey, kind, survey.members[kind.name])
    frames = source.shapes[:, 0]
    for row in np.flatnonzero((frames > 0) & (frames % 4 != 1)).tolist():
        _note(survey, layout.SOURCE_VIDEO, source, row, "the number of frames is not 4k+1", frames[row], None)
    for kind, sides in _FITS.items():
        if kind.name in survey.members:
            _check_fit(survey, kind, sides, source, survey.members[kind.name])


def _check_fit(survey: Survey, kind: Kind, sides: tuple[int, ...], source: Members, found: Members) -> None:
    rows, others = matches(found.keys, source.keys)
    got, wanted = found.shapes[rows], source.shapes[others]
    known = (got[:, 1] > 0) & (wanted[:, 1] > 0)
    for side in sides:
        unlike = known & (got[:, side] != wanted[:, side]) & (got[:, side] > 0) & (wanted[:, side] > 0)
        for at in np.flatnonzero(unlike).tolist():
            problem = f"another {_SIDES[side]} than the source video has"
            _note(survey, kind, found, int(rows[at]), problem, got[at, side], wanted[at, side])
    if kind is layout.BACKGROUND_VIDEO:
        short = known & (got[:, 0] < wanted[:, 0]) & (got[:, 0] > 0)
        for at in np.flatnonzero(short).tolist():
            problem = "fewer frames than the source video has"
            _note(survey, kind, found, int(rows[at]), problem, got[at, 0], wanted[at, 0])


_SIDES = ("number of frames", "width", "height")


def _check_rate(survey: Survey, kind: Kind, found: Members) -> None:
    if not survey.fps:
        return
    rates = found.shapes[:, Shape._fields.index("fps")]
    fits = np.any([np.abs(rates - fps) < _FPS_TOLERANCE for fps in sorted(survey.fps)], axis=0)
    for row in np.flatnonzero((rates > 0) & ~fits).tolist():
        _note(survey, kind, found, row, "not the release's frames a second", rates[row], min(survey.fps))


def _note(
    survey: Survey, kind: Kind, members: Members, row: int, problem: str, got: float, wanted: float | None
) -> None:
    tar = members.tars[int(members.tar[row])]
    pointer = kind.member(id_of(survey.theme, members.keys[row]))
    shown = [None if value is None else f"{value:g}" for value in (got, wanted)]
    survey.note(tar, 0, pointer, problem, got=shown[0], wanted=shown[1])


# --- the loose files of a theme --------------------------------------------------------------------


def check_loose(survey: Survey, first: Keys, listed: Mapping[str, FileEntry]) -> None:
    """Check that the loose files are those of the first samples, with the contents that the rows name.

    Args:
        survey: The theme.
        first: The first samples.
        listed: The manifest's entries by path; contents are compared with them elsewhere.
    """
    rows = Finder(survey.rows).rows(first).tolist()
    ids = [id_of(survey.theme, key) for key in first.tolist()]
    for kind in KINDS:
        wanted = {kind.path(sample_id): row for sample_id, row in zip(ids, rows, strict=True)}
        folder = str(PurePosixPath(kind.path(format_id(survey.theme, 0))).parent)
        found = {path for path in survey.files if path.startswith(f"{folder}/")}
        for path in sorted(wanted.keys() - found):
            survey.note(path, 0, "", "a loose file of the first samples is missing")
        for path in sorted(found - wanted.keys()):
            survey.note(path, 0, "", "a loose file of no first sample")
        for path in sorted(found & wanted.keys() & listed.keys()):
            if wanted[path] >= 0:
                sha256 = survey.hashes[kind.name][wanted[path]].tobytes().hex()
                if sha256 != listed[path].sha256:
                    problem = "another content than the sample has in its tar"
                    survey.note(path, 0, "", problem, got=listed[path].sha256, wanted=sha256)


def check_contents(survey: Survey) -> None:
    """Check that members have the contents that the rows name; tars and rows were read before."""
    for kind in KINDS:
        if kind.name in survey.members and kind.name in survey.hashes:
            _check_kind(survey, kind)


def _check_kind(survey: Survey, kind: Kind) -> None:
    members, rows = survey.members[kind.name], survey.hashes[kind.name]
    theirs = Finder(survey.rows).rows(members.keys)
    known = np.flatnonzero((theirs >= 0) & rows[theirs].any(axis=1)) if len(rows) else theirs[:0]
    unlike = np.any(members.hashes[known] != rows[theirs[known]], axis=1)
    for row in known[unlike].tolist():
        sample_id = id_of(survey.theme, members.keys[row])
        got, wanted = members.hashes[row], rows[theirs[row]]
        survey.note(
            members.tars[int(members.tar[row])],
            0,
            kind.member(sample_id),
            "another content than the sample's row names",
            got=got.tobytes().hex(),
            wanted=wanted.tobytes().hex(),
        )
