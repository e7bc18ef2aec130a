"""A kept sample: what every table needs of it is in memory, a few kilobytes per sample.

Judges' words and boxes of a full-size run are gigabytes: they stay in the run, and `offsets` says where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sparkle._run_folder import Reclaimed
from sparkle.schemas import records as r
from sparkle.schemas.artifact import Artifact
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
class SampleText:
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
        folder: The run that it comes from.
        reclaimed: Which artifacts of that run are in tars.
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
    folder: Path
    reclaimed: Reclaimed
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
    def text(self) -> SampleText:
        """What its text is made of."""
        metadata = self.compose.metadata
        return SampleText(self.id, self.theme, self.prompt, metadata, self.folder, self.offsets)

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
        """Where an artifact's own file stands in the run; `artifact` also finds it in a tar."""
        return self.folder / kind.path(self.id)

    def artifact(self, kind: Kind) -> Artifact:
        """Where an artifact's data is on this machine: its own file, or a tar that holds it for the run."""
        return locate(self.id, kind, self.artifacts[kind.name], self.folder, self.reclaimed)


def locate(sample_id: str, kind: Kind, ref: r.ArtifactRef, folder: Path, reclaimed: Reclaimed) -> Artifact:
    """Return where an artifact of a run is: its own file, or a tar that holds it for the run."""
    path = folder / kind.path(sample_id)
    held = reclaimed.find(kind, sample_id, ref)
    if held is None or path.exists():
        return Artifact(sample_id, kind, str(path), 0, ref.size, bytes.fromhex(ref.sha256))
    return replace(held, file=str(folder / held.file))
