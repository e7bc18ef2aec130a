"""A folder in upstream's layout as what a release is made of: its files as they are, and tables of them.

- Tables have the columns of a release that was built, null where nothing is known: upstream publishes no
  source hashes, measures or licences of single samples. `frames`, `width` and `height` are the source
  video's, by its headers.
- An artifact that is a file of its own has its own path as `shard`, at offset 0: whoever reads a range of a
  shard reads it in the same way.
- Nothing in it has a path or time of this machine: the same folder gives the same bytes anywhere.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec.structs import replace

from sparkle._progress import Progress
from sparkle.builders.building.origin import Piece
from sparkle.builders.building.pack import ShardPlan
from sparkle.builders.building.provenance import ReleaseOptions, document_head
from sparkle.builders.release import tables
from sparkle.builders.release.manifest import FileEntry, describe_file
from sparkle.builders.upstream.files import UpstreamFiles, UpstreamTar
from sparkle.builders.upstream.index import Index
from sparkle.builders.upstream.tables import Places, place_artifacts
from sparkle.builders.upstream.text import METADATA, NO_LINE, Pairs, Told, line_file, read_lines, read_pairs
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS, SOURCE_VIDEO
from sparkle.schemas.validate import Finding, check


class UpstreamOrigin:
    """A folder in upstream's layout, as an `Origin`: everything stays as it is, and gets tables.

    Args:
        files: What lies where.
        index: Its artifacts, which were read before.
        name: What to call it in messages.
        progress: Reports progress.

    Attributes:
        samples: How many samples each theme has; complete once the themes were asked for.
        findings: What is not as the layout has it; complete once the pages were asked for.
    """

    options = ReleaseOptions(preview=0)
    before: Mapping[str, FileEntry] = {}

    def __init__(self, files: UpstreamFiles, index: Index, name: object, progress: Progress) -> None:
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
        lines = (json.dumps(asdict(finding), ensure_ascii=False) + "\n" for finding in self.findings)
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
        check("provenance", document, where=layout.PROVENANCE)
        yield layout.PROVENANCE, dump_document(document)


class UpstreamTheme:
    """A theme of upstream's, as an `OriginTheme`.

    Args:
        files: What lies where.
        index: Its artifacts.
        name: The theme.
        findings: What is wrong is added here.
    """

    packed = False

    def __init__(self, files: UpstreamFiles, index: Index, name: str, findings: list[Finding]) -> None:
        self.name = name
        self._folder = files.folder
        self._pairs = read_pairs(files.folder, name, findings)
        self.count = len(self._pairs.ids)
        if not self.count:
            findings.append(Finding(layout.prompts_csv(name), 0, "", "no row of the table can be used"))
            return
        self._told = read_lines(files.folder, name, self._pairs, frozenset(files.text), findings)
        units = ((unit, index.load(unit)) for unit in index.units if unit.theme == name)
        self._places = place_artifacts(name, self._pairs, units, findings)

    def loose(self) -> list[Artifact]:
        """Return none: those that there are stay."""
        return []

    def previews(self) -> dict[str, bytes]:
        """Return none."""
        return {}

    def text(self) -> Iterator[Piece]:
        """Yield the records; they are made of the lines that count, which are read again where they are."""
        with ExitStack() as stack:
            lines = {
                name: _lines(self._folder / line_file(self.name, name), offsets, stack)
                for name, offsets in self._told.offsets.items()
            }
            for first in range(0, self.count, tables.RECORDS_GROUP):
                batch = []
                for position in range(first, min(first + tables.RECORDS_GROUP, self.count)):
                    found = {name: next(values) for name, values in lines.items()}
                    row = {
                        "task": self._pairs.ids[position],
                        "prompt": self._pairs.columns["prompt"][position],
                    }
                    batch.append(row | _record(found))
                yield layout.records_parquet(self.name), pa.Table.from_pylist(batch, tables.RECORDS_SCHEMA)

    def rows(self, start: int, end: int) -> pa.Table:
        """Return rows; what is not known is null."""
        known = _columns(slice(start, end), self._pairs, self._told, self._places)
        schema = tables.rows_schema()
        columns = [known.get(field.name, pa.nulls(end - start, field.type)) for field in schema]
        return pa.Table.from_arrays(columns, schema=schema)


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
    for problem, paths in (
        ("not a file of the layout, and left out", files.others),
        ("a link to no file of the folder, and left out", files.links),
    ):
        yield from (Finding(path, 0, "", problem) for path in paths)


# --- rows and records ------------------------------------------------------------------------------


def _columns(rows: slice, pairs: Pairs, told: Told, places: Mapping[str, Places]) -> dict[str, pa.Array]:
    columns = {name: pa.array(values[rows], pa.string()) for name, values in pairs.columns.items()}
    columns["subtheme"] = pa.array(told.subthemes[rows], pa.string())
    columns["scene"] = pa.array(told.scenes[rows], pa.string())
    for name, scores in told.scores.items():
        columns[name] = pa.array(scores[rows], mask=np.isnan(scores[rows]))
    source = places[SOURCE_VIDEO.name].shape[rows]
    for index, name in enumerate(("frames", "height", "width")):
        columns[name] = _known(source[:, index], source[:, index] > 0, pa.int32())
    for kind in KINDS:
        found = places[kind.name]
        there = found.there[rows]
        files = pa.array([*found.files, None], pa.string())  # the null is where NOWHERE points to
        columns[f"{kind.name}_shard"] = files.take(pa.array(found.file[rows] % len(files)))
        columns[f"{kind.name}_offset"] = _known(found.offset[rows], there, pa.int64())
        columns[f"{kind.name}_size"] = _known(found.size[rows], there, pa.int64())
        digests = [
            digest.tobytes() if known else None
            for digest, known in zip(found.sha256[rows], there, strict=True)
        ]
        columns[f"{kind.name}_sha256"] = pa.array(digests, pa.binary())
    return columns


def _known(values: npt.NDArray[Any], known: npt.NDArray[np.bool_], dtype: pa.DataType) -> pa.Array:
    return pa.array(values, dtype, mask=~known)


def _lines(path: Path, offsets: npt.NDArray[np.int64], stack: ExitStack) -> Iterator[dict[str, Any]]:
    """The values of a file's lines, one a sample; nothing in them where there is no line."""
    file = stack.enter_context(path.open("rb")) if (offsets != NO_LINE).any() else None
    for offset in offsets.tolist():
        if file is None or offset == NO_LINE:
            yield {}
        else:
            file.seek(offset)
            value: dict[str, Any] = json.loads(file.readline())
            yield value


def _record(lines: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The columns of `RECORDS_SCHEMA` that the lines of a sample fill; what is left out is null."""
    metadata = lines[METADATA].get("metadata", {})
    first, second, video = lines["ground1"], lines["ground2"], lines["video_score"]
    images = (("edited_frame0", "edit_score"), ("foreground_removed", "remove_score"))
    scores = {name: lines[step].get("editscore", {}) for name, step in images}
    return {
        "original_scene": metadata.get("original_scene"),
        "chosen_keyword": metadata.get("chosen_keyword"),
        "round1_labels": first.get("round1_labels"),
        "round1_objects": first.get("round1_objects"),
        "frame_objects": second.get("frame_objects"),
        **{
            f"{name}_{word}": score.get(word)
            for name, score in scores.items()
            for word in ("SC_reasoning", "PQ_reasoning")
        },
        "frame_indices": video.get("frame_indices"),
        "frame_scores": video.get("editscore"),
    }
