"""Replay: what the CPU backend made is made again, byte for byte; what differs is named with numbers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from drawn_clips.synthetic import draw_clip
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.reading.folder import FolderPlace
from sparkle.generation.config import load_config
from sparkle.generation.run.driver import generate
from sparkle.generation.run.sources import ListedSource
from sparkle.hub.verify.levels import verify_release
from sparkle.hub.verify.report import (
    CONSISTENCY,
    INTEGRITY,
    NOT_PROVED,
    PROVED,
    REPLAY,
    LevelReport,
    VerifyOptions,
    VerifyReport,
)
from sparkle.hub.verify.verified import Verified, choose_samples
from sparkle.schemas import layout

pytestmark = pytest.mark.slow

COMPOSED, GIVEN = "Sparkle_location_000000", "Sparkle_season_000000"
PROMPT = "Change the season to winter: snow falls on a pine forest behind the subject."


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of two samples that were really made: one with a composed prompt, one with a given one."""
    folder = tmp_path_factory.mktemp("made")
    clip = folder / "clip.mp4"
    draw_clip(clip, seed=0, width=160, height=96, frames=9)
    listed = [ListedSource(str(clip), "location", None), ListedSource(str(clip), "season", PROMPT)]
    summary = generate(listed, folder / "run", load_config(None), workers=1, shard=(0, 1))
    assert summary.funnel["kept"] == 2
    return build_release([folder / "run"], folder / "release", ReleaseOptions(preview=1)).out


@pytest.fixture
def release(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "release"))


def replay(folder: Path, *levels: str, sample: int = 2) -> VerifyReport:
    options = VerifyOptions(levels=levels or (REPLAY,), sample=sample, workers=1)
    return verify_release(folder, options)


def change_provenance(folder: Path, change: Callable[[dict], None]) -> None:
    path = folder / layout.PROVENANCE
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def level(report: VerifyReport) -> LevelReport:
    return report.levels[-1]


def test_samples_are_made_again_byte_for_byte(made: Path) -> None:
    found = level(replay(made))
    assert found.findings == []
    assert found.status == PROVED
    assert found.samples == 2
    assert found.claim.startswith("16 of 16 steps, run again on 2 samples")
    assert found.notes == ["the prompts of 1 samples were taken as given, not composed"]


def test_a_swapped_pair_that_everything_else_agrees_with_is_found(
    release: Path, rehash: Callable[[Path], None], change_cell: Callable[[Path, int, str, object], None]
) -> None:
    """The edited video of another sample, with its table, loose file and manifest written to fit."""
    tars = {theme: release / f"{theme}_edited_video_part00.tar" for theme in ("location", "season")}
    loose = {
        theme: release / layout.EDITED_VIDEO.path(f"Sparkle_{theme}_000000")
        for theme in ("location", "season")
    }
    swapped = [loose[theme].read_bytes() for theme in ("season", "location")]
    for (theme, tar), data in zip(tars.items(), swapped, strict=True):
        _write_tar(tar, layout.EDITED_VIDEO.member(f"Sparkle_{theme}_000000"), data)
        loose[theme].unlink()
        loose[theme].write_bytes(data)
        table = release / layout.data_parquet(theme, 0, 1)
        change_cell(table, 0, "edited_video_size", len(data))
        change_cell(table, 0, "edited_video_sha256", _sha256(data))
    rehash(release)
    report = replay(release, INTEGRITY, CONSISTENCY, REPLAY)
    assert [item.findings for item in report.levels[:2]] == [[], []]
    said = {finding.file: finding for finding in level(report).findings}
    for theme in ("location", "season"):
        finding = said[f"{theme}_edited_video_part00.tar"]
        assert "step synthesize (stage 5) is the first" in finding.problem
        assert finding.pointer == f"Sparkle_{theme}_000000 edited_video"
        assert "PSNR" in (finding.got or "")


def test_a_score_that_was_made_up_is_found_with_both_numbers(release: Path) -> None:
    path = release / layout.record_file("location", "edit_score")
    line = json.loads(path.read_text("utf-8"))
    true = line["editscore"]["overall"]
    line["editscore"]["overall"] = 9.99
    path.write_text(json.dumps(line) + "\n", "utf-8")
    [finding] = level(replay(release)).findings
    assert "step edit_score (stage 2)" in finding.problem
    assert finding.file == layout.record_file("location", "edit_score")
    assert (finding.pointer, finding.got, finding.wanted) == (f"{COMPOSED} /overall", str(true), "9.99")


def test_words_of_the_scorer_that_were_made_up_are_found(release: Path) -> None:
    path = release / layout.record_file("location", "video_score")
    line = json.loads(path.read_text("utf-8"))
    line["editscore"][2]["SC_raw_output"] = '{"score": [25, 25]}'
    path.write_text(json.dumps(line) + "\n", "utf-8")
    [finding] = level(replay(release)).findings
    assert finding.pointer == f"{COMPOSED} /editscore/2/SC_raw_output"


def test_a_flipped_bit_in_a_preview_is_found(
    release: Path, change_cell: Callable[[Path, int, str, object], None]
) -> None:
    """Of the last frame, where it may change no pixel."""
    path = release / layout.data_parquet("season", 0, 1)
    preview = pq.read_table(path)["preview"][0].as_py()
    data = bytearray(preview["bytes"])
    data[-3] ^= 4
    change_cell(path, 0, "preview", {**preview, "bytes": bytes(data)})
    [finding] = level(replay(release)).findings
    assert (finding.file, finding.pointer) == (layout.data_parquet("season", 0, 1), "/rows/0/preview")


def test_a_preview_of_another_pair_is_found_by_other_versions_too(
    release: Path, change_cell: Callable[[Path, int, str, object], None]
) -> None:
    path, other = (release / layout.data_parquet(theme, 0, 1) for theme in ("location", "season"))
    change_cell(path, 0, "preview", pq.read_table(other)["preview"][0].as_py())
    change_provenance(release, lambda document: document["packages"].update(x264="1"))
    [finding] = level(replay(release)).findings
    assert finding.problem == "the preview shows something else than its pair"


def test_previews_of_other_versions_need_only_show_their_pairs(release: Path) -> None:
    change_provenance(release, lambda document: document["packages"].update(x264="1"))
    assert level(replay(release)).findings == []


def test_a_model_that_the_configuration_does_not_mean_is_found(release: Path) -> None:
    change_provenance(release, lambda document: document["runs"][0]["models"][1].update(model="Qwen3-VL"))
    [finding] = level(replay(release, sample=1)).findings
    assert (finding.file, finding.pointer) == (layout.PROVENANCE, "/runs/0/models/1/model")
    assert finding.got == "Qwen3-VL"


def test_another_seed_in_the_provenance_is_named_at_the_first_step_that_draws(release: Path) -> None:
    change_provenance(release, lambda document: document["runs"][0]["config"].update(seed=7))
    findings = level(replay(release)).findings
    by_sample = {
        sample: [found for found in findings if sample in found.pointer] for sample in (COMPOSED, GIVEN)
    }
    # The composed prompt is no longer composed; taken as given it stays, and the scene is another.
    for found in by_sample.values():
        assert any("step edit (stage 2)" in finding.problem for finding in found)
        assert any("PSNR" in (finding.got or "") for finding in found)


def test_the_configuration_of_any_of_several_runs_will_do(release: Path) -> None:
    def add(document: dict) -> None:
        other = json.loads(json.dumps(document["runs"][0]))
        other["config"]["seed"] = 7
        document["runs"].insert(0, other)

    change_provenance(release, add)
    assert level(replay(release, sample=1)).findings == []


def test_other_versions_are_told_and_compared_by_bands(release: Path) -> None:
    change_provenance(release, lambda document: document["runs"][0]["packages"].update(numpy="1.0"))
    found = level(replay(release, sample=1))
    assert found.findings == []
    assert any(note.startswith("numpy is ") and note.endswith("made with 1.0") for note in found.notes)


def test_another_processor_stays_within_the_bands(made: Path) -> None:
    """OpenCV without its widest instructions, as on an older processor, in a process of its own."""
    code = (
        "import sys, json; from sparkle.hub.verify.levels import verify_release\n"
        "from sparkle.hub.verify.report import VerifyOptions\n"
        "options = VerifyOptions(levels=('replay',), sample=2, workers=1)\n"
        "print(json.dumps(verify_release(sys.argv[1], options).to_json()))"
    )
    environment = {**os.environ, "OPENCV_CPU_DISABLE": "AVX,AVX2,FP16,FMA3,AVX512-SKX"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(made)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    [said] = json.loads(done.stdout.splitlines()[-1])["levels"]
    assert said["findings"] == 0
    assert any("opencv-instructions" in note for note in said["notes"])


def test_a_backend_that_is_not_here_leaves_the_other_steps_proved(release: Path) -> None:
    def use_a_gpu(document: dict) -> None:
        document["runs"][0]["config"]["backends"]["image_editor"] = {"name": "no-such-editor"}

    change_provenance(release, use_a_gpu)
    found = level(replay(release))
    assert found.findings == []
    assert found.claim.startswith("14 of 16 steps")
    assert {note.split(" was")[0] for note in found.notes if "not tried" in note} == {
        "step edit",
        "step remove",
    }


def test_an_import_has_nothing_to_replay(release: Path) -> None:
    change_provenance(
        release,
        lambda document: document.update(runs=[], imported={"tars": 1, "loose": 0, "findings": {}}),
    )
    found = level(replay(release))
    assert found.status == NOT_PROVED
    assert "imported" in (found.missing or "")


def test_a_broken_artifact_is_not_replayed_and_said(release: Path, flip: Callable[[Path, int], None]) -> None:
    tar = "location_edited_video_part00.tar"
    flip(release / tar, 700)
    [finding] = level(replay(release, sample=2)).findings
    assert (finding.file, finding.pointer) == (tar, layout.EDITED_VIDEO.member(COMPOSED))


def test_the_choice_of_samples_follows_from_the_seed(whole: Path, tmp_path: Path) -> None:
    release = Verified(FolderPlace(whole), tmp_path)
    assert choose_samples(release, 3, 0) == choose_samples(release, 3, 0)
    assert set(choose_samples(release, 3, 0)) < set(choose_samples(release, 5, 0))
    assert len({tuple(choose_samples(release, 3, seed)) for seed in range(8)}) > 1
    assert len(choose_samples(release, 100, 0)) == 8


def _write_tar(path: Path, name: str, data: bytes) -> None:
    from sparkle.builders.release.tar import header

    path.write_bytes(header(name, len(data)) + data + bytes(-len(data) % 512) + bytes(1024))


def _sha256(data: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(data).digest()
