"""Making a page: what is drawn, that it is always the same, and what a rerun, a kill and bad input do."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from harness import factories, kill_at, reviewer
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.upstream.import_ import import_upstream
from sparkle.commands import hub
from sparkle.hub.preview.make import make_page
from sparkle.hub.preview.rows import ReleaseRows
from sparkle.media.decode import decode
from sparkle.media.encode import encode
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import EDITED_VIDEO


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def samples_of(out):
    text = (out / "data/samples.js").read_text("utf-8")
    return json.loads(text.removeprefix("SPARKLE.samples(").removesuffix(");\n"))["samples"]


# --- what is drawn ----------------------------------------------------------------------------


def test_the_sheet_has_every_stream_of_a_sample_at_the_same_frame(coded_page):
    first, second = samples_of(coded_page)
    assert first["clip"] == {
        "width": reviewer.WIDTH,
        "height": reviewer.HEIGHT,
        "frames": reviewer.FRAMES,
        "fps": 16,
        "tracks": ["source_video", "edited_video", "edited_background_video", "source_video_mask"],
        "stills": ["edited_frame0"],
    }
    sheet = decode(coded_page / f"{first['media']}.mp4")
    assert sheet.shape == (reviewer.FRAMES, 2 * reviewer.HEIGHT, 2 * reviewer.WIDTH, 3)
    for index, frame in enumerate(sheet):
        tiles = [
            frame[top : top + reviewer.HEIGHT, left : left + reviewer.WIDTH]
            for top in (0, reviewer.HEIGHT)
            for left in (0, reviewer.WIDTH)
        ]
        assert [reviewer.read_code(tile) for tile in tiles[:3]] == [index] * 3
        colours = (reviewer.SOURCE_COLOUR, reviewer.EDITED_COLOUR, reviewer.BACKGROUND_COLOUR)
        for tile, colour in zip(tiles[:3], colours, strict=True):
            assert np.abs(tile[-20:-4, 20:-20].mean(axis=(0, 1)) - colour).max() < 6
        mask = np.zeros((reviewer.HEIGHT, reviewer.WIDTH), bool)
        mask[reviewer.MASKED] = True
        assert (np.abs(tiles[3].mean(axis=2) - 255 * mask) < 60).mean() > 0.99
    assert second["clip"]["tracks"] == ["source_video", "edited_video"]
    assert "edited_video_score" not in second


def test_pictures_have_the_rows_that_were_asked_for_and_never_more_than_the_clip(coded_release, tmp_path):
    arguments = ["preview", str(coded_release), "--out", str(tmp_path / "page"), "--limit", "1"]
    shapes = []
    for rows in ("180", "720"):
        result = CliRunner().invoke(hub, [*arguments, "--rows", rows])
        assert result.exit_code == 0, result.output
        assert "1 made now" in result.output
        (first,) = samples_of(tmp_path / "page")
        assert decode(tmp_path / "page" / f"{first['media']}.mp4").shape[1] == 2 * first["clip"]["height"]
        shapes.append((first["clip"]["width"], first["clip"]["height"]))
    assert shapes == [(300, 180), (reviewer.WIDTH, reviewer.HEIGHT)]


def test_the_card_is_source_and_edited_side_by_side(coded_page):
    card = decode(coded_page / f"{samples_of(coded_page)[0]['media']}.card.mp4")
    half = card.shape[2] // 2
    assert card.shape[1] == 160
    for index in (0, 17, reviewer.FRAMES - 1):
        halves = card[index][:, :half], card[index][:, half:]
        assert [reviewer.read_code(picture) for picture in halves] == [index, index]


def test_what_the_tables_say_is_on_the_page(built_page):
    samples = {sample["id"]: sample for sample in samples_of(built_page)}
    assert samples["Sparkle_location_000003"]["edited_video_score"] == 9.75
    assert samples["Sparkle_season_000000"]["prompt"] == "Put the square on a Beach."
    assert samples["Sparkle_location_000000"]["subtheme"] == "urban"
    assert "subtheme" not in samples["Sparkle_openve3m_000000"]
    text = (built_page / "data/details-0000.js").read_text("utf-8")
    details = json.loads(text.removeprefix("SPARKLE.details(").removesuffix(");\n"))
    square = {"box": [250, 250, 600, 700], "label": "red square"}
    assert details["Sparkle_season_000000"]["round2"] == [[square], [{**square, "box": []}]]
    assert [found["frame"] for found in details["Sparkle_season_000000"]["frames"]] == [1, 3, 5, 8]


# --- again ------------------------------------------------------------------------------------


def test_two_pages_of_a_release_are_byte_identical_with_any_number_of_workers(
    built_release, built_page, tmp_path
):
    other = make_page(str(built_release), tmp_path / "page", workers=3)
    assert other.made == other.samples == 11
    assert contents(other.out) == contents(built_page)


def test_a_rerun_draws_what_is_missing_and_nothing_else(built_release, built_page, tmp_path):
    out = shutil.copytree(built_page, tmp_path / "page")
    assert make_page(str(built_release), out).made == 0
    lost = samples_of(out)[4]["media"]
    (out / f"{lost}.card.mp4").unlink()
    (out / "data/samples.js").unlink()
    found = make_page(str(built_release), out)
    assert (found.made, found.samples) == (1, 11)
    assert contents(out) == contents(built_page)


def test_a_page_that_was_killed_goes_on(built_release, built_page, tmp_path):
    out = tmp_path / "page"
    kill_at.kill("a sample drawn", 4, "preview", built_release, "--out", out, "--workers", 1)
    found = make_page(str(built_release), out)
    assert found.made == 7
    assert contents(out) == contents(built_page)


@pytest.mark.slow
def test_a_kill_before_any_rename_spoils_nothing(built_release, tmp_path):
    words = ("preview", built_release, "--theme", "season", "--limit", 1)
    whole = make_page(str(built_release), tmp_path / "whole", themes=["season"], limit=1).out
    for out in kill_at.sweep("before a rename", tmp_path, *words):
        make_page(str(built_release), out, themes=["season"], limit=1)
        assert contents(out) == contents(whole)


@pytest.mark.slow
def test_a_release_that_changed_has_only_its_changes_drawn(built_run, built_release, built_page, tmp_path):
    out = shutil.copytree(built_page, tmp_path / "page")
    samples = [
        *factories.specs("location", 5),  # one less
        *factories.specs("season", 3),
        *factories.specs("openve3m", 3),  # one more
    ]
    run = factories.write_run(tmp_path / "run", samples)
    build_release([run], tmp_path / "release", ReleaseOptions(preview=1))
    found = make_page(str(tmp_path / "release"), out)
    assert (found.made, found.samples) == (1, 11)
    assert not list(out.rglob("*Sparkle_location_000015*"))
    make_page(str(tmp_path / "release"), tmp_path / "afresh")
    assert contents(out) == contents(tmp_path / "afresh")


# --- which samples ----------------------------------------------------------------------------


def test_a_limit_draws_the_same_samples_everywhere_and_a_larger_one_keeps_them(built_release):
    chosen = [set(ReleaseRows(str(built_release), limit=limit).ids) for limit in (1, 2, 3, 100)]
    assert [len(ids) for ids in chosen] == [3, 6, 8, 11]
    assert chosen[0] < chosen[1] < chosen[2] < chosen[3]
    assert chosen[1] == set(ReleaseRows(str(built_release), limit=2).ids)


def test_themes_and_ids_choose(built_release, tmp_path):
    wanted = ["Sparkle_season_000003", "Sparkle_location_000009"]
    (tmp_path / "ids.txt").write_text("\n".join(wanted))
    arguments = ["preview", str(built_release), "--out", str(tmp_path / "page"), "--json"]
    result = CliRunner().invoke(hub, [*arguments, "--ids-from", str(tmp_path / "ids.txt")])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["samples"] == 2
    assert [sample["id"] for sample in samples_of(tmp_path / "page")] == sorted(wanted)
    result = CliRunner().invoke(hub, [*arguments, "--theme", "openve3m", "--limit", "1"])
    assert json.loads(result.stdout)["made"] == 1
    assert len(samples_of(tmp_path / "page")) == 1
    assert len(list((tmp_path / "page/media").rglob("*.webp"))) == 2  # a poster and the stills


def test_what_there_is_to_draw_is_said_first(built_release, tmp_path):
    said = []
    for limit in (1, 2, 2):
        make_page(str(built_release), tmp_path / "page", limit=limit, workers=1, say=said.append)
    drawn = "samples to draw: about 12 s for 720p clips"
    assert said == [f"3 of 3 {drawn}", f"3 of 6 {drawn}", "0 of 6 samples to draw"]


# --- bad input --------------------------------------------------------------------------------


def test_a_damaged_artifact_is_shown_as_damaged_and_drawn_when_it_is_mended(built_release, tmp_path):
    release = shutil.copytree(built_release, tmp_path / "release")
    artifact = ReleaseRows(str(release)).artifacts(3, [EDITED_VIDEO])[EDITED_VIDEO]
    whole = (release / artifact.file).read_bytes()
    broken = bytearray(whole)
    broken[artifact.offset + artifact.size // 2] ^= 1
    (release / artifact.file).write_bytes(broken)
    arguments = ["preview", str(release), "--out", str(tmp_path / "page")]
    result = CliRunner().invoke(hub, arguments)
    assert result.exit_code == 1
    assert f"{artifact.id}: edited_video: an artifact is not the one" in result.output
    shown = next(sample for sample in samples_of(tmp_path / "page") if sample["id"] == artifact.id)
    assert shown["clip"]["tracks"][0] == "source_video"  # the rest is there
    assert "edited_video" not in shown["clip"]["tracks"]
    assert shown["problems"]
    (release / artifact.file).write_bytes(whole)
    result = CliRunner().invoke(hub, arguments)
    assert result.exit_code == 0, result.output
    assert "1 made now, 10 already there" in result.output


def test_a_release_without_a_tar_is_no_page_of_nothing(built_release, tmp_path):
    release = shutil.copytree(built_release, tmp_path / "release")
    for tar in release.rglob("*video_part*.tar"):
        tar.unlink()
    for folder in release.rglob("*_video"):
        shutil.rmtree(folder)
    result = CliRunner().invoke(hub, ["preview", str(release), "--out", str(tmp_path / "page")])
    assert result.exit_code == 1
    assert "source_video: an artifact is not there" in result.output
    assert all("clip" not in sample and sample["problems"] for sample in samples_of(tmp_path / "page"))


def test_a_tar_that_was_cut_short_stops_the_command_and_leaves_the_page(built_release, built_page, tmp_path):
    release = shutil.copytree(built_release, tmp_path / "release")
    out = shutil.copytree(built_page, tmp_path / "page")
    for sidecar in out.rglob("*.json"):
        sidecar.unlink()  # so that all is drawn again
    before = contents(out)
    tar = sorted(release.glob("season_edited_video_part*.tar"))[0]
    tar.write_bytes(tar.read_bytes()[:-512])
    result = CliRunner().invoke(hub, ["preview", str(release), "--out", str(out)])
    assert result.exit_code == 2
    assert "cut short" in result.output
    assert tar.name in result.output
    assert before.items() <= contents(out).items()


def test_a_video_that_breaks_off_and_one_that_is_shorter_are_said(tmp_path):
    reviewer.write_upstream(tmp_path / "upstream", 2)
    folder = tmp_path / "upstream/location/edited_video"
    data = (folder / "Sparkle_location_000000.mp4").read_bytes()
    (folder / "Sparkle_location_000000.mp4").write_bytes(data[: len(data) // 2])
    short = (reviewer.coded(index, reviewer.EDITED_COLOUR) for index in range(33))
    encode(short, folder / "Sparkle_location_000001.mp4")
    import_upstream(tmp_path / "upstream", tmp_path / "imported")
    found = make_page(str(tmp_path / "imported"), tmp_path / "page")
    assert found.problems["Sparkle_location_000000"][0].startswith("edited_video: the video is cut short")
    assert found.problems["Sparkle_location_000001"] == ("edited_video has 33 frames, the video 49",)
    again = make_page(str(tmp_path / "imported"), tmp_path / "page")
    assert again.made == 0  # what was read and is bad stays bad
    assert again.problems == found.problems


@pytest.mark.parametrize("name", ["notes.txt", "index.html"])
def test_a_folder_with_something_else_is_left_alone(built_release, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ReleaseError, match="do not belong to a preview"):
        make_page(str(built_release), tmp_path)
    assert contents(tmp_path) == {name: b"mine"}


def test_a_page_inside_its_release_is_refused(built_release):
    before = contents(built_release)
    with pytest.raises(ReleaseError, match="inside what it shows"):
        make_page(str(built_release), built_release / "preview")
    assert contents(built_release) == before


def test_what_is_no_release_and_an_unknown_id_are_named(built_release, tmp_path):
    result = CliRunner().invoke(hub, ["preview", str(tmp_path), "--out", str(tmp_path / "page")])
    assert result.exit_code == 2
    assert "neither a release nor an index" in result.output
    (tmp_path / "ids.txt").write_text("Sparkle_location_999999\n")
    arguments = ["preview", str(built_release), "--out", str(tmp_path / "page")]
    result = CliRunner().invoke(hub, [*arguments, "--ids-from", str(tmp_path / "ids.txt")])
    assert result.exit_code == 2
    assert "Sparkle_location_999999" in result.output
    assert not (tmp_path / "page").exists()
