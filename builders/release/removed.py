"""What was taken down of a release: recorded in it, so that no later build brings it back by accident.

How it works
- `provenance.json` has, under `removed`, how many pairs of each theme were taken down, and a hash of each id
  and source: enough to know one again when it is seen, nothing to look up. (Ids are few enough to be guessed
  from their hashes; they name no content.)
- A build reads that of the release before and leaves those samples out, whatever its runs hold; a source that
  was taken down stays out under any id. Only a build into a new folder, without a release before, starts
  afresh.
- `CHANGELOG.md` has a section a takedown, newest first, and goes from a release to the next as it is. It
  names no ids either: who has an old copy is not told what to look at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sparkle._files import read_document
from sparkle.builders.release.about import About, about_in
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import RecordError, ReleaseError
from sparkle.schemas.ids import THEMES, theme_of
from sparkle.schemas.load import load
from sparkle.schemas.validate import check, parse_strict

KEY = "removed"  # of provenance.json
# What hashes are taken of begins so: the hash of a source's sha256 is not that of anything else.
_ID, _SOURCE = b"sparkle: id taken down: ", b"sparkle: source taken down: "

_TITLE = "# Changelog\n"


def id_mark(sample_id: str) -> str:
    """What is recorded of an id that was taken down."""
    return sha256_bytes(_ID + sample_id.encode())


def source_mark(sha256: str) -> str:
    """What is recorded of a source that was taken down."""
    return sha256_bytes(_SOURCE + sha256.encode())


@dataclass(frozen=True)
class Removed:
    """Everything that was ever taken down of a release.

    Attributes:
        samples: How many pairs, by theme.
        ids: The mark of each id, sorted.
        sources: The mark of each source of which every sample was taken down, sorted.
    """

    samples: dict[str, int] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Removed:
        """What a provenance document records."""
        return load(cls, document[KEY], f"/{KEY}") if KEY in document else cls()

    def record(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A provenance document that records this; one in which nothing was taken down says nothing of it."""
        return {**document, KEY: asdict(self)} if self.ids or self.sources else dict(document)

    def with_more(self, ids: Collection[str], sources: Iterable[str]) -> Removed:
        """This, and ids and sources that are taken down now."""
        counts = Counter(self.samples) + Counter(map(theme_of, ids))
        return Removed(
            samples={theme: counts[theme] for theme in THEMES if theme in counts},
            ids=tuple(sorted({*self.ids, *map(id_mark, ids)})),
            sources=tuple(sorted({*self.sources, *map(source_mark, sources)})),
        )

    def has_id(self, sample_id: str) -> bool:
        """Whether an id was taken down."""
        return bool(self.ids) and id_mark(sample_id) in self._ids

    def has_source(self, sha256: str) -> bool:
        """Whether a source was taken down."""
        return bool(self.sources) and source_mark(sha256) in self._sources

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(self.ids)

    @cached_property
    def _sources(self) -> frozenset[str]:
        return frozenset(self.sources)


@dataclass(frozen=True)
class Provenance:
    """provenance.json: how a release came to be.

    Attributes:
        document: All of it.
    """

    document: Mapping[str, Any]

    @property
    def imported(self) -> bool:
        """Whether the release was made by `sparkle import`: its tars are as somebody else wrote them."""
        return "imported" in self.document

    @property
    def removed(self) -> Removed:
        """What was taken down of it."""
        return Removed.of(self.document)

    @property
    def about(self) -> About:
        """What its publisher says of it."""
        return about_in(self.document)

    @property
    def preview(self) -> int:
        """How many first samples of a theme are also there as loose files and with a preview."""
        return self.document["options"]["preview"] or 0


def read_provenance(file: Path, where: object = None) -> Provenance:
    """Read the provenance of a release; raises ReleaseError, which names `where` or the file."""
    problem: object
    try:
        document = parse_strict(read_document(file))
        check("provenance", document, where=str(file))
        return Provenance(document)
    except OSError as error:
        problem = error
    except RecordError as error:
        problem = error.problem if error.got is None else f"{error.problem}: {error.got}"
    raise ReleaseError(
        "the release's provenance cannot be read",
        got=problem,
        where=file if where is None else where,
        fix="`sparkle validate` says what is wrong with it",
    )


def add_section(changelog: bytes | None, counts: Mapping[str, int]) -> bytes:
    """A CHANGELOG.md with a section for a takedown, in the form of Keep a Changelog 1.1.

    Args:
        changelog: What was there.
        counts: How many pairs were taken down, by theme.
    """
    before = (changelog or _TITLE.encode()).decode("utf-8", "surrogateescape")
    number = 1 + before.count("\n## Takedown ")
    lines = [f"- {count:,} pair{'s' if count > 1 else ''} of `{theme}`." for theme, count in counts.items()]
    section = "\n".join([f"## Takedown {number}", "", "### Removed", "", *lines, ""])
    # Newest first: before the first section that is there.
    head, found, rest = before.partition("\n## ")
    body = f"{head.rstrip()}\n\n{section}" + (f"{found}{rest}" if found else "")
    return body.encode("utf-8", "surrogateescape")
