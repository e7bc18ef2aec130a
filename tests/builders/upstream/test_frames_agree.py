"""How many frames a video has is one number, whoever is asked; and who sees those not evenly timed."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness import odd_videos, upstream_folder, videos
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.builders.release.exported import EXPORT
from sparkle.builders.training.export import export_pairs
from sparkle.builders.training.kiwi import UnifiedDataset
from sparkle.builders.upstream.import_ import ImportSummary, import_upstream
from sparkle.commands.export import export
from sparkle.media.container import open_video
from sparkle.media.encode import Encoding
from sparkle.media.normalise import SourceSpec, normalise
from sparkle.media.probe import probe
from sparkle.schemas import layout
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO

pytestmark = pytest.mark.slow

ALL = odd_videos.ALL
SQUARE = (64, 64)  # so that a turned video has the size of the others


def uneven(folder: Path) -> odd_videos.Made:
    times = [60 * index + 60 * (index > 4) + 60 * (index > 20) for index in ALL]
    return videos.write_video(folder / "uneven.mp4", videos.levels(len(ALL)), times=times), ALL


def turned(folder: Path) -> odd_videos.Made:
    frames = videos.levels(len(ALL), *SQUARE)
    return videos.write_video(folder / "turned.mp4", frames, orientation=(90, False, False)), ALL


def webm(folder: Path) -> odd_videos.Made:
    options = {"lossless": "1"}
    return odd_videos.numbered(folder / "clip.webm", codec="libvpx-vp9", options=options), ALL


def starting_late(folder: Path) -> odd_videos.Made:
    times = [2000 + 50 * index for index in ALL]
    return videos.write_video(folder / "late.mkv", videos.levels(len(ALL)), times=times), ALL


# A raw stream is a source of `generate` and nothing else.
MAKERS = [make for name, make in odd_videos.EVERY.items() if name != "raw_h264"]
MAKERS += [uneven, turned, webm, starting_late]
IDS = {make: f"Sparkle_location_{index:06d}" for index, make in enumerate(MAKERS)}
MIXED = "Sparkle_location_000099"  # an uneven source, and an edited video of constant rate


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, odd_videos.Made]:
    """A video and the frames that it shows, by sample."""
    return {sample_id: make(tmp_path_factory.mktemp("video")) for make, sample_id in IDS.items()}


@pytest.fixture(scope="module")
def imported(
    made: dict[str, odd_videos.Made], tmp_path_factory: pytest.TempPathFactory
) -> tuple[ImportSummary, dict[str, int]]:
    """A release of pairs of each video with itself, and how many frames each has."""
    folder = tmp_path_factory.mktemp("agree")
    plain = made[IDS[odd_videos.with_reordered_frames]]
    pairs = {sample_id: (video, video) for sample_id, (video, _) in made.items()}
    pairs[MIXED] = (made[IDS[uneven]][0], plain[0])
    upstream = folder / "upstream"
    upstream_folder.write_csv(upstream, "location", list(map(upstream_folder.row_of, pairs)))
    lines = upstream_folder.lines_of("location", list(pairs))
    metadata = layout.metadata_jsonl("location")
    upstream_folder.write_lines(upstream / metadata, lines[metadata])
    for place, kind in enumerate((SOURCE_VIDEO, EDITED_VIDEO)):
        with tarfile.open(upstream / kind.shard("location", 0), "w") as tar:
            for sample_id, pair in pairs.items():
                tar.add(pair[place], kind.member(sample_id))
    shown = {sample_id: len(frames) for sample_id, (_, frames) in made.items()} | {MIXED: len(ALL)}
    return import_upstream(upstream, folder / "release"), shown


def test_tables_have_the_frames_that_are_shown(imported: tuple[ImportSummary, dict[str, int]]) -> None:
    summary, shown = imported
    rows = upstream_folder.rows_of(summary.out, "location")
    assert {row["task"]: row["frames"] for row in rows} == shown


def test_generate_decodes_as_many(made: dict[str, odd_videos.Made], tmp_path: Path) -> None:
    for video, shown in made.values():
        assert probe(video).frames == len(shown)
        clip = normalise(video, tmp_path / "clip.mp4", SourceSpec(), Encoding())
        assert clip.source_frames == len(shown)
        with open_video(video) as opened:
            assert opened.declared in (0, len(shown))


def test_validate_decodes_as_many(imported: tuple[ImportSummary, dict[str, int]]) -> None:
    report = check_release(imported[0].out, options=CheckOptions(media="all"))
    wrong = {"not what the sample's row says", "does not fit its source video"}
    assert wrong.isdisjoint(finding.problem for finding in report.findings)


def test_the_loader_has_as_many(imported: tuple[ImportSummary, dict[str, int]]) -> None:
    pytest.importorskip("torch")
    from sparkle.builders.training.dataset import PairDataset
    from sparkle.builders.training.item import Clip

    summary, shown = imported
    pairs = PairDataset(summary.out, ["location"], clip=Clip(multiple_of=2))
    items = {item["id"]: item for item in map(pairs.__getitem__, range(len(pairs)))}
    assert {sample_id: len(item["edited_video"]) for sample_id, item in items.items()} == shown
    numbers = [videos.index_of(frame.numpy()) for frame in items[MIXED]["source_video"]]
    assert numbers == ALL  # by number, whatever their times are


def test_the_kiwi_drop_in_has_as_many(imported: tuple[ImportSummary, dict[str, int]]) -> None:
    """Cut to 4k+1, as Kiwi-Edit does."""
    pytest.importorskip("torch")
    summary, shown = imported
    files = UnifiedDataset.default_video_operator(str(summary.out), num_frames=81)
    found = {sample_id: files(SOURCE_VIDEO.path(sample_id)) for sample_id in shown}
    assert {sample_id: len(images) for sample_id, images in found.items()} == {
        sample_id: (count - 1) // 4 * 4 + 1 for sample_id, count in shown.items()
    }
    assert [videos.index_of(np.asarray(image)) for image in found[MIXED]] == ALL


# --- times ------------------------------------------------------------------------------------

UNEVEN = "frames are not evenly timed"


def test_an_export_has_all_of_them_and_names_those_that_are_not_evenly_timed(
    imported: tuple[ImportSummary, dict[str, int]], tmp_path: Path
) -> None:
    summary = export_pairs(imported[0].out, "musubi", tmp_path / "out")
    assert [left.id for left in summary.left_out] == []
    both = [f"{kind.name}: {UNEVEN}, up to" for kind in (SOURCE_VIDEO, EDITED_VIDEO)]
    named = [(pair.id, pair.problem.partition("up to")[0] + "up to") for pair in summary.uneven]
    assert named == [(IDS[uneven], both[0]), (IDS[uneven], both[1]), (MIXED, both[0])]


def test_the_command_names_them(imported: tuple[ImportSummary, dict[str, int]], tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(export, [str(imported[0].out), "--to", "kiwi", "--out", str(out)])
    assert done.exit_code == 1, done.output
    assert f"exported: {MIXED}: source_video: {UNEVEN}, up to " in done.output
    assert [pair["id"] for pair in json.loads((out / EXPORT).read_text())["uneven"]][-1] == MIXED


@pytest.mark.parametrize("media", ["none", "all"])
def test_import_and_validate_find_them(
    imported: tuple[ImportSummary, dict[str, int]], tmp_path: Path, media: str
) -> None:
    summary, _ = imported
    wanted = {
        (IDS[uneven], SOURCE_VIDEO.name), (IDS[uneven], EDITED_VIDEO.name), (MIXED, SOURCE_VIDEO.name)
    }  # fmt: skip
    report = check_release(summary.out, options=CheckOptions(media=media))
    for findings in (summary.findings, report.findings):
        found = [finding.pointer for finding in findings if finding.problem == UNEVEN]
        assert {(Path(member).stem, Path(member).parent.name) for member in found} == wanted
        assert len(found) == len(set(found))
