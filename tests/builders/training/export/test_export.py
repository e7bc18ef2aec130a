"""Exports: what the trainers' own rules read is the release's; links, resumption, and what is left out."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner

from harness import factories, trainers
from harness.exports import read_back, spoil, tables
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.release.exported import EXPORT
from sparkle.builders.training.export import ExportChoice, export_pairs
from sparkle.builders.training.videos import HARD_LINKED, KEPT, LINKED, WRITTEN
from sparkle.builders.upstream.import_ import import_upstream
from sparkle.builders.upstream.indexing import index_upstream
from sparkle.commands.export import export as command
from sparkle.schemas.errors import ConfigError, ReleaseError
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO

LOCATION = [f"Sparkle_location_{index:06d}" for index in (0, 3, 6, 9, 12, 15)]
OPENVE3M = [f"Sparkle_openve3m_{index:06d}" for index in (0, 3, 6)]
Contents = Callable[[Path], dict[str, bytes]]


def decode(run: Path, sample_id: str) -> tuple[np.ndarray, np.ndarray]:
    """The source and the edited frames of a sample, from the run that the release was built of."""
    found = []
    for kind in (SOURCE_VIDEO, EDITED_VIDEO):
        with av.open(str(run / kind.path(sample_id))) as container:
            found.append(np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]))
    return found[0], found[1]


# --- what trainers read -----------------------------------------------------------------------


@pytest.mark.parametrize("trainer", ["kiwi", "diffsynth", "musubi"])
def test_trainers_read_the_pairs_of_the_release(
    shared_release: Path, shared_run: Path, tmp_path: Path, trainer: str
) -> None:
    out = tmp_path / "out"
    summary = export_pairs(shared_release, trainer, out)
    assert summary.pairs == summary.rows == {"location": 6, "openve3m": 3}
    read = {prompt: (source, target) for prompt, source, target in read_back(trainer, out)}
    rows = tables(shared_release)
    assert read.keys() == {row["prompt"] for row in rows.values()}
    for sample_id, row in rows.items():
        for frames, wanted in zip(read[row["prompt"]], decode(shared_run, sample_id), strict=True):
            height, width = frames[0].shape[:2]
            seen = [trainers.crop(frame, height, width) for frame in wanted]
            assert np.array_equal(frames, seen)


@pytest.mark.parametrize("trainer", ["kiwi", "diffsynth", "musubi"])
def test_a_mix_gives_the_rows_their_shares(shared_release: Path, tmp_path: Path, trainer: str) -> None:
    choice = ExportChoice(mix={"location": Fraction(1), "openve3m": Fraction(3)}, limit=10)
    summary = export_pairs(shared_release, trainer, tmp_path / "out", choice)
    assert sum(summary.rows.values()) == 10
    themes = {row["prompt"]: sample_id.split("_")[1] for sample_id, row in tables(shared_release).items()}
    read = Counter(themes[prompt] for prompt, _, _ in read_back(trainer, tmp_path / "out"))
    assert read == summary.rows
    assert abs(read["openve3m"] - 7.5) < 1


def test_prompts_are_csv_that_pandas_reads(shared_release: Path, tmp_path: Path) -> None:
    summary = export_pairs(shared_release, "kiwi", tmp_path / "out", ExportChoice(themes=["location"]))
    assert summary.tables.files == ("metadata.csv",)
    assert (tmp_path / "out/metadata.csv").read_text().startswith("prompt,src_video,tgt_video\n")
    prompts = [prompt for prompt, _, _ in trainers.read_kiwi(tmp_path / "out", tmp_path / "out/metadata.csv")]
    assert 'Say "hello",\nthen leave; é 世' in prompts


def test_a_prompt_that_csv_readers_take_for_nothing_makes_it_json_lines(
    shared_release: Path, tmp_path: Path
) -> None:
    summary = export_pairs(shared_release, "kiwi", tmp_path / "out", ExportChoice(themes=["openve3m"]))
    assert summary.tables.files == ("metadata.jsonl",)
    prompts = [
        prompt for prompt, _, _ in trainers.read_kiwi(tmp_path / "out", tmp_path / "out/metadata.jsonl")
    ]
    assert prompts[0] == "None"


def test_scores_and_limit_choose(shared_release: Path, tmp_path: Path) -> None:
    choice = ExportChoice(themes=["location"], min_scores={"edited_video": 9.0}, limit=4)
    export_pairs(shared_release, "kiwi", tmp_path / "out", choice)
    there = sorted(path.stem for path in (tmp_path / "out/location/source_video").iterdir())
    good = [sample_id for sample_id in LOCATION if sample_id != LOCATION[3]]  # that one scores 8.25
    assert there == good[:4]


@pytest.mark.parametrize("how", ["import", "index"])
def test_upstreams_own_files_export_alike(
    shared_release: Path, tmp_path: Path, contents: Contents, how: str
) -> None:
    folder = tmp_path / "downloaded"
    folder.mkdir()
    shutil.copytree(shared_release / "prompts", folder / "prompts")
    for path in shared_release.rglob("*_video_part*.tar"):
        if path.parent == shared_release:
            shutil.copy(path, folder)
    if how == "import":
        place = import_upstream(folder, tmp_path / "imported").out
    else:
        place = index_upstream(str(folder), tmp_path / "index").out
    export_pairs(shared_release, "kiwi", tmp_path / "ours")
    export_pairs(place, "kiwi", tmp_path / "theirs")
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")


# --- how videos come there --------------------------------------------------------------------


def test_loose_videos_are_linked_and_others_are_written(release: Path, tmp_path: Path) -> None:
    summary = export_pairs(release, "kiwi", tmp_path / "out", ExportChoice(themes=["location"]))
    assert summary.how == {HARD_LINKED: 4, WRITTEN: 8}  # the first two pairs stand loose
    rows = tables(release)
    written = [row for sample_id, row in rows.items() if sample_id in LOCATION[2:]]
    assert summary.bytes_written == sum(
        row["source_video_size"] + row["edited_video_size"] for row in written
    )
    for sample_id in LOCATION[:2]:
        path = EDITED_VIDEO.path(sample_id)
        assert (tmp_path / "out" / path).samefile(release / path)


def test_across_file_systems_links_are_symbolic(release: Path, tmp_path: Path) -> None:
    memory = Path("/dev/shm")  # noqa: S108
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    out = memory / f"sparkle-test-{tmp_path.name}-{tmp_path.stat().st_ino}"
    try:
        summary = export_pairs(release, "kiwi", out, ExportChoice(themes=["location"]))
        assert summary.how == {LINKED: 4, WRITTEN: 8}
        again = export_pairs(release, "kiwi", out, ExportChoice(themes=["location"]))
        assert again.how == {KEPT: 12}
    finally:
        shutil.rmtree(out)


def test_a_loose_file_that_differs_from_the_tar_is_not_linked(release: Path, tmp_path: Path) -> None:
    path = EDITED_VIDEO.path(LOCATION[0])
    right = (release / path).read_bytes()
    (release / path).write_bytes(right[:-1] + b"?")
    summary = export_pairs(release, "kiwi", tmp_path / "out", ExportChoice(themes=["location"]))
    assert (tmp_path / "out" / path).read_bytes() == right
    assert summary.how == {HARD_LINKED: 3, WRITTEN: 9}


def test_a_rerun_takes_what_is_right_and_mends_what_is_not(
    release: Path, tmp_path: Path, contents: Contents
) -> None:
    out = tmp_path / "out"
    export_pairs(release, "kiwi", out)
    before = contents(out)
    spoiled = out / EDITED_VIDEO.path(LOCATION[4])
    spoiled.write_bytes(spoiled.read_bytes()[:-1] + b"?")
    (out / SOURCE_VIDEO.path(LOCATION[5])).unlink()
    assert export_pairs(release, "kiwi", out).how == {KEPT: 16, WRITTEN: 2}
    assert contents(out) == before


@pytest.mark.parametrize("moment", [1, 6, 11, 18])
def test_a_kill_leaves_whole_files_and_a_rerun_goes_on(
    release: Path, tmp_path: Path, contents: Contents, moment: int
) -> None:
    out = tmp_path / "out"
    code = f"""
import os, pathlib, signal
from sparkle.builders.training import export, videos
real, count = videos.Files._place_file, 0
def place(files, artifact, data, shape):
    global count
    count += 1
    if count == {moment}:
        target = files.out / artifact.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_name(".tmp-half").write_bytes(data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    return real(files, artifact, data, shape)
videos.Files._place_file = place
export.export_pairs({str(release)!r}, "kiwi", pathlib.Path({str(out)!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not list(out.glob("metadata.*"))
    summary = export_pairs(release, "kiwi", out)
    assert summary.how.get(KEPT, 0) == moment - 1
    export_pairs(release, "kiwi", tmp_path / "other")
    assert contents(out) == contents(tmp_path / "other")


def test_another_trainer_takes_the_videos_that_are_there(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_pairs(release, "kiwi", out, ExportChoice(themes=["location"]))
    assert export_pairs(release, "musubi", out, ExportChoice(themes=["location"])).how == {KEPT: 12}
    assert sorted(path.name for path in out.iterdir()) == [
        "dataset.toml",
        EXPORT,
        "location",
        "location_64x48_16fps.jsonl",
    ]
    assert json.loads((out / EXPORT).read_text())["trainer"] == "musubi"


def test_musubi_finds_its_files_from_any_folder(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    export_pairs(release, "musubi", Path("out"), ExportChoice(themes=["location"]))
    monkeypatch.chdir("/")
    assert len(list(trainers.read_musubi(tmp_path / "out/dataset.toml"))) == 6
    document = tomllib.loads((tmp_path / "out/dataset.toml").read_text())
    assert [dataset["resolution"] for dataset in document["datasets"]] == [[64, 48]]


# --- what is left out, and refused ------------------------------------------------------------


def test_a_damaged_pair_is_left_out_and_named(release: Path, tmp_path: Path) -> None:
    spoil(release, LOCATION[4])
    words = [str(release), "--to", "kiwi", "--out", str(tmp_path / "out"), "--theme", "location", "--json"]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 1, done.output
    (left,) = json.loads(done.output)["left_out"]
    assert left["id"] == LOCATION[4]
    assert "not the one that the tables speak of" in left["problem"]
    assert json.loads((tmp_path / "out" / EXPORT).read_text())["left_out"] == [left]
    assert not (tmp_path / "out" / EDITED_VIDEO.path(LOCATION[4])).exists()
    assert len(read_back("kiwi", tmp_path / "out")) == 5


def test_videos_that_differ_in_frames_or_size_are_left_out(
    shared_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "downloaded"
    shutil.copytree(shared_release / "prompts", folder / "prompts")
    for sample_id in LOCATION:
        for kind in (SOURCE_VIDEO, EDITED_VIDEO):
            factories.write_artifact(folder, kind, sample_id)
    with monkeypatch.context() as patch:
        patch.setattr(factories, "FRAMES", 5)
        factories.write_artifact(folder, EDITED_VIDEO, LOCATION[1])
    with monkeypatch.context() as patch:
        patch.setattr(factories, "WIDTH", 80)
        factories.write_artifact(folder, SOURCE_VIDEO, LOCATION[2])
    imported = import_upstream(folder, tmp_path / "imported").out
    summary = export_pairs(imported, "kiwi", tmp_path / "out", ExportChoice(themes=["location"]))
    assert [(left.id, left.problem) for left in summary.left_out] == [
        (LOCATION[1], "the videos differ: 9 frames of 64x48 and 5 frames of 64x48"),
        (LOCATION[2], "the videos differ: 9 frames of 80x48 and 9 frames of 64x48"),
    ]
    assert summary.rows == {"location": 4}


def test_pairs_that_lack_a_video_are_said(shared_release: Path, tmp_path: Path) -> None:
    folder = tmp_path / "downloaded"
    shutil.copytree(shared_release / "prompts", folder / "prompts")
    for name in sorted(shared_release.glob("location_source_video_part*.tar")):
        shutil.copy(name, folder)
    for name in sorted(shared_release.glob("location_edited_video_part*.tar"))[:1]:
        shutil.copy(name, folder)
    imported = import_upstream(folder, tmp_path / "imported").out
    with pytest.warns(UserWarning, match="samples are left out"):
        summary = export_pairs(imported, "kiwi", tmp_path / "out", ExportChoice(themes=["location"]))
    assert len(summary.missing["edited_video"]) + summary.pairs["location"] == 6


def test_what_is_there_is_never_overwritten(release: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(ReleaseError, match="not part of an export"):
        export_pairs(release, "kiwi", tmp_path / "mine")
    with pytest.raises(ReleaseError, match="lies in the release"):
        export_pairs(release, "kiwi", release / "export")
    (tmp_path / "file").write_text("a file")
    with pytest.raises(ReleaseError, match="not a folder"):
        export_pairs(release, "kiwi", tmp_path / "file")
    assert (tmp_path / "mine/notes.txt").read_text() == "mine"


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(10**9, 10**9, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    said: list[str] = []
    with pytest.raises(ReleaseError, match="does not fit"):
        export_pairs(release, "kiwi", tmp_path / "out", say=said.append)
    assert "bytes of files to write" in said[0]
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("choice", "error"),
    [
        (ExportChoice(min_scores={"edited_video": 9.9}), ReleaseError),
        (ExportChoice(mix={"style": Fraction(1)}), ReleaseError),
        (
            ExportChoice(
                mix={"location": Fraction(1), "openve3m": Fraction(1)}, min_scores={"edited_video": 9.5}
            ),
            ReleaseError,
        ),
        (ExportChoice(min_scores={"overall": 1.0}), ConfigError),
    ],
)
def test_a_choice_that_takes_nothing_is_refused(
    shared_release: Path, tmp_path: Path, choice: ExportChoice, error: type[Exception]
) -> None:
    with pytest.raises(error):
        export_pairs(shared_release, "kiwi", tmp_path / "out", choice)


def test_the_command_says_counts_and_what_to_type(shared_release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [str(shared_release), "--to", "kiwi", "--out", str(out), "--mix", "location=1,openve3m=1"]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.output
    assert f"--vid_dataset_metadata_path {out}/metadata.jsonl" in done.output
    assert "8 hard links, 10 written" in done.output
    both = CliRunner().invoke(command, [*words, "--theme", "location"])
    assert both.exit_code == 2
    assert CliRunner().invoke(command, [*words[:5], "--min", "9"]).exit_code == 2


def test_an_export_is_a_function_of_the_release(tmp_path: Path, contents: Contents) -> None:
    run = factories.write_run(tmp_path / "run", [*factories.specs("season", 3), *factories.specs("time", 2)])
    build_release([run], tmp_path / "release", ReleaseOptions(preview=1))
    choice = ExportChoice(mix={"season": Fraction(1), "time": Fraction(2)}, limit=5)
    for name in ("one", "two"):
        export_pairs(tmp_path / "release", "diffsynth", tmp_path / name, choice)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
