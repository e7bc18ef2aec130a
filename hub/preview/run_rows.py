"""Which samples of a run a page shows, and what its steps recorded of them.

Samples that are not kept are shown as far as they came, so that thresholds can be chosen by looking at them.
Verdicts are taken from the records, as a build takes them. What was recorded of the samples that are shown is
held in memory, some 20 KB each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sparkle._files import read_records
from sparkle._run_folder import Reclaimed
from sparkle.builders.building.history import read_outcomes
from sparkle.builders.building.run import read_config
from sparkle.builders.reading.catalog import Catalog
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.reading.source import open_source
from sparkle.hub.preview.rows import NUMBERS, Fields, Limits, drawn, limits_of, told
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import ReleaseError, command
from sparkle.schemas.ids import THEMES
from sparkle.schemas.layout import Kind
from sparkle.schemas.load import load
from sparkle.schemas.rules import Thresholds, judge, video_score
from sparkle.schemas.stages import STEPS

_UNFINISHED = "unfinished"
T = TypeVar("T")


class RunRows:
    """The samples of a run, which may be unfinished: what `ReleaseRows` is for a release.

    Args:
        where: The run's folder.
        themes: The themes; none given is all.
        ids: The samples to choose from; None is all.
        limit: How many samples of each theme; None is all.

    Raises:
        RunError: the folder is no run that this version reads.
        RecordError: a line is bad; the error names file and line.
        ReleaseError: the run has no such id, or nothing is to be shown.
    """

    def __init__(
        self,
        where: str,
        themes: Sequence[str] = (),
        ids: Collection[str] | None = None,
        limit: int | None = None,
    ) -> None:
        run = Path(where)
        self.name = where
        self._thresholds = load(Thresholds, read_config(run / layout.RUN_CONFIG).get("thresholds", {}))
        self._candidates = {found.id: found for found in _lines(run / layout.CANDIDATES, r.Candidate)}
        self._sources = {found.sha256: found for found in _lines(run / layout.SOURCES, r.SourceRecord)}
        if unknown := sorted(set(ids or ()) - self._candidates.keys()):
            raise ReleaseError("the run has no such id", got=", ".join(unknown[:3]), where=where)
        wanted = self._candidates.keys() if ids is None else set(ids)
        chosen = [found for found in self._candidates.values() if found.id in wanted]
        named = sorted(
            (THEMES.index(found.theme), found.id) for found in chosen if not themes or found.theme in themes
        )
        every = [sample_id for _, sample_id in named]
        self.ids: Sequence[str] = [every[row] for row in drawn(every, limit)]
        if not self.ids:
            raise ReleaseError("there is no sample to show", where=where)
        self._outcomes = read_outcomes(run, set(self.ids))
        self._reclaimed = Reclaimed(run)
        place, remedy = FolderPlace(run), f"`sparkle generate ... {command('--out', run)}` makes it again"
        self.read = open_source(Catalog(where, place, place, {}, remedy)).read

    @property
    def limits(self) -> Limits:
        """What a sample needed."""
        return limits_of([plain(self._thresholds)])

    def artifacts(self, row: int, kinds: Sequence[Kind]) -> dict[Kind, Artifact]:
        """Where the artifacts of a sample are; kinds that were not made are left out."""
        sample_id = self.ids[row]
        refs: dict[str, r.ArtifactRef] = {}
        for info in STEPS:
            if (outcome := self._outcomes.get((info.name, sample_id))) is not None:
                refs |= outcome.artifacts
        return {kind: self._artifact(kind, sample_id, refs[kind.name]) for kind in kinds if kind.name in refs}

    def facts(self, row: int) -> Fields:
        """What was recorded of a sample, and where it `ended` unless it is kept."""
        candidate = self._candidates[self.ids[row]]
        source = self._sources.get(candidate.source)
        composed = self._record("compose", candidate.id)
        scene: str = composed.get("metadata", {}).get("chosen_keyword") or ""
        facts: Fields = {
            "prompt": composed.get("prompt", candidate.prompt),
            "subtheme": scene.partition(": ")[0] or None,
            "scene": scene.partition(": ")[2] or None,
            "licence": source and source.licence,
            "source_sha256": candidate.source,
            "source": source and Path(source.path).name,
            "ended": self._ended(candidate.id),
        }
        for step, numbers in NUMBERS.items():
            record = self._record(step, candidate.id)
            if step == "video_score" and record:
                record = {"overall": video_score(load(r.VideoScore, record))}
            facts |= {column: record.get(number) for number, column in numbers.items()}
        return {name: value for name, value in facts.items() if value is not None}

    def details(self, rows: range) -> dict[str, Fields]:
        """Id -> boxes and reasonings; a sample without any is left out."""
        found = {}
        for sample_id in self.ids[rows.start : rows.stop]:
            edited, removed = (self._record(step, sample_id) for step in ("edit_score", "remove_score"))
            video = self._record("video_score", sample_id)
            record = {
                "original_scene": self._record("compose", sample_id)
                .get("metadata", {})
                .get("original_scene"),
                "round1_objects": self._record("ground1", sample_id).get("round1_objects"),
                "frame_objects": self._record("ground2", sample_id).get("frame_objects"),
                "frame_indices": video.get("frame_indices"),
                "frame_scores": [
                    {name: value for name, value in frame.items() if not name.endswith("_raw_output")}
                    for frame in video.get("editscore", ())
                ],
            }
            for name, score in (("edited_frame0", edited), ("foreground_removed", removed)):
                record |= {
                    f"{name}_{word}_reasoning": score.get(f"{word}_reasoning") for word in ("SC", "PQ")
                }
            if said := told(record):
                found[sample_id] = said
        return found

    def _record(self, step: str, sample_id: str) -> Mapping[str, Any]:
        outcome = self._outcomes.get((step, sample_id))
        return (outcome and outcome.record) or {}

    def _artifact(self, kind: Kind, sample_id: str, ref: r.ArtifactRef) -> Artifact:
        held = self._reclaimed.find(kind, sample_id, ref)
        if held is None or (self._reclaimed.run / kind.path(sample_id)).exists():
            return Artifact(sample_id, kind, kind.path(sample_id), 0, ref.size, bytes.fromhex(ref.sha256))
        return held

    def _ended(self, sample_id: str) -> Fields | None:
        """Where a sample ended and why; None where it is kept."""
        for info in STEPS:
            outcome = self._outcomes.get((info.name, sample_id))
            if outcome is None:
                return {"status": _UNFINISHED, "step": info.name, "why": f"{info.name} comes next"}
            if outcome.error is not None:
                return {"status": r.FAILED, "step": info.name, "why": outcome.error["problem"]}
            record = load(r.STEP_RECORDS[info.name], outcome.record)
            if (why := judge(info.name, record, self._thresholds)) is not None:
                return {"status": r.REJECTED, "step": info.name, "why": why}
        return None


def _lines(path: Path, kind: type[T]) -> Iterator[T]:
    """Yield the records of a file of a run; none where it is not written yet."""
    if path.is_file():
        for _, record in read_records(path, kind):
            yield record
