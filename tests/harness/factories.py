"""Small finished run folders, written straight from the contract: no generation, real media.

- `write_run` writes what the specs say: each sample goes through every step with records that pass, is
  rejected where its record falls below the thresholds, or fails.
- Media are real and tiny: 64x48 H.264 of 9 frames, PNG, npz. Their pixels follow from the sample's id, so
  that no two samples share bytes and the same specs give the same run.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import tomli_w
from msgspec import structs

from harness.scenes import scene_frames
from sparkle._files import write_jsonl
from sparkle.media.frames import score_indices
from sparkle.media.look_alike import median_hash
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.canonical import dump_document, fingerprint, plain, sha256_bytes, sha256_file
from sparkle.schemas.ids import TAXONOMY_THEMES, edit_type, format_id, theme_of
from sparkle.schemas.layout import Kind
from sparkle.schemas.records import Record
from sparkle.schemas.rules import Thresholds, judge
from sparkle.schemas.stages import STEP_NAMES, STEPS, StepInfo

WIDTH, HEIGHT, FRAMES, FPS = 64, 48, 9, 16
PROBLEM = "the file ends early"  # what a failed sample's error says

_Frames = npt.NDArray[np.uint8]

# A record of each judged step that no thresholds of the tests let pass.
_BAD: dict[str, dict[str, Any]] = {
    "normalise": {"frames": 1},
    "flow": {"long": 9.0},
    "camera": {"fixed": False},
    "edit_score": {"overall": 1.0},
    "ground1": {"round1_labels": (), "round1_objects": ()},
    "remove_score": {"overall": 1.0},
    "ground2": {"frame_objects": ((r.GroundedObject((), "red square"),),)},
    "track": {"empty_frames": 3},
    "measure": {"background_motion": -1.0},
}


@dataclass(frozen=True)
class SampleSpec:
    """A sample of a run: what becomes of it, and what is said of it."""

    id: str
    rejected_at: str | None = None
    failed_at: str | None = None
    prompt: str | None = None
    scores: dict[str, float] = field(default_factory=dict)  # step -> score; 9.0 where not given
    scene: int | None = (
        None  # the seed of the scene that its source shows (`harness.scenes`); below 0 mirrored
    )
    keyword: str = "urban: rooftop overlooking skyline"


def specs(theme: str, count: int, *, first: int = 0, step: int = 3) -> list[SampleSpec]:
    """Samples that are kept, with sparse ids."""
    return [SampleSpec(format_id(theme, first + step * index)) for index in range(count)]


def write_run(
    folder: Path,
    samples: Sequence[SampleSpec],
    *,
    name: str = "tiny",
    backend: str = "classical",
    thresholds: Thresholds | None = None,
    judged_under: Thresholds | None = None,
    finished: bool = True,
) -> Path:
    """Write a run.

    Args:
        folder: Where it goes.
        samples: Its candidates.
        name: The configuration's name.
        backend: The name of every backend.
        thresholds: What run.toml says.
        judged_under: What the stored verdicts were taken under, where that differs.
        finished: Whether there is a funnel.
    """
    recorded = thresholds or Thresholds()
    folder.mkdir(parents=True)
    (folder / layout.RUN_CONFIG).write_bytes(tomli_w.dumps(_config(name, backend, recorded)).encode())
    candidates = [
        r.Candidate(spec.id, _source_hash(spec), theme_of(spec.id), spec.prompt) for spec in samples
    ]
    write_jsonl(folder / layout.CANDIDATES, candidates)
    pairs = zip(candidates, samples, strict=True)
    sources = {candidate.source: _source(candidate, spec) for candidate, spec in pairs}
    write_jsonl(folder / layout.SOURCES, sources.values())
    funnel, alive = [], sorted(samples, key=lambda spec: spec.id)
    for step in STEPS:
        outcomes = [_outcome(folder, step, spec, judged_under or recorded) for spec in alive]
        write_jsonl(folder / layout.outcomes(step.name), outcomes)
        funnel.append(_funnel_row(step.name, outcomes))
        kept = {outcome.id for outcome in outcomes if outcome.status == r.KEPT}
        alive = [spec for spec in alive if spec.id in kept]
    if finished:
        document = {"candidates": len(samples), "kept": len(alive), "steps": funnel}
        (folder / layout.FUNNEL).write_bytes(dump_document(document))
    return folder


def _config(name: str, backend: str, thresholds: Thresholds) -> dict[str, Any]:
    capabilities = (
        "flow",
        "vlm",
        "image_editor",
        "image_scorer",
        "image_to_video",
        "tracker",
        "control_to_video",
    )
    return {
        "format": "sparkle-run",
        "version": 1,
        "name": name,
        "seed": 0,
        "shard": {"index": 0, "count": 1},
        "source": {"fps": FPS, "max_frames": 81},
        "encoding": {"crf": 20, "preset": "veryfast"},
        "backends": {capability: {"name": backend} for capability in capabilities},
        "thresholds": plain(thresholds),
        "packages": {"numpy": np.__version__},
        "models": [
            {
                "capability": capability,
                "backend": backend,
                "model": f"drawn {capability}",
                "revision": "1",
                "note": "a square | on a ramp",
            }
            for capability in capabilities
        ],
    }


def _source_hash(spec: SampleSpec) -> str:
    return sha256_bytes((spec.id if spec.scene is None else f"scene {spec.scene}").encode())


def _source(candidate: r.Candidate, spec: SampleSpec) -> r.SourceRecord:
    return r.SourceRecord(
        sha256=candidate.source,
        path=f"{candidate.id}.mp4",
        bytes=1000,
        width=WIDTH,
        height=HEIGHT,
        frames=FRAMES,
        fps=float(FPS),
        median_hash=_scene_hash(spec.scene),
        licence="cc0-1.0",
    )


def _outcome(folder: Path, step: StepInfo, spec: SampleSpec, thresholds: Thresholds) -> r.AnyOutcome:
    mark = fingerprint([step.name, spec.id])
    if spec.failed_at == step.name:
        error = {"problem": PROBLEM}
        return r.AnyOutcome(id=spec.id, fingerprint=mark, status=r.FAILED, error=error, artifacts={})
    record = _RECORDS[step.name](spec)
    if spec.rejected_at == step.name:
        record = structs.replace(record, **_BAD[step.name])
    reason = judge(step.name, record, thresholds)
    artifacts = {kind.name: write_artifact(folder, kind, spec.id, spec.scene) for kind in step.makes}
    status = r.KEPT if reason is None else r.REJECTED
    return r.AnyOutcome(
        id=spec.id,
        fingerprint=mark,
        status=status,
        reason=reason,
        record=plain(record),
        artifacts=artifacts,
    )


def _funnel_row(step: str, outcomes: Sequence[r.AnyOutcome]) -> dict[str, Any]:
    rejected: dict[str, int] = {}
    for outcome in outcomes:
        if outcome.reason is not None:
            cause = outcome.reason.partition(":")[0]
            rejected[cause] = rejected.get(cause, 0) + 1
    failed = sum(outcome.status == r.FAILED for outcome in outcomes)
    return {
        "step": step,
        "in": len(outcomes),
        "kept": sum(outcome.status == r.KEPT for outcome in outcomes),
        "rejected": rejected,
        "failed": {PROBLEM: failed} if failed else {},
    }


# --- records ----------------------------------------------------------------------------------


def _compose(spec: SampleSpec) -> r.ComposeRecord:
    theme = theme_of(spec.id)
    keyword = spec.keyword if theme in TAXONOMY_THEMES else None
    metadata = r.SceneMetadata(
        edit_type=edit_type(theme), original_scene="A grey wall.", chosen_keyword=keyword
    )
    return r.ComposeRecord(spec.prompt or f"Put the square of {spec.id} on a rooftop.", metadata)


def _image_score(step: str) -> Callable[[SampleSpec], r.ImageScore]:
    def record(spec: SampleSpec) -> r.ImageScore:
        overall = spec.scores.get(step, 9.0)
        followed = min(10.0, overall + 0.25)
        words = ("The instruction is followed.", "It looks clean.")
        return r.ImageScore(followed, overall, overall, overall, *words)

    return record


def _video_score(spec: SampleSpec) -> r.VideoScore:
    score = spec.scores.get("video_score", 9.0)
    frame = r.FrameScore(score, score, score, "Followed.", "Clean.", '{"score": [9]}', '{"score": [8.5]}')
    return r.VideoScore(score_indices(FRAMES), (frame,) * 4)


def _normalise(spec: SampleSpec) -> r.NormaliseRecord:
    fps = float(FPS)
    return r.NormaliseRecord(WIDTH, HEIGHT, FRAMES, fps, True, WIDTH, HEIGHT, FRAMES, fps, 5)


_SQUARE = r.GroundedObject((250, 250, 600, 700), "red square")
_MADE = r.MadeRecord({"strength": 0.5})

_RECORDS: dict[str, Callable[[SampleSpec], Record]] = {
    "normalise": _normalise,
    "flow": lambda spec: r.FlowRecord(0.1, 0.05),
    "camera": lambda spec: r.CameraRecord(True, "Nothing moves but the square."),
    "compose": _compose,
    "edit": lambda spec: _MADE,
    "edit_score": _image_score("edit_score"),
    "ground1": lambda spec: r.Ground1Record(("red square",), (_SQUARE,)),
    "remove": lambda spec: _MADE,
    "remove_score": _image_score("remove_score"),
    "animate": lambda spec: _MADE,
    "ground2": lambda spec: r.Ground2Record(((_SQUARE,), (r.GroundedObject((), "red square"),))),
    "track": lambda spec: r.TrackRecord((0,), (8,), 0.15, 0),
    "edges": lambda spec: r.EdgesRecord(0.06, 120, 90),
    "synthesize": lambda spec: _MADE,
    "video_score": _video_score,
    "measure": lambda spec: r.MeasureRecord(
        1.5, 30.0, 0.01, 0.98, 120.0, 2.5, 0.1, "foliage, passers", "foliage"
    ),
}
assert tuple(_RECORDS) == STEP_NAMES

# --- media ------------------------------------------------------------------------------------


def write_artifact(folder: Path, kind: Kind, sample_id: str, scene: int | None = None) -> r.ArtifactRef:
    """Make an artifact of a sample; returns its hash and size."""
    path = folder / kind.path(sample_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind is layout.SOURCE_VIDEO and scene is not None:
        _write_mp4(path, _scene_frames(scene))
        return r.ArtifactRef(sha256_file(path), path.stat().st_size)
    frames = _draw(zlib.crc32(f"{kind.name} {sample_id}".encode()))
    if kind.suffix == ".mp4":
        _write_mp4(path, frames)
    elif kind.suffix == ".png":
        path.write_bytes(cv2.imencode(".png", frames[0])[1].tobytes())
    else:
        _write_mask(path, frames)
    return r.ArtifactRef(sha256_file(path), path.stat().st_size)


@cache
def _scene_hash(scene: int | None) -> str:
    if scene is None:
        return "5a" * 32
    with TemporaryDirectory() as folder:
        path = Path(folder, "scene.mp4")
        _write_mp4(path, _scene_frames(scene))
        return median_hash(path)


def _scene_frames(scene: int) -> _Frames:
    frames = scene_frames(abs(scene), FRAMES, WIDTH, HEIGHT)[..., ::-1]
    return np.ascontiguousarray(frames[:, :, ::-1] if scene < 0 else frames)


def _draw(number: int) -> _Frames:
    """A square that moves over a plain colour; uint8 (FRAMES, HEIGHT, WIDTH, 3)."""
    frames = np.empty((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    frames[:] = [number & 255, number >> 8 & 255, number >> 16 & 255]
    for index, frame in enumerate(frames):
        left = 4 + 3 * index + (number >> 24) % 16
        frame[16:32, left : left + 12] = (30, 30, 220)
    return frames


def _write_mp4(path: Path, frames: _Frames) -> None:
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "23", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="bgr24")
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def _write_mask(path: Path, frames: _Frames) -> None:
    inside = frames[..., 2] == 220
    np.savez_compressed(path, mask=np.packbits(inside), shape=np.array(inside.shape))
