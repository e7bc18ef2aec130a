"""What decoding tells: videos, images and masks on which everything agrees, and which are no pair."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sparkle.builders.checks.media import SAMPLED, MediaJob, media_jobs
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.builders.checks.rows import make_rows
from sparkle.builders.checks.theme import Theme
from sparkle.media.encode import Encoding, VideoWriter
from sparkle.media.images import write_png
from sparkle.media.mask import save_mask
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.layout import KIND_BY_NAME, KINDS, Kind
from sparkle.schemas.validate import Finding

ID = "Sparkle_location_000000"
FRAMES, HEIGHT, WIDTH = 9, 96, 128
Clip = npt.NDArray[np.uint8]


def moving(frames: int = FRAMES, width: int = WIDTH) -> Clip:
    """A small square that moves over a textured ground."""
    random = np.random.Generator(np.random.PCG64(1))
    clip = np.repeat(random.integers(60, 120, (1, HEIGHT, width, 3), np.uint8), frames, axis=0)
    for index, frame in enumerate(clip):
        frame[40:52, 4 + 4 * index : 16 + 4 * index] = 230
    return clip


def write(path: Path, clip: Clip, fps: int = 16) -> None:
    _, height, width, _ = clip.shape
    with VideoWriter(path, width=width, height=height, fps=fps, encoding=Encoding()) as writer:
        for frame in clip:
            writer.write(frame)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A folder with a good artifact of each kind, under the kind's name."""
    for kind in KINDS:
        path = tmp_path / f"{kind.name}{kind.suffix}"
        if kind.suffix == ".mp4":
            write(path, moving())
        elif kind.suffix == ".png":
            write_png(path, moving()[0])
        else:
            save_mask(path, moving()[..., 0] == 230)
    return tmp_path


def look(folder: Path, fps: float = 16.0) -> Iterator[tuple[str, str]]:
    """Yield kind and problem of what is found; each file stands for a tar of its own."""
    files = {kind.name: folder / f"{kind.name}{kind.suffix}" for kind in KINDS}
    artifacts = (
        Artifact(ID, KIND_BY_NAME[name], path.name, 0, path.stat().st_size, None)
        for name, path in files.items()
    )
    for finding in MediaJob(folder, tuple(artifacts), frozenset({fps}))():
        assert finding.pointer.endswith((".mp4", ".png", ".npz"))
        yield finding.file.partition(".")[0], finding.problem


def test_a_good_sample_has_no_findings(sample: Path) -> None:
    assert list(look(sample)) == []


@pytest.mark.parametrize(
    ("kind", "clip", "problem"),
    [
        (layout.EDITED_VIDEO, np.repeat(moving()[:1], FRAMES, axis=0), "the video is frozen"),
        (layout.BACKGROUND_VIDEO, np.repeat(moving()[:1], FRAMES, axis=0), "the video is frozen"),
        (layout.SOURCE_VIDEO, np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8), "the video is black"),
        (layout.EDITED_VIDEO, moving(5), "does not fit its source video"),
        (layout.EDITED_VIDEO, moving(width=112), "does not fit its source video"),
        (layout.BACKGROUND_VIDEO, moving(5), "does not fit its source video"),
        (layout.VIDEO_CANNY, moving(13), "does not fit its source video"),
    ],
)
def test_videos_that_are_no_pair_are_found(sample: Path, kind: Kind, clip: Clip, problem: str) -> None:
    write(sample / f"{kind.name}.mp4", clip)
    assert (kind.name, problem) in list(look(sample))


def test_a_background_may_be_longer_and_edges_may_rest(sample: Path) -> None:
    write(sample / f"{layout.BACKGROUND_VIDEO.name}.mp4", moving(13))
    write(sample / f"{layout.VIDEO_CANNY.name}.mp4", np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8))
    assert list(look(sample)) == []


def test_another_rate_and_another_number_of_frames_are_found(sample: Path) -> None:
    write(sample / f"{layout.SOURCE_VIDEO.name}.mp4", moving(8), fps=24)
    found = list(look(sample))
    assert (layout.SOURCE_VIDEO.name, "not the release's frames a second") in found
    assert (layout.SOURCE_VIDEO.name, "the number of frames is not 4k+1") in found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_cannot_be_decoded_is_found(sample: Path, kind: Kind) -> None:
    path = sample / f"{kind.name}{kind.suffix}"
    path.write_bytes(path.read_bytes()[:-40])
    assert [found for found, _ in look(sample)] == [kind.name]


def test_an_empty_mask_and_one_of_another_shape_are_found(sample: Path) -> None:
    path = sample / f"{layout.SOURCE_VIDEO_MASK.name}.npz"
    masks = moving()[..., 0] == 230
    masks[3] = False
    save_mask(path, masks)
    assert list(look(sample)) == [(layout.SOURCE_VIDEO_MASK.name, "the mask is empty on 1 frames")]
    save_mask(path, np.ones((FRAMES, HEIGHT // 2, WIDTH), np.bool_))
    assert list(look(sample)) == [(layout.SOURCE_VIDEO_MASK.name, "does not fit its source video")]


@pytest.mark.parametrize(("media", "count"), [("none", 0), ("sample", SAMPLED), ("all", 50)])
def test_a_sample_is_spread_over_the_theme(media: str, count: int) -> None:
    dtype = [("offset", np.int64), ("size", np.int64)]
    found = [(3 * number, 512, 9) for number in range(50)]
    rows = make_rows("location", "a.tar", found, dtype, kind=layout.SOURCE_VIDEO)
    theme = Theme(Path(), "location", frozenset(), rows={layout.SOURCE_VIDEO.name: rows})
    jobs = media_jobs(theme, media)
    assert len(jobs) == count
    assert {job.artifacts[0].id for job in jobs[:1] + jobs[-1:]} <= {ID, "Sparkle_location_000147"}


def test_artifacts_are_taken_out_of_their_tars(whole_release: Path, tmp_path: Path) -> None:
    """The tests' masks are of drawn squares, 9 frames of them: every video moves, every mask is full."""
    assert check_release(whole_release, options=CheckOptions(media="all")).findings == ()
    release = Path(shutil.copytree(whole_release, tmp_path / "release"))
    tar = release / layout.EDITED_VIDEO.shard("location", 0)
    data = bytearray(tar.read_bytes())
    start = data.index(b"mdat") - 4
    end = start + int.from_bytes(data[start : start + 4], "big")
    data[(start + end) // 2 : end] = bytes(end - (start + end) // 2)
    tar.write_bytes(data)
    pointers = {
        finding.pointer
        for finding in check_release(release, options=CheckOptions(contents=False, media="all")).findings
    }
    assert pointers == {layout.EDITED_VIDEO.member(ID)}
    assert isinstance(next(iter(check_release(release).findings)), Finding)
