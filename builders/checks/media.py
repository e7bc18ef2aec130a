"""What only decoding tells: whether every frame is there, and whether anything happens in it.

- A sample's artifacts are taken out of their tars into a temporary folder and decoded in a worker.
- Videos decode to their end, fit each other and the sample's row, and are neither frozen nor black; images
  decode and fit; masks unpack to the shape of their video, with a subject on every frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparkle._files import BLOCK_BYTES
from sparkle._scratch import scratch_folder
from sparkle.builders.checks.failures import caught
from sparkle.builders.checks.members import SHAPE
from sparkle.builders.checks.rows import Keys, Numbers, SampleRows, make_rows
from sparkle.builders.checks.tables import NO_NUMBER, SIDES
from sparkle.builders.checks.tars import compare_shapes
from sparkle.builders.checks.theme import TABLE, Theme
from sparkle.media.probe import Shape
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import MediaError
from sparkle.schemas.ids import parse_id
from sparkle.schemas.layout import Kind
from sparkle.schemas.validate import Finding

NONE, SAMPLE, ALL = "none", "sample", "all"
SAMPLED = 20  # samples of a theme, spread over its ids; some ten seconds of decoding on two processors

_SMALL = (160, 90)  # pixels (width, height) that frames are compared at: averaging hides the codec's noise
# Levels of 255 of luma or chroma by which the most changed pixel of a frozen video differs from its first
# frame: a still of a shared clip has 3 at crf 20, with film grain too, and 5 at crf 28; the least lively of
# the shared clips themselves has 88.
_FROZEN = 8.0
# Levels of luma of the brightest pixel of a black video: black is 16 in limited range; the darkest of the
# shared clips has 190.
_BLACK = 24.0

_Small = npt.NDArray[np.float32]  # (3, 90, 160): luma and chroma
_LIVELY = (layout.SOURCE_VIDEO, layout.EDITED_VIDEO, layout.BACKGROUND_VIDEO)


@dataclass(frozen=True)
class MediaJob:
    """Decodes the artifacts of a sample.

    Attributes:
        folder: The release.
        artifacts: What is there of it.
        fps: Frames a second that its videos may have.
        told: Frames, width and height of the source video in the sample's row; None where it has none.
    """

    folder: Path
    artifacts: tuple[Artifact, ...]
    fps: frozenset[float]
    told: tuple[float, ...] | None = None

    @property
    def file(self) -> str:
        """The file with the first of them."""
        return self.artifacts[0].file

    def __call__(self) -> list[Finding]:
        """Decode them; returns what is wrong."""
        looker = _Looker(self)
        with scratch_folder() as folder:
            for artifact in self.artifacts:
                with caught(looker.findings.append, artifact.file, artifact.member):
                    looker.look(artifact, extract(self.folder, artifact, folder))
        looker.compare()
        return looker.findings


def media_jobs(theme: Theme, media: str) -> list[MediaJob]:
    """The samples to decode: none, some that are spread over the theme, or all."""
    source = theme.rows.get(layout.SOURCE_VIDEO.name)
    if media == NONE or source is None:
        return []
    keys = np.unique(source.keys)
    keys = spread(keys) if media == SAMPLE else keys
    jobs = []
    for key, told in zip(keys.tolist(), _told(theme, keys), strict=True):
        artifacts = [artifact_of(rows, key) for rows in theme.artifacts]
        jobs.append(MediaJob(theme.folder, tuple(filter(None, artifacts)), theme.fps, told))
    return jobs


def _told(theme: Theme, keys: Keys) -> list[tuple[float, ...] | None]:
    """What rows say of source videos; None where one is missing or says nothing."""
    table = theme.rows.get(TABLE)
    if table is None:
        return [None] * len(keys)
    columns = (table.values(side, keys, NO_NUMBER).tolist() for side in SIDES)
    return [None if NO_NUMBER in row else row for row in zip(*columns, strict=True)]


def spread(values: Numbers) -> Numbers:
    """Return at most `SAMPLED` of some numbers, spread over them."""
    if len(values) <= SAMPLED:
        return values
    return values[np.linspace(0, len(values) - 1, SAMPLED).round().astype(np.int64)]


def artifact_of(rows: SampleRows, key: int) -> Artifact | None:
    """Return where a sample's artifact lies, by its key; None where there is none of the kind."""
    (row,) = rows.finder.rows(np.array([key])).tolist()
    if row < 0 or rows.kind is None:
        return None
    offset, size = (int(rows.columns[name][row]) for name in ("offset", "size"))
    return Artifact(rows.id(row), rows.kind, rows.at(row)[0], offset, size, None)


def extract(folder: Path, artifact: Artifact, target: Path) -> Path:
    """An artifact as a file of its own; a tar that ends early gives a file that is cut."""
    path = target / f"{artifact.kind.name}{artifact.kind.suffix}"
    left = artifact.size
    with (folder / artifact.file).open("rb") as tar, path.open("wb") as file:
        tar.seek(artifact.offset)
        while left and (block := tar.read(min(BLOCK_BYTES, left))):
            file.write(block)
            left -= len(block)
    return path


@dataclass
class _Looker:
    """Decodes what there is of a sample, and compares it."""

    job: MediaJob
    findings: list[Finding] = field(default_factory=list)
    clips: dict[Kind, tuple[Artifact, Shape]] = field(default_factory=dict)

    def look(self, artifact: Artifact, path: Path) -> None:
        """Decode an artifact."""
        kind = artifact.kind
        decode: dict[str, Callable[[Path], tuple[Shape, str | None]]] = {
            ".mp4": _look_at_lively if kind in _LIVELY else _look_at_video,
            ".png": _look_at_image,
            ".npz": _look_at_mask,
        }
        try:
            clip, problem = decode[kind.suffix](path)
        except MediaError as error:
            got = None if error.got is None else error.got.replace(str(path.parent), "")
            self._note(artifact, error.problem, got, error.wanted)
            return
        self.clips[kind] = artifact, clip
        if problem is not None:
            self._note(artifact, problem)

    def compare(self) -> None:
        """Compare everything with the source video, and that with the sample's row."""
        dtype = [(name, np.float64) for name in SHAPE]
        found = []
        for kind, (artifact, clip) in self.clips.items():
            theme, index = parse_id(artifact.id)
            known = [value or np.nan for value in clip]
            found.append(make_rows(theme, artifact.file, [(index, *known)], dtype, kind=kind))
        self.findings += compare_shapes(found, self.job.fps)
        source, told = self.clips.get(layout.SOURCE_VIDEO), self.job.told
        if source is not None and told is not None and source[1][:3] != told:
            got, wanted = ("{:g} frames of {:g}x{:g}".format(*shape) for shape in (source[1][:3], told))
            self._note(source[0], "not what the sample's row says", got, wanted)

    def _note(
        self, artifact: Artifact, problem: str, got: str | None = None, wanted: str | None = None
    ) -> None:
        self.findings.append(Finding(artifact.file, 0, artifact.member, problem, got, wanted))


def _look_at_lively(path: Path) -> tuple[Shape, str | None]:
    """A video in which something must happen."""
    first: _Small | None = None
    change, brightest = 0.0, 0.0

    def watch(small: _Small) -> None:
        nonlocal first, change, brightest
        first = small if first is None else first
        change = max(change, float(np.abs(small - first).max()))
        brightest = max(brightest, float(small[0].max()))

    clip = _decode(path, watch)
    if brightest < _BLACK:
        return clip, "the video is black"
    return clip, "the video is frozen" if change < _FROZEN and clip.frames > 1 else None


def _look_at_video(path: Path) -> tuple[Shape, str | None]:
    return _decode(path, lambda small: None), None


def _look_at_image(path: Path) -> tuple[Shape, str | None]:
    from sparkle.media.images import read_png

    height, width = read_png(path).shape[:2]
    return Shape(1, width, height), None


def _look_at_mask(path: Path) -> tuple[Shape, str | None]:
    from sparkle.media.mask import empty_frames

    (frames, height, width), empty = empty_frames(path)
    return Shape(frames, width, height), f"the mask is empty on {empty} frames" if empty else None


def _decode(path: Path, watch: Callable[[_Small], None]) -> Shape:
    """Decode a video to its end; `watch` sees each frame small."""
    from sparkle.media.container import open_video
    from sparkle.media.decode import upright_size
    from sparkle.media.timing import worst_offset_of

    width = height = 0
    times: list[Fraction | None] = []
    with open_video(path) as video:
        for time, frame in video.timed_frames():
            width, height = upright_size(frame)
            small = frame.reformat(*_SMALL, format="yuv444p", interpolation="AREA").to_ndarray()
            watch(small.astype(np.float32))
            times.append(time)
        rate = float(video.rate)  # asked while it is open
    return Shape(len(times), width, height, rate, worst_offset_of(times))
