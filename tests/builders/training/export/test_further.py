"""What trainers read besides two videos; musubi's datasets: one per size and rate, one cache per pair."""

from __future__ import annotations

import csv
import json
import shutil
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner

import sparkle
from harness import factories, trainers
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.training.export import ExportChoice, export_pairs
from sparkle.builders.training.videos import KEPT, WRITTEN
from sparkle.builders.upstream.import_ import import_upstream
from sparkle.commands.export import export as command
from sparkle.schemas.errors import ConfigError, ReleaseError
from sparkle.schemas.layout import KIND_BY_NAME, KINDS

ALL = ("mask", "canny", "reference")
FIRST = "Sparkle_location_000000"


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of location in three sizes and two rates, two pairs each."""
    folder, runs = tmp_path_factory.mktemp("sizes"), []
    kinds = [(64, 48, 9, 16), (96, 64, 9, 16), (96, 64, 13, 24), (208, 120, 9, 16)]
    for number, values in enumerate(kinds):
        with pytest.MonkeyPatch.context() as patch:
            for constant, value in zip(("WIDTH", "HEIGHT", "FRAMES", "FPS"), values, strict=True):
                patch.setattr(factories, constant, value)
            specs = factories.specs("location", 2, first=100 * number)
            runs.append(factories.write_run(folder / str(number), specs))
    build_release(runs, folder / "release", ReleaseOptions(preview=2))
    return folder / "release"


# --- columns ----------------------------------------------------------------------------------


def test_scripts_of_diffsynth_find_the_columns_that_they_name(shared_release: Path, tmp_path: Path) -> None:
    choice = ExportChoice(themes=["location"], further=ALL)
    summary = export_pairs(shared_release, "diffsynth", tmp_path / "out", choice)
    vace, control = summary.tables.usage
    assert "--extra_inputs vace_video,vace_video_mask,vace_reference_image" in vace
    # As examples/wanvideo/model_training/lora/Wan2.1-Fun-V1.1-1.3B-Control.sh has it.
    assert "--data_file_keys video,control_video,reference_image" in control
    for row in rows_of(tmp_path / "out"):
        files = {name: tmp_path / "out" / path for name, path in row.items() if name != "prompt"}
        assert all(path.is_file() for path in files.values())
        sample_id = files["video"].stem
        masks = sparkle.load_mask(
            sparkle.open_source(shared_release).read(artifact(shared_release, sample_id, "source_video_mask"))
        )
        seen = decode(files["vace_video_mask"])
        assert np.array_equal(seen, np.broadcast_to(np.where(masks, 0, 255)[..., None], seen.shape))
        assert files["control_video"].read_bytes() == sparkle.open_source(shared_release).read(
            artifact(shared_release, sample_id, "edited_video_canny")
        )
        assert files["vace_reference_image"] == files["reference_image"]
        assert files["vace_video"].parent.name == "source_video"


def artifact(release: Path, sample_id: str, kind: str) -> Any:
    pairs = sparkle.open_pairs(release, ids=[sample_id])
    return pairs.artifact(0, KIND_BY_NAME[kind])


def test_masks_that_are_there_are_kept_and_others_made_again(shared_release: Path, tmp_path: Path) -> None:
    choice = ExportChoice(themes=["location"], further=["mask"])
    export_pairs(shared_release, "diffsynth", tmp_path / "out", choice)
    masks = sorted((tmp_path / "out/location/mask_video").iterdir())
    before = [path.read_bytes() for path in masks]
    masks[0].write_bytes(before[0][: len(before[0]) // 2])
    shutil.copy(tmp_path / "out" / sparkle.EDITED_VIDEO.path(masks[2].stem), masks[2])  # whole, but another
    again = export_pairs(shared_release, "diffsynth", tmp_path / "out", choice)
    assert again.how == {KEPT: 16, WRITTEN: 2}
    assert [path.read_bytes() for path in masks] == before


def test_kiwi_and_musubi_read_what_they_can(shared_release: Path, tmp_path: Path) -> None:
    choice = ExportChoice(themes=["location"], further=["reference"])
    kiwi = export_pairs(shared_release, "kiwi", tmp_path / "kiwi", choice)
    assert "src_video,tgt_video,ref_image" in kiwi.tables.usage[0]
    assert all((tmp_path / "kiwi" / row["ref_image"]).is_file() for row in rows_of(tmp_path / "kiwi"))
    choice = ExportChoice(themes=["location"], further=["canny"])
    export_pairs(shared_release, "musubi", tmp_path / "musubi", choice)
    (line, *_) = (tmp_path / "musubi/location_64x48_16fps_canny.jsonl").read_text().splitlines()
    assert "/edited_video_canny/" in json.loads(line)["control_path"]
    assert len(list(trainers.read_musubi(tmp_path / "musubi/dataset.toml"))) == 6
    with pytest.raises(ConfigError, match="musubi does not read that"):
        export_pairs(shared_release, "musubi", tmp_path / "no", ExportChoice(further=["mask"]))
    done = CliRunner().invoke(command, [str(shared_release), "--to", "kiwi", "--out", "x", "--with", "depth"])
    assert done.exit_code == 2
    assert "mask,canny,reference" in done.output


def test_what_does_not_fit_its_videos_is_left_out(
    shared_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "downloaded"
    shutil.copytree(shared_release / "prompts", folder / "prompts")
    for sample_id in (f"Sparkle_location_{number:06d}" for number in (0, 3, 6, 9)):
        for kind in KINDS:
            factories.write_artifact(folder, kind, sample_id)
    for kind, sample_id, constant, value in (
        (sparkle.VIDEO_CANNY, FIRST, "FRAMES", 5),
        (sparkle.FOREGROUND_REMOVED, FIRST[:-1] + "3", "WIDTH", 80),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(factories, constant, value)
            factories.write_artifact(folder, kind, sample_id)
    release = import_upstream(folder, tmp_path / "imported").out
    with pytest.warns(UserWarning, match="2 have no source_video"):
        summary = export_pairs(
            release, "diffsynth", tmp_path / "out", ExportChoice(["location"], further=ALL)
        )
    assert [(left.id[-6:], left.problem) for left in summary.left_out] == [
        (
            "000000",
            "edited_video_canny does not fit the videos: 5 frames of 64x48, they have 9 frames of 64x48",
        ),
        (
            "000003",
            "edited_frame0_foreground_removed does not fit the videos: 1 frames of 80x48, "
            "they have 9 frames of 64x48",
        ),
    ]
    assert summary.rows == {"location": 2}


def test_a_release_without_such_files_says_so(shared_release: Path, tmp_path: Path) -> None:
    folder = tmp_path / "downloaded"
    shutil.copytree(shared_release / "prompts", folder / "prompts")
    for path in shared_release.glob("*_video_part*.tar"):
        shutil.copy(path, folder)
    release = import_upstream(folder, tmp_path / "imported").out
    with pytest.warns(UserWarning, match="have no source_video_mask"), pytest.raises(ReleaseError) as failed:
        export_pairs(release, "diffsynth", tmp_path / "out", ExportChoice(further=["mask"]))
    assert failed.value.got == "9 have no source_video_mask"
    assert failed.value.fix == "ask for less, such as without --with mask"


# --- musubi -----------------------------------------------------------------------------------


def test_musubi_has_a_dataset_per_size_and_rate(sizes: Path, tmp_path: Path) -> None:
    export_pairs(sizes, "musubi", tmp_path / "out")
    document = tomllib.loads((tmp_path / "out/dataset.toml").read_text())
    names = ["location_208x120_16fps", "location_64x48_16fps", "location_96x64_16fps", "location_96x64_24fps"]
    assert [Path(dataset["cache_directory"]).name for dataset in document["datasets"]] == names
    found = [(dataset["resolution"], dataset["source_fps"]) for dataset in document["datasets"]]
    assert found == [([208, 112], 16.0), ([64, 48], 16.0), ([96, 64], 16.0), ([96, 64], 24.0)]
    # Sizes as exported, cut down to multiples of 16; 13 frames at 24 per second are 9 at 16.
    read = sorted(
        (len(target), *target[0].shape)
        for _, _, target in trainers.read_musubi(tmp_path / "out/dataset.toml")
    )
    assert read == sorted([(9, 48, 64, 3), (9, 64, 96, 3), (9, 64, 96, 3), (9, 112, 208, 3)] * 2)


def test_a_pair_stays_in_its_cache_whatever_the_mix(shared_release: Path, tmp_path: Path) -> None:
    def caches(**shares: int) -> dict[str, list[str]]:
        mix = {theme: Fraction(share) for theme, share in shares.items()}
        summary = export_pairs(shared_release, "musubi", tmp_path / "out", ExportChoice(mix=mix))
        read = list(trainers.read_musubi(tmp_path / "out/dataset.toml"))
        assert len(read) == sum(summary.rows.values())
        found: dict[str, list[str]] = {}
        for dataset in tomllib.loads((tmp_path / "out/dataset.toml").read_text())["datasets"]:
            lines = Path(dataset["video_jsonl_file"]).read_text().splitlines()
            name = Path(dataset["cache_directory"]).name
            found[name] = [Path(json.loads(line)["video_path"]).stem for line in lines]
        return found

    once = caches(location=2, openve3m=1)
    assert {name: len(ids) for name, ids in once.items()} == {
        "location_64x48_16fps": 6,
        "openve3m_64x48_16fps": 3,
    }
    more = caches(location=1, openve3m=1)  # six rows of three pairs
    assert more == once
    more = caches(location=3, openve3m=2)  # four rows: one counts once more
    assert len(more.pop("openve3m_64x48_16fps_again")) == 1
    assert more == once


def test_latents_of_a_video_that_becomes_another_are_removed(shared_release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    choice = ExportChoice(themes=["location"])
    export_pairs(shared_release, "musubi", out, choice)
    cache = out / "cache/location_64x48_16fps"
    cache.mkdir(parents=True)
    latents = [
        cache / f"{sample}_00000-009_0064x0048_wan.safetensors" for sample in (FIRST, FIRST[:-1] + "3")
    ]
    for path in latents:
        path.touch()
    export_pairs(shared_release, "musubi", out, choice)
    assert all(path.exists() for path in latents)
    # Another release, in which the first pair was made anew.
    folder = tmp_path / "downloaded"
    shutil.copytree(shared_release / "prompts", folder / "prompts")
    for sample in (f"Sparkle_location_{number:06d}" for number in (0, 3, 6, 9, 12, 15)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(factories, "FRAMES", 5 if sample == FIRST else factories.FRAMES)
            for kind in (sparkle.SOURCE_VIDEO, sparkle.EDITED_VIDEO):
                factories.write_artifact(folder, kind, sample)
    export_pairs(import_upstream(folder, tmp_path / "imported").out, "musubi", out, choice)
    assert [path.exists() for path in latents] == [False, True]


@pytest.mark.parametrize("trainer", ["kiwi", "diffsynth", "musubi"])
def test_what_is_printed_works_from_any_folder(
    shared_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainer: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(shared_release), "--to", trainer, "--out", "my export", "--theme", "location"]
    done = CliRunner().invoke(command, words)
    lines = [line for line in done.output.splitlines() if line.startswith("next: ")]
    assert lines
    for line in lines:
        assert f"'{tmp_path}/my export" in line
