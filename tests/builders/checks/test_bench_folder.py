"""A bench is whole, agrees with itself, and shows nothing that was trained on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from harness import factories
from harness.benches import write_bench
from harness.scenes import HEIGHT, WIDTH, scene_frames, write_scene
from sparkle._processes import pool_of
from sparkle.builders.bench.contamination import read_trained
from sparkle.builders.bench.looked_at import draw_matches, read_accepted
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.checks.bench_folder import BenchReport, check_bench_folder
from sparkle.media.encode import Encoding, encode
from sparkle.media.images import read_png, write_png
from sparkle.media.mask import save_mask
from sparkle.schemas import layout
from sparkle.schemas.errors import ConfigError, ReleaseError

Frames = npt.NDArray[np.uint8]
TRAINED = 20  # sources, each of which is planted in one of four ways


def check(folder: Path, **options: object) -> BenchReport:
    with pool_of(1) as pool:
        return check_bench_folder(folder, pool, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, options: ReleaseOptions) -> Path:
    """A release of twenty sources that look like nothing else."""
    samples = [replace(spec, scene=index) for index, spec in enumerate(factories.specs("location", TRAINED))]
    run = factories.write_run(tmp_path_factory.mktemp("trained") / "run", samples)
    build_release([run], run.parent / "release", options)
    return run.parent / "release"


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    write_bench(tmp_path / "bench")
    return tmp_path / "bench"


def _cropped(frames: Frames) -> Frames:
    y, x = HEIGHT // 14, WIDTH // 14  # 7 % a side
    return np.array([cv2.resize(frame, (WIDTH, HEIGHT)) for frame in frames[:, y:-y, x:-x]])


PLANTED: tuple[Callable[[Frames], Frames], ...] = (
    lambda frames: frames,
    _cropped,
    lambda frames: frames[:, :, ::-1],
    lambda frames: frames[8:],
)


def test_twenty_planted_sources_are_found_and_no_other(trained: Path, tmp_path: Path) -> None:
    bench = tmp_path / "bench"
    write_bench(bench, {"style": ("mood: a noir street",) * 30})
    videos = sorted((bench / "source_videos/style").iterdir())
    for seed, video in enumerate(videos):
        # The first twenty were trained on, and changed; the others have scenes of their own.
        change = PLANTED[seed % 4] if seed < TRAINED else PLANTED[0]
        encode(np.ascontiguousarray(change(scene_frames(seed))), video, encoding=Encoding(crf=30))
    found = check(bench, trained=[read_trained(trained)])
    ids = read_trained(trained).pairs.ids
    assert [(match.source.id, match.id, match.level) for match in found.matches] == [
        (videos[seed].stem, ids[seed], "near") for seed in range(TRAINED)
    ]
    assert [Path(finding.file).stem for finding in found.findings] == [
        videos[seed].stem for seed in range(TRAINED)
    ]
    drawn = draw_matches(found.matches[:1], tmp_path / "look")
    assert [path.name for path in drawn] == [f"{videos[0].stem}--{ids[0]}.png"]
    assert min(read_png(drawn[0]).shape[:2]) > 2 * 48

    # What was looked at, and is another scene, is accepted.
    lines = ("# looked at", f"{videos[0].stem} {ids[0]}", "", f"{videos[1].stem} {ids[1]}")
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    accepted = read_accepted(tmp_path / "pairs.txt")
    assert len(check(bench, trained=[read_trained(trained)], accepted=accepted).matches) == TRAINED - 2


def test_the_same_bytes_and_the_same_pictures_are_refused(bench: Path, trained: Path) -> None:
    ids = read_trained(trained).pairs.ids
    videos = sorted((bench / "source_videos").rglob("*.mp4"))
    shutil.copyfile(trained / layout.SOURCE_VIDEO.path(ids[0]), videos[0])
    shutil.copyfile(trained / layout.SOURCE_VIDEO.path(ids[1]), videos[1])
    with videos[1].open("ab") as file:
        file.write(b"\0\0\0\x08free")  # another file of the same pictures
    place = read_trained(trained)
    found = check(bench, trained=[place], accepted={(videos[0].stem, ids[0])})
    assert [(match.level, match.id) for match in found.matches] == [("bytes", ids[0]), ("pictures", ids[1])]
    assert len([one for one in found.findings if "release" in one.problem]) == 2


def test_what_cannot_be_told_is_said(bench: Path, whole_release: Path) -> None:
    video = next((bench / "source_videos").rglob("*.mp4"))
    encode(np.full((9, 48, 64, 3), 90, np.uint8), video)
    found = check(bench, trained=[read_trained(whole_release)])
    assert any(note.startswith(f"{video}: too little detail") for note in found.notes)
    assert "none of this is proof" in found.notes[-1]


@pytest.mark.parametrize("line", ["one", "a b c", "Sparkle_location_000001 x"])
def test_a_line_that_is_no_pair_is_an_error(line: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text(f"\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        read_accepted(tmp_path / "pairs.txt")
    assert str(caught.value.where).endswith("pairs.txt:2")


def test_a_whole_bench_has_no_findings(bench: Path) -> None:
    found = check(bench)
    assert found.findings == ()
    assert found.samples == {"location": 3, "style": 1}
    assert found.scenes["location"] == {"landmark": {"ancient stone ruins": 2}, "nature": {"a windy pier": 1}}
    assert found.notes == ("4 of 4 samples have no background image",)


FIRST = layout.bench_source("location", "Sparkle_location_000000")


def _cut(bench: Path) -> str:
    data = (bench / FIRST).read_bytes()
    (bench / FIRST).write_bytes(data[: len(data) // 2])
    return FIRST


def _long(bench: Path) -> str:
    write_scene(bench / FIRST, 3, frames=8)
    return FIRST


def _gone(bench: Path) -> str:
    (bench / FIRST).unlink()
    return FIRST


def _twice(bench: Path) -> str:
    shutil.copyfile(bench / FIRST, bench / FIRST.replace("000000", "000001"))
    return FIRST.replace("000000", "000001")


def _stray(bench: Path) -> str:
    shutil.copyfile(bench / FIRST, bench / FIRST.replace("000000", "000009"))
    return FIRST.replace("000000", "000009")


def _mask(bench: Path) -> str:
    name = layout.bench_mask("location", "Sparkle_location_000000")
    (bench / name).parent.mkdir(parents=True)
    save_mask(bench / name, np.ones((5, 80, 128), bool))
    return name


def _image(bench: Path) -> str:
    name = layout.bench_reference("location", "Sparkle_location_000000")
    (bench / name).parent.mkdir(parents=True)
    (bench / name).write_bytes(b"no image")
    return name


def _row_twice(bench: Path) -> str:
    name = layout.bench_csv("location")
    text = (bench / name).read_text()
    (bench / name).write_text(text + text.splitlines()[1] + "\n")
    return name


@pytest.mark.parametrize("harm", [_cut, _long, _gone, _twice, _stray, _mask, _image, _row_twice])
def test_what_is_wrong_is_named(harm: Callable[[Path], str], bench: Path) -> None:
    name = harm(bench)
    assert name in [finding.file.partition(":")[0] for finding in check(bench).findings]


@pytest.mark.parametrize(
    "keyword", ["a/b: c", "a: ..", "a: b: c", "nothing", "", ".a: b", "a: b---c", "a: b\x07"]
)
def test_a_scene_that_cannot_name_a_folder_is_found(keyword: str, tmp_path: Path) -> None:
    write_bench(tmp_path / "bench", {"time": ("night: a street",)})
    path = tmp_path / "bench" / layout.bench_metadata("time")
    text = path.read_text().replace('"night: a street"', f'"{keyword}"'.replace("\x07", "\\u0007"))
    path.write_text(text)
    (found,) = check(tmp_path / "bench").findings
    assert (found.file, found.line) == (path.name, 1)


def test_a_picture_of_another_size_is_only_noted_of_others(bench: Path) -> None:
    for video in sorted((bench / "source_videos").rglob("*.mp4")):
        path = bench / layout.bench_reference(video.parent.name, video.stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, np.zeros((16, 16, 3), np.uint8))
    found = check(bench)
    assert found.findings == ()
    assert found.notes == ("4 of 4 background images have another size than their video",)


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="not a bench"):
        check(tmp_path)
