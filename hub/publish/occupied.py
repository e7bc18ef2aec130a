"""What may be published over: nothing, a release, or what an unfinished publish of this release left."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sparkle.builders.manifest import FileEntry, parse_manifest
from sparkle.hub.publish.order import is_ours
from sparkle.hub.remotes.target import Standing
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError

_SHOWN = 3  # paths in a message


def published_before(standing: Standing, where: str, same: Collection[str]) -> Mapping[str, FileEntry]:
    """The files that the release which stands in a place lists; none when the place is empty.

    Args:
        standing: What stands there.
        where: The place, for messages.
        same: Paths there that hold what is about to be published.

    Raises:
        ReleaseError: something else stands there.
    """
    if standing.manifest is not None:
        try:
            return {entry.path: entry for entry in parse_manifest(standing.manifest, where)}
        except ReleaseError as error:
            raise _other_dataset(f"a {layout.MANIFEST} of another kind: {error.problem}", where) from None
    others = [path for path in standing.files if path not in same]
    if others and others != [layout.CARD]:
        raise _other_dataset(", ".join(others[:_SHOWN]), where)
    return {}


def refuse_other(standing: Standing, where: str) -> None:
    """Raise ReleaseError when something else stands in a place; what is to be published is not known yet."""
    published_before(standing, where, {path for path in standing.files if is_ours(path)})


def leftovers(standing: Standing, listed: Collection[str]) -> list[str]:
    """Data of a publish that ended early: paths that are a release's own, and that no manifest lists."""
    return [path for path in standing.files if path not in listed and is_ours(path)]


def _other_dataset(got: str, where: str) -> ReleaseError:
    return ReleaseError(
        "something else stands there, and it would be mixed with the release",
        got=got,
        wanted=f"an empty place, or a release (a {layout.MANIFEST} as `sparkle build` writes it)",
        where=where,
        fix="choose another name; or empty the place yourself, if what is there may go",
    )
