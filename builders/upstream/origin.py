"""A folder in upstream's layout as what a release is made of: its files as they are, and tables of them.

Nothing in it has a path or time of this machine: the same folder gives the same bytes anywhere.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from msgspec.structs import replace

from sparkle._progress import Progress
from sparkle.builders.building.pack import ShardPlan
from sparkle.builders.building.provenance import ReleaseOptions, document_head
from sparkle.builders.release.about import About
from sparkle.builders.release.manifest import FileEntry, describe_file
from sparkle.builders.upstream.files import UpstreamFiles, UpstreamTar
from sparkle.builders.upstream.index import Index
from sparkle.builders.upstream.tables import UpstreamTheme
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.misplaced import PACKED_SUFFIXES
from sparkle.schemas.validate import Finding, check


class UpstreamOrigin:
    """A folder in upstream's layout, as an `Origin`: everything stays as it is, and gets tables.

    Args:
        files: What lies where.
        index: Its artifacts, which were read before.
        name: What to call it in messages.
        progress: Reports progress.
        about: What its publisher said of the release that is replaced.
        words: What the publisher wrote into its card.

    Attributes:
        samples: How many samples each theme has; complete once the themes were asked for.
        findings: What is not as the layout has it; complete once the pages were asked for.
    """

    options = ReleaseOptions(preview=0)
    before: Mapping[str, FileEntry] = {}

    def __init__(
        self,
        files: UpstreamFiles,
        index: Index,
        name: object,
        progress: Progress,
        about: About | None = None,
        words: str = "",
    ) -> None:
        self.words = words
        self._about = about or About()
        self.samples: dict[str, int] = {}
        self.findings: list[Finding] = []
        self._files, self._index, self._name, self._progress = files, index, name, progress

    @cached_property
    def kept(self) -> dict[str, FileEntry]:
        """Every file that the layout knows; the card under another name."""
        folder, text = self._files.folder, self._files.text
        found = [*self._index.entries(), *(describe_file(folder, path) for path in text)]
        if self._files.card:
            found.append(replace(describe_file(folder, layout.CARD), path=layout.UPSTREAM_CARD))
        return {entry.path: entry for entry in found}

    def fetch(self, path: str) -> Path:
        """Return the file in the folder."""
        return self._files.folder / (layout.CARD if path == layout.UPSTREAM_CARD else path)

    def shards(self) -> list[ShardPlan]:
        """Return none."""
        return []

    def paired(self) -> list[ShardPlan]:
        """Return none."""
        return []

    def read(self, artifact: Artifact) -> Iterator[bytes]:
        """Nothing is taken out of a tar."""
        raise KeyError(artifact.path)

    def themes(self) -> Iterator[UpstreamTheme]:
        """Yield every theme of which a row can be used.

        Raises:
            ReleaseError: there is none.
        """
        with self._progress("writing tables", len(self._files.themes)) as advance:
            for name in self._files.themes:
                yield from self._theme(name)
                advance()
        if not self.samples:
            raise ReleaseError(
                "no table of pairs has a row that can be used",
                got="; ".join(map(str, self.findings[:3])),
                where=self._name,
            )

    def _theme(self, name: str) -> Iterator[UpstreamTheme]:
        """Yield a theme, or nothing; it is let go before the next one is read."""
        theme = UpstreamTheme(self._files, self._index, name, self.findings)
        if theme.count:
            self.samples[name] = theme.count
            yield theme

    def report(self) -> bytes:
        """Return what is not as the layout has it, one JSON line each; asked for after the themes."""
        self.findings += _left_out(self._files, self._index)
        lines = (json.dumps(finding.to_json(), ensure_ascii=False) + "\n" for finding in self.findings)
        return "".join(lines).encode()

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """Yield the report and the provenance."""
        yield layout.IMPORT_REPORT, self.report()
        document = document_head({"max_shard_size": None, "preview": None}) | {
            "packages": {"pyarrow": version("pyarrow")},
            "imported": {
                "tars": len(self._files.tars),
                "loose": sum(len(found.names) for found in self._files.loose),
                "findings": count_problems(self.findings),
            },
            "runs": [],
        }
        document = self._about.record(document)
        check("provenance", document, where=layout.PROVENANCE)
        yield layout.PROVENANCE, dump_document(document)


def count_problems(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how often each problem was found, commonest first."""
    counts = Counter(finding.problem for finding in findings)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _left_out(files: UpstreamFiles, index: Index) -> Iterator[Finding]:
    """Yield a finding for each file that no table has: of a theme without pairs, or not of the layout."""
    for unit in index.units:
        if unit.theme not in files.themes:
            path = unit.path if isinstance(unit, UpstreamTar) else unit.folder
            wanted = layout.prompts_csv(unit.theme)
            yield Finding(path, 0, "", "its theme has no table of pairs", wanted=wanted)
    for path in files.others:
        if path.endswith(PACKED_SUFFIXES):
            yield Finding(
                path,
                0,
                "",
                "packed, and left out: only plain files and tars are read",
                wanted="unpacked, in the same folder",
            )
        else:
            yield Finding(path, 0, "", "not a file of the layout, and left out")
    for path in files.links:
        problem = "a link to no file of the folder, and left out"
        yield Finding(path, 0, "", problem, wanted="a file: `cp -RL FOLDER COPY` makes a folder of files")
