"""The loose files of a theme: those of the first samples and no others, with their members' contents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np

from sparkle.builders.census import Finder, Keys, id_of
from sparkle.builders.manifest import FileEntry
from sparkle.builders.survey import Survey
from sparkle.schemas.ids import format_id
from sparkle.schemas.layout import KINDS, Kind


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
