"""A kept sample, and how its records are read again.

- What every table needs is kept in memory: prompt and scene, clip, scores, measures, hashes: a few kilobytes
  a sample.
- Judges' words and boxes of a full-size run are gigabytes. They stay in the run, and `read_records` streams
  those of a step, one line a sample: samples sorted by id read a finished run's files from front to back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from sparkle.builders.content import Content
from sparkle.builders.outcomes import record_reader
from sparkle.builders.run_folder import R, Run
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.errors import RecordError
from sparkle.schemas.layout import Kind

# Step -> the name of its score, which is also its threshold's; a table's column adds `_score`.
SCORES = {
    "edit_score": "edited_frame0",
    "remove_score": "foreground_removed",
    "video_score": "edited_video",
}
# Steps whose records are read from the run when they are asked for.
STREAMED = ("edit_score", "ground1", "remove_score", "ground2", "video_score")


@dataclass(frozen=True, slots=True)
class Words:
    """What a sample's text is made of: small enough to be sent to another process.

    Attributes:
        id: Its id.
        theme: The theme in its id.
        prompt: The instruction that it was made by.
        metadata: What the background was and becomes.
        folder: The run that it comes from.
        offsets: Byte offset of its outcome in the file of each of the `STREAMED` steps.
    """

    id: str
    theme: str
    prompt: str
    metadata: r.SceneMetadata
    folder: Path
    offsets: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sample:
    """A kept sample: what it is, what was made for it, and where its records stand.

    Attributes:
        id: Its id.
        run: The run that it comes from.
        candidate: What it was before any filter.
        source: The source file that it was made from.
        normalise: The normalised clip.
        compose: The instruction and its metadata.
        measure: The measures of the edited video.
        scores: 0 to 10, by the names of `SCORES`.
        artifacts: Content hash and size by the name of the kind.
        offsets: Byte offset of its outcome in the file of each of the `STREAMED` steps.
    """

    id: str
    run: Run
    candidate: r.Candidate
    source: r.SourceRecord
    normalise: r.NormaliseRecord
    compose: r.ComposeRecord
    measure: r.MeasureRecord
    scores: Mapping[str, float]
    artifacts: Mapping[str, r.ArtifactRef]
    offsets: Mapping[str, int]

    @property
    def theme(self) -> str:
        """The theme in its id."""
        return self.candidate.theme

    @property
    def prompt(self) -> str:
        """The instruction that it was made by."""
        return self.compose.prompt

    @property
    def words(self) -> Words:
        """What its text is made of."""
        metadata = self.compose.metadata
        return Words(self.id, self.theme, self.prompt, metadata, self.run.folder, self.offsets)

    @property
    def subtheme(self) -> str | None:
        """What stands before the colon of its keyword; None where the prompt was free."""
        keyword = self.compose.metadata.chosen_keyword
        return keyword and keyword.partition(": ")[0]

    @property
    def scene(self) -> str | None:
        """What stands after the colon of its keyword; None where the prompt was free."""
        keyword = self.compose.metadata.chosen_keyword
        return keyword and keyword.partition(": ")[2]

    def path(self, kind: Kind) -> Path:
        """Where an artifact's own file stands in the run; `content` also finds it in a tar."""
        return self.run.folder / kind.path(self.id)

    def content(self, kind: Kind) -> Content:
        """Where an artifact's data is: its own file, or a tar that holds it for the run."""
        path, name, ref = self.path(kind), kind.member(self.id), self.artifacts[kind.name]
        held = self.run.reclaimed.find(kind, self.id, ref)
        if held is None or path.exists():
            return Content(name, path, ref)
        return Content(name, self.run.reclaimed.path(held.shard), ref, held.offset)


def read_records(found: Iterable[Words], step: str, kind: type[R]) -> Iterator[R]:
    """The records of one of the `STREAMED` steps, one a sample, in their order.

    Raises:
        RecordError: a run's file has changed since it was replayed.
    """
    read = record_reader(step)
    with ExitStack() as stack:
        files: dict[Path, BinaryIO] = {}
        for words in found:
            path = words.folder / layout.outcomes(step)
            file = files.get(path) or files.setdefault(path, stack.enter_context(path.open("rb")))
            file.seek(words.offsets[step])
            try:
                sample_id, record = read(file.readline())
            except msgspec.MsgspecError:
                sample_id, record = "another line", None
            if sample_id != words.id or not isinstance(record, kind):
                where = f"{path} {words.id}"
                raise RecordError("the run changed while it was read", got=sample_id, where=where)
            yield record
