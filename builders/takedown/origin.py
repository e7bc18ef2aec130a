"""A release without some of its samples, as what a release is made of.

How it works
- What is written is what a build of the samples that stay would write, with the same previous release:
  tables, text, tars, loose files and previews alike. Only the pages say that something was removed.
- `leaving` finds the rows that leave, `theme` what that changes, `cuts` takes samples out of files. What is
  removed is not transferred again, nor is a tar that loses nothing.
- Every line of the report of an import that names a removed sample leaves as well.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow.compute as pc

from sparkle._progress import count_text
from sparkle.builders.building.pack import ShardPlan
from sparkle.builders.building.previous import next_numbers
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.cards.plots import PLOTS
from sparkle.builders.cards.room import words_of
from sparkle.builders.reading.place import Place, fetch_listed, find, read_entries
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.removed import add_section, read_provenance
from sparkle.builders.takedown.cuts import names_sample, read_report
from sparkle.builders.takedown.leaving import find_leaving
from sparkle.builders.takedown.theme import ReleaseTheme
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.validate import check


@dataclass(frozen=True)
class TakedownCost:
    """What a takedown reads and writes, counted before it does.

    Attributes:
        samples: Pairs that leave, by theme.
        rewritten: Tars that are written again.
        deleted: Tars that disappear.
        text: Text files and tables that are written again.
        moving: Loose files of samples that move up.
        loose: Loose files that leave.
        read: Bytes that are read of the release besides what was read for the plan.
        write: Bytes that are written, from above.
    """

    samples: dict[str, int]
    rewritten: int
    deleted: int
    text: int
    moving: int
    loose: int
    read: int
    write: int

    def lines(self) -> list[str]:
        """Return it for people."""
        pairs = ", ".join(f"{count:,} of {theme}" for theme, count in self.samples.items())
        return [
            f"to take down: {count_text(sum(self.samples.values()), 'pair')} ({pairs})",
            f"tars: {self.rewritten:,} to write again, {self.deleted:,} to delete; the others stay",
            f"tables and text: {self.text:,} files to write again",
            f"loose files: {self.loose:,} to delete, {self.moving:,} to add of samples that move up",
        ]


def _require_pairs(place: Place, files: Mapping[str, FileEntry]) -> None:
    """Raise ReleaseError for a bench or a model: pairs are taken down of releases."""
    benches = {layout.bench_csv(theme) for theme in THEMES}
    if not files.keys().isdisjoint(benches):
        what = "a bench"
        fix = "build it again without them (`sparkle bench build ... --exclude FILE`), and publish it"
    elif layout.MODEL in files:
        what, fix = "a model", "change its files, and publish it (`sparkle card MODEL --update`)"
    else:
        return
    raise ReleaseError("not a release of pairs", got=what, where=place.name, fix=fix)


class ReleaseOrigin:
    """A release without some of its samples, as an `Origin`.

    Args:
        place: The release.
        ids: Ids to remove.
        sources: Sources of which every sample is removed, as the release's tables have them.

    Attributes:
        ids: Every id that leaves; none where everything was removed before.
        sources: The sources that were asked for, sorted.
        done: Ids and sources that were asked for and were removed before.
        shared: Ids that stay though they have the source of one that leaves.
        words: What the publisher wrote into the card.

    Raises:
        RecordError: an id cannot be one.
        ReleaseError: it is no release, has no such id or source and never had, nothing would be left of it,
            a table or tar is not as it should be, or the card was edited outside the publisher's room.
    """

    def __init__(self, place: Place, ids: Sequence[str], sources: Sequence[str]) -> None:
        self.place = place
        self.before = read_entries(place)
        _require_pairs(place, self.before)
        self.provenance = read_provenance(place.fetch(layout.PROVENANCE))
        found = find_leaving(place, self.before, self.provenance.removed, ids, sources)
        self.sources, self.done, self.shared = found.sources, found.done, found.shared
        self.options = ReleaseOptions(
            preview=self.provenance.preview, plots=self.provenance.document["options"].get("plots")
        )
        self._losing = [
            ReleaseTheme(place, self.before, self.provenance, theme, found.rows[theme], gone)
            for theme, gone in found.gone.items()
            if pc.any(gone).as_py()
        ]
        self.ids = tuple(sample_id for theme in self._losing for sample_id in theme.gone)
        self._gone = frozenset(self.ids)
        card, where = find(place, layout.CARD), f"{place.name} {layout.CARD}"
        self.words = words_of(card.read_bytes(), self.before.get(layout.CARD), where) if card else ""

    @cached_property
    def kept(self) -> dict[str, FileEntry]:
        """The files that stay as they are."""
        pages = {layout.CARD, layout.CROISSANT, layout.PROVENANCE, layout.CHANGELOG, layout.IMPORT_REPORT}
        if self.options.plots:
            pages.update(map(layout.plot, PLOTS), (layout.strip(theme.name) for theme in self.themes()))
        changed = pages.union(*(theme.changed for theme in self._losing))
        empty = {theme.name for theme in self._losing if not theme.count}
        return {
            path: entry
            for path, entry in self.before.items()
            if path not in changed
            and not names_sample(path, self._gone)
            and layout.parse(path).theme not in empty
        }

    def fetch(self, path: str) -> Path:
        """Return a file of the release on this machine."""
        return self.place.fetch(path)

    def shards(self) -> list[ShardPlan]:
        """Return the tars that lose some of their members."""
        return [cut for theme in self._losing for cut in theme.cuts if cut.ids]

    def paired(self) -> list[ShardPlan]:
        """Return none: what stays of a paired shard is among a theme's text."""
        return []

    def themes(self) -> Iterator[ReleaseTheme]:
        """Yield the themes that lose samples and have some left."""
        return (theme for theme in self._losing if theme.count)

    def read(self, artifact: Artifact) -> Iterator[bytes]:
        """Yield an artifact's data out of its tar."""
        digest = hashlib.sha256()
        for block in self.place.read(artifact.file, artifact.offset, artifact.size):
            digest.update(block)
            yield block
        if digest.digest() != artifact.sha256:
            raise ReleaseError(
                "a tar does not hold what the tables say",
                got=f"sha256 {digest.hexdigest()}",
                wanted=f"sha256 {artifact.hex}, {artifact.size} bytes",
                where=f"{artifact.file} {artifact.member}",
            )

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """Yield the provenance, the report of an import, and the changelog."""
        recorded = self.provenance.document
        document = dict(recorded) | {"next_parts": next_numbers(self.before, recorded.get("next_parts", {}))}
        if self.provenance.imported:
            lines = [line for line, named in read_report(self.place, self.before, self._gone) if not named]
            yield layout.IMPORT_REPORT, b"".join(lines)
            counts = Counter(json.loads(line)["problem"] for line in lines)
            problems = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
            document["imported"] = {**document["imported"], "findings": problems}
        document = self.provenance.removed.with_more(self.ids, self.sources).record(document)
        check("provenance", document, where=layout.PROVENANCE)
        yield layout.PROVENANCE, dump_document(document)
        changelog = self.before.get(layout.CHANGELOG)
        before = None if changelog is None else fetch_listed(self.place, changelog).read_bytes()
        yield layout.CHANGELOG, add_section(before, self.counts)

    @property
    def counts(self) -> dict[str, int]:
        """How many samples leave, by theme."""
        return {theme.name: len(theme.gone) for theme in self._losing}

    def cost(self) -> TakedownCost:
        """Count what it takes."""
        cuts = [cut for theme in self._losing for cut in theme.cuts]
        tars = [path for theme in self.themes() for path in (*theme.foreign, *theme.paired)]
        text = [path for theme in self.themes() for path, _ in theme.files()]
        tables = [path for theme in self.themes() for path in theme.tables]
        moving = [artifact.size for theme in self._losing for artifact in theme.loose()]
        read = sum(cut.size for cut in cuts if cut.ids) + sum(moving)
        read += sum(self.before[path].size for path in (*tars, *text))
        return TakedownCost(
            samples=self.counts,
            rewritten=sum(bool(cut.ids) for cut in cuts) + len(tars),
            deleted=sum(not cut.ids for cut in cuts),
            text=len(text) + len(tables),
            moving=len(moving),
            loose=sum(names_sample(path, self._gone) for path in self.before),
            read=read,
            write=read + sum(self.before[path].size for path in tables),
        )
