"""From the command line: a short clip through all of the paper's models, real classes with tiny weights.

- No backend is classical but `flow`: RAFT needs torchvision, whose wheels must fit torch's (see `test_raft`).
- The VLM is an endpoint that answers well, since random weights answer nonsense; the scorer's model knows one
  answer and gives it to everything.
- Thresholds are the paper's (the default): random weights make noise, and its scores are that one answer.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from drawn_clips.synthetic import draw_clip
from harness.endpoint import LocalEndpoint
from sparkle.media.decode import decode, iter_frames
from sparkle.media.frames import anchor_indices, score_indices
from sparkle.media.images import read_png
from sparkle.media.mask import load_mask
from sparkle.media.probe import probe
from sparkle.schemas import layout
from sparkle.schemas import records as r
from sparkle.schemas.load import load
from sparkle.schemas.stages import STEP_NAMES

pytestmark = pytest.mark.slow

EXTRAS = {
    "openai": "needs the extra vlm: pip install 'sparkle-dataset[vlm]'",
    **dict.fromkeys(
        ("torch", "diffusers", "transformers", "accelerate", "peft", "ftfy", "json_repair"),
        "needs the extra gpu: pip install 'sparkle-dataset[gpu]'",
    ),
    "editscore": "needs: pip install --no-deps editscore==0.2",
}
for package, reason in EXTRAS.items():
    if importlib.util.find_spec(package) is None:
        pytest.skip(reason, allow_module_level=True)

WIDTH, HEIGHT, FRAMES, FPS = 200, 120, 17, 16  # sides that are no multiples of 16
DRAWN_FPS, DRAWN_FRAMES = 24, 26  # as long at another rate: the clip is brought to 16 fps
SAMPLE = "Sparkle_location_000000"
SCORES = json.dumps({"reasoning": "It fits.", "score": [24, 22]})
SEEN = json.dumps({"reasoning": "The wall keeps its place.", "fixed": True})
SERVED = "c0ffee" * 6 + "1234"


def write_config(path: Path, backends: dict[str, dict], seed: int = 11) -> Path:
    lines = ['name = "all-tiny"', f"seed = {seed}"]
    for capability, table in backends.items():
        lines += [f"[backends.{capability}]", *(f"{key} = {json.dumps(table[key])}" for key in table)]
    path.write_text("\n".join(lines) + "\n")
    return path


def sparkle(*words: object, cache: Path | None = None) -> str:
    own = {} if cache is None else {"SPARKLE_CACHE": str(cache)}
    result = subprocess.run(
        [sys.executable, "-m", "sparkle", *map(str, words)],
        env={**os.environ, "NO_PROXY": "127.0.0.1", "OMP_NUM_THREADS": "1", **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def generate(sources: Path, out: Path, config: Path) -> dict:
    """A run with a cache of its own, so that the VLM is asked each time."""
    words = ("--sources", sources, "--out", out, "--config", config, "--workers", 1, "--json")
    return json.loads(sparkle("generate", *words, cache=out.with_name(f"{out.name}-cache")))


def outcome(run: Path, step: str) -> dict:
    (line,) = (run / layout.outcomes(step)).read_text("utf-8").splitlines()
    return json.loads(line)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    draw_clip(folder / "clip.mp4", seed=0, width=WIDTH, height=HEIGHT, frames=DRAWN_FRAMES, fps=DRAWN_FPS)
    return folder


@pytest.fixture(scope="module")
def endpoint():
    server = LocalEndpoint()
    yield server
    server.close()


@pytest.fixture(scope="module")
def backends(build_diffusion, build_sam3, build_qwen3_vl, endpoint):
    """Every capability's table."""
    shared = {"device": "cpu", "dtype": "float32"}
    few = {**shared, "steps": 2}  # with guidance: every part of the models works
    wan = str(build_diffusion("wan22_i2v"))
    fun = str(build_diffusion("fun_control", published=True))
    return {
        "flow": {"name": "classical"},
        "vlm": {"name": "openai", "model": "qwen3-vl", "revision": SERVED, "base_url": endpoint.url},
        "image_editor": {"name": "flux2-klein", "model": str(build_diffusion("flux2_klein")), **shared},
        "image_scorer": {
            "name": "editscore",
            "model": str(build_qwen3_vl(says=SCORES)),
            "passes": 1,
            **shared,
        },
        "image_to_video": {"name": "wan22-i2v", "model": wan, **few},
        "tracker": {"name": "sam3", "model": str(build_sam3()), **shared},
        "control_to_video": {"name": "wan22-fun-control", "model": fun, "base": wan, **few},
    }


@dataclass(frozen=True)
class Run:
    """A run's folder and what the command said."""

    folder: Path
    said: dict

    def path(self, kind: layout.Kind) -> Path:
        return self.folder / kind.path(SAMPLE)

    def record(self, step: str) -> r.Record:
        return load(r.STEP_RECORDS[step], outcome(self.folder, step)["record"])


@pytest.fixture(scope="module")
def run(sources, backends, tmp_path_factory):
    folder = tmp_path_factory.mktemp("all-tiny")
    config = write_config(folder / "all-tiny.toml", backends)
    return Run(folder / "run", generate(sources, folder / "run", config))


def test_the_clip_is_kept_by_every_step(run):
    assert run.said["failures"] == []
    assert run.said["funnel"]["kept"] == 1
    for step in STEP_NAMES:
        assert outcome(run.folder, step)["status"] == r.KEPT, step


def test_every_video_has_the_clips_size_frames_and_rate(run):
    for kind in (layout.SOURCE_VIDEO, layout.BACKGROUND_VIDEO, layout.VIDEO_CANNY, layout.EDITED_VIDEO):
        found = probe(run.path(kind))
        assert (found.width, found.height, found.frames, found.fps) == (WIDTH, HEIGHT, FRAMES, FPS), kind
        frames = decode(run.path(kind))
        assert frames.shape == (FRAMES, HEIGHT, WIDTH, 3)
        assert frames.std() > 1
    made = run.record("normalise")
    assert (made.copied, made.source_frames, made.frames) == (False, DRAWN_FRAMES, FRAMES)


def test_every_picture_has_the_clips_size_and_is_another(run):
    pictures = [
        read_png(run.path(kind))
        for kind in (layout.SOURCE_FRAME0, layout.EDITED_FRAME0, layout.FOREGROUND_REMOVED)
    ]
    for picture in pictures:
        assert (picture.shape, picture.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    assert np.array_equal(pictures[0], next(iter_frames(run.path(layout.SOURCE_VIDEO))))
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


def test_masks_and_edges_cover_the_clip(run):
    masks = load_mask(run.path(layout.SOURCE_VIDEO_MASK))
    assert (masks.shape, masks.dtype) == ((FRAMES, HEIGHT, WIDTH), bool)
    assert masks.any(axis=(1, 2)).all()
    assert not masks.all()
    track = run.record("track")
    assert track.coverage == pytest.approx(masks.mean(), abs=1e-6)
    assert track.anchors + track.abstained == anchor_indices(FRAMES)
    edges = decode(run.path(layout.VIDEO_CANNY))
    assert np.array_equal(edges[..., 0], edges[..., 1])  # gray
    assert 0 < run.record("edges").density < 1


def test_records_are_those_of_the_models(run):
    labels = ("woman in brown coat", "brown wide-brimmed hat")  # what the endpoint says
    assert run.record("ground1").round1_labels == labels
    anchors = anchor_indices(FRAMES)
    spoken = run.record("ground2").frame_objects
    assert len(spoken) == len(anchors) > 1
    for objects in spoken:
        assert tuple(item.label for item in objects) == labels
        assert [bool(item.bbox_2d) for item in objects] == [True, False]
    for step in ("edit_score", "remove_score"):
        assert run.record(step) == r.ImageScore(9.6, 8.8, 8.8, 8.8, "It fits.", "It fits.")
    video = run.record("video_score")
    assert video.frame_indices == tuple(score_indices(FRAMES))
    assert video.editscore == (r.FrameScore(8.8, 8.8, 8.8, *["It fits."] * 2, *[SCORES] * 2),) * 4


def test_what_was_used_is_recorded(run, backends):
    recorded = tomllib.loads((run.folder / layout.RUN_CONFIG).read_text("utf-8"))
    models = {model["capability"]: model for model in recorded["models"]}
    assert models.keys() == backends.keys()
    for capability, table in backends.items():
        assert models[capability]["backend"] == table["name"]
        if Path(table.get("model", "")).is_absolute():
            assert Path(table["model"]).name in models[capability]["model"]
            assert "sha256:" in models[capability]["revision"]
    assert models["vlm"]["revision"] == SERVED


def test_a_release_of_it_is_valid_to_the_last_pixel(run, tmp_path):
    release = tmp_path / "release"
    sparkle("build", run.folder, "--out", release)
    sparkle("validate", release, "--media", "all")
    for kind in layout.KINDS:
        assert (release / kind.path(SAMPLE)).read_bytes() == run.path(kind).read_bytes()


def test_the_same_seed_gives_the_same_bytes(run, sources, endpoint, tmp_path):
    asked = len(endpoint.requests)
    again = tmp_path / "again"
    generate(sources, again, run.folder.with_name("all-tiny.toml"))
    assert len(endpoint.requests) == 2 * asked > 0
    files = {path.relative_to(run.folder) for path in run.folder.rglob("*") if path.is_file()}
    assert {path.relative_to(again) for path in again.rglob("*") if path.is_file()} == files
    assert len(files) > len(STEP_NAMES) + len(layout.KINDS)
    for path in sorted(files):
        assert (again / path).read_bytes() == (run.folder / path).read_bytes(), path


def test_another_seed_makes_other_pictures_of_the_same_clip(run, sources, backends, tmp_path):
    config = write_config(tmp_path / "other-seed.toml", backends, seed=12)
    other = Run(tmp_path / "run", generate(sources, tmp_path / "run", config))
    same = {kind for kind in layout.KINDS if other.path(kind).read_bytes() == run.path(kind).read_bytes()}
    assert same == {layout.SOURCE_VIDEO, layout.SOURCE_FRAME0, layout.SOURCE_VIDEO_MASK}  # SAM3 draws nothing


def test_a_vlm_in_process_does_the_job_whose_answer_it_knows(sources, backends, build_qwen3_vl, tmp_path):
    """Qwen3-VL whose one answer is the camera's: that step is kept, and the next job cannot read it."""
    known = {"name": "qwen3-vl", "model": str(build_qwen3_vl(says=SEEN)), "device": "cpu", "dtype": "float32"}
    config = write_config(tmp_path / "in-process.toml", {**backends, "vlm": known})
    generate(sources, tmp_path / "run", config)
    camera = outcome(tmp_path / "run", "camera")
    assert (camera["status"], camera["record"]) == (r.KEPT, json.loads(SEEN))
    compose = outcome(tmp_path / "run", "compose")
    assert (compose["status"], compose["error"]["kind"]) == (r.FAILED, "AnswerError")
    assert compose["error"]["got"] == SEEN
