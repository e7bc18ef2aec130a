"""Which samples of a release a page shows, and what its tables say of them.

- With a limit, samples are drawn by the hash of their ids: a fair picture of a theme, the same on every
  machine, and a larger limit keeps what a smaller one showed.
- Boxes and reasonings are read a chunk at a time: those of a full release are gigabytes.
- `drawn`, `told` and `limits_of` are what `run_rows` has in common with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from sparkle.builders.reading.catalog import open_catalog
from sparkle.builders.reading.pairs import open_pairs
from sparkle.builders.reading.place import find
from sparkle.builders.reading.source import open_source
from sparkle.builders.release.removed import read_provenance
from sparkle.builders.release.sample import SCORES
from sparkle.builders.release.tables import MEASURE_COLUMNS, SCORE_COLUMNS
from sparkle.hub.diff.theme import Table
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import theme_of
from sparkle.schemas.layout import Kind
from sparkle.schemas.rules import ASKED

Fields = dict[str, Any]
Limits = Mapping[str, tuple[float | None, float | None]]  # column -> the least and the most that is kept

# Step -> number of its record -> what the page calls it: the columns of a release, and three of a run.
NUMBERS: Mapping[str, Mapping[str, str]] = {
    "flow": {"short": "camera_short", "long": "camera_long"},
    "track": {"coverage": "mask_coverage"},
    "measure": {name: name for name in MEASURE_COLUMNS},
    **{step: {"overall": f"{name}_score"} for step, name in SCORES.items()},
}

_NUMBERS = (*SCORE_COLUMNS, *MEASURE_COLUMNS)
_FACTS = ("prompt", "subtheme", "scene", "licence", "source_sha256", *_NUMBERS)
_IMAGE_SCORES = ("edited_frame0", "foreground_removed")
_RECORD = (
    "task",
    "original_scene",
    "round1_objects",
    "frame_objects",
    *(f"{name}_{word}_reasoning" for name in _IMAGE_SCORES for word in ("SC", "PQ")),
    "frame_indices",
    "frame_scores",
)


class ReleaseRows:
    """The samples of a release that a page shows, by theme and id.

    Attributes:
        name: What to call the release.
        ids: The ids of the samples.
        read: Gives the bytes of an artifact; raises as `Source.read` does.

    Args:
        where: A release's folder, an index's folder, or `owner/name[@revision]` of either on a Hub.
        themes: The themes; none given is all.
        ids: The samples to choose from; None is all.
        limit: How many samples of each theme; None is all.

    Raises:
        ReleaseError: `where` cannot be read, has no such theme or id, or nothing is to be shown.
    """

    def __init__(
        self,
        where: str,
        themes: Sequence[str] = (),
        ids: Collection[str] | None = None,
        limit: int | None = None,
    ) -> None:
        self._catalog = open_catalog(where)
        self.name = self._catalog.name
        chosen = open_pairs(self._catalog, themes or None, kinds=(), ids=ids)
        self._pairs = chosen.take(drawn(chosen.ids, limit))
        self.ids: Sequence[str] = list(self._pairs.ids)
        self.read = open_source(self._catalog).read
        self._records: dict[str, Table | None] = {}
        if not self.ids:
            raise ReleaseError("there is no sample to show", where=self.name)

    def artifacts(self, row: int, kinds: Sequence[Kind]) -> dict[Kind, Artifact]:
        """Where the artifacts of a sample are; kinds that it does not have are left out."""
        there = (kind for kind in kinds if self._there[kind.name][row])
        return {kind: self._pairs.artifact(row, kind) for kind in there}

    def facts(self, row: int) -> Fields:
        """What the table of pairs says of a sample; what is null is left out."""
        return {name: value for name, values in self._facts.items() if (value := values[row]) is not None}

    def details(self, rows: range) -> dict[str, Fields]:
        """Id -> boxes and reasonings; what is null is left out, as is a sample without any."""
        found: dict[str, Fields] = {}
        for theme, ids in groupby(self.ids[rows.start : rows.stop], theme_of):
            found |= self._theme_details(theme, list(ids))
        return found

    @cached_property
    def limits(self) -> Limits:
        """What a sample needed; empty where nothing is recorded."""
        file = find(self._catalog.tables, layout.PROVENANCE)
        if file is None:
            return {}
        return limits_of([run["config"]["thresholds"] for run in read_provenance(file).document["runs"]])

    @cached_property
    def _facts(self) -> Mapping[str, list[Any]]:
        return {name: self._pairs.column(name).to_pylist() for name in _FACTS}

    @cached_property
    def _there(self) -> Mapping[str, list[bool]]:
        return {
            kind.name: self._pairs.column(f"{kind.name}_size").is_valid().to_pylist() for kind in layout.KINDS
        }

    def _theme_details(self, theme: str, ids: Sequence[str]) -> dict[str, Fields]:
        if theme not in self._records:
            path = layout.records_parquet(theme)
            file = find(self._catalog.tables, path)
            name = f"{self.name} {path}"
            self._records[theme] = None if file is None else Table([file], name)
        table = self._records[theme]
        if table is None:
            return {}
        known = np.asarray(table.ids.to_numpy())
        positions = np.searchsorted(known, np.array(ids, object))
        rows = [at for at, one in zip(positions.tolist(), ids, strict=True) if known[at : at + 1] == [one]]
        if not rows:
            return {}
        taken = table.take(np.array(rows, np.int64), _RECORD).to_pylist()
        return {record.pop("task"): told(record) for record in taken}


def drawn(ids: Sequence[str], limit: int | None) -> list[int]:
    """The rows of some samples of each theme, in the order of rows."""
    named = list(enumerate(ids))
    if limit is None:
        return [row for row, _ in named]
    found: list[int] = []
    for _, rows in groupby(named, lambda item: theme_of(item[1])):
        lots = sorted(rows, key=lambda item: sha256_bytes(item[1].encode()))
        found += sorted(row for row, _ in lots[:limit])
    return found


def limits_of(runs: Sequence[Mapping[str, float]]) -> Limits:
    """What a sample of several runs needed, by their loosest thresholds; a least of 0 asks nothing."""
    found = {}
    for step, numbers in ASKED.items():
        for number, (least, most) in numbers.items():
            low = min((run[least] for run in runs if least in run), default=None) if least else None
            high = max((run[most] for run in runs if most in run), default=None) if most else None
            if low or high:
                found[NUMBERS[step][number]] = (low or None, high)
    return found


def told(record: Mapping[str, Any]) -> Fields:
    """A record as the page reads it: boxes as numbers and labels, reasonings by what they are about."""
    frames = zip(record["frame_indices"] or (), record["frame_scores"] or (), strict=False)
    found = {
        "original_scene": record["original_scene"],
        "round1": _boxes(record["round1_objects"]),
        "round2": [_boxes(objects) for objects in record["frame_objects"] or ()],
        "judged": {
            name: {word: record[f"{name}_{word}_reasoning"] for word in ("SC", "PQ")}
            for name in _IMAGE_SCORES
            if record[f"{name}_SC_reasoning"] or record[f"{name}_PQ_reasoning"]
        },
        "frames": [{"frame": index, **scores} for index, scores in frames],
    }
    return {name: value for name, value in found.items() if value}


def _boxes(objects: Sequence[Mapping[str, Any]] | None) -> list[Fields]:
    """Labelled boxes; an empty one abstains."""
    return [{"box": item["bbox_2d"] or [], "label": item["label"]} for item in objects or ()]
