from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.release.manifest import FileEntry, dump_manifest, list_files
from sparkle.commands import hub
from sparkle.commands.diff import changelog, to_json
from sparkle.hub.diff.release import DELETED, NEW, REWRITTEN, UNTOUCHED, ReleaseDiff, compare_releases
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS


def compare(before: Path, after: Path) -> ReleaseDiff:
    return compare_releases(FolderPlace(before), FolderPlace(after))


@pytest.fixture(scope="module")
def found(releases: tuple[Path, Path]) -> ReleaseDiff:
    return compare(*releases)


def relist(release: Path) -> None:
    """Write the manifest of a changed release again."""
    entries = [
        FileEntry(path, (release / path).stat().st_size, sha256_file(release / path))
        for path in list_files(release)
        if path != layout.MANIFEST
    ]
    (release / layout.MANIFEST).write_bytes(dump_manifest(entries))


def rewrite_rows(release: Path, theme: str, change: dict[str, object], ids: Iterable[str]) -> None:
    """Give some rows of a theme other values."""
    for path in sorted((release / "data" / theme).glob("*.parquet")):
        table = pq.read_table(path)
        rows = table.to_pylist()
        for row in rows:
            if row["task"] in set(ids):
                row.update(change)
        pq.write_table(type(table).from_pylist(rows, schema=table.schema), path, row_group_size=2)
    relist(release)


def test_a_release_is_the_same_as_itself(releases: tuple[Path, Path]) -> None:
    diff = compare(releases[0], releases[0])
    assert diff.same
    assert diff.files.upload_bytes == 0
    assert all(not (theme.added or theme.removed or theme.changed or theme.shards) for theme in diff.themes)
    assert {shard.state for shard in diff.files.shards} == {UNTOUCHED}


def test_pairs_added_removed_and_changed_are_named(found: ReleaseDiff) -> None:
    location, season, style = found.themes
    assert location.added == ("Sparkle_location_000100",)
    assert location.removed == ("Sparkle_location_000012",)
    assert location.changed == {
        "Sparkle_location_000003": ("prompt",),
        "Sparkle_location_000006": ("edited_video_score", "records.frame_scores"),
    }
    assert (season.added, season.removed, season.changed, season.shards) == ((), (), {}, {})
    assert (style.before, style.after, style.added) == (0, 1, ("Sparkle_style_000000",))
    assert not found.same


def test_swapping_the_sides_swaps_added_and_removed(releases: tuple[Path, Path], found: ReleaseDiff) -> None:
    back = compare(releases[1], releases[0])
    for there, here in zip(found.themes, back.themes, strict=True):
        assert (there.added, there.removed) == (here.removed, here.added)
        assert there.changed == here.changed
    states = {NEW: DELETED, DELETED: NEW, REWRITTEN: REWRITTEN, UNTOUCHED: UNTOUCHED}
    assert [(shard.path, states[shard.state]) for shard in found.files.shards] == [
        (shard.path, shard.state) for shard in back.files.shards
    ]


def test_shards_are_what_a_comparison_of_their_bytes_says(
    releases: tuple[Path, Path], found: ReleaseDiff
) -> None:
    before, after = ({path: sha256_file(folder / path) for path in list_files(folder)} for folder in releases)
    tars = {path for path in before | after if path.endswith(".tar")}
    states = {shard.path: shard.state for shard in found.files.shards}
    assert states.keys() == tars
    for path, state in states.items():
        wanted = {
            (True, True): UNTOUCHED if before.get(path) == after.get(path) else REWRITTEN,
            (False, True): NEW,
            (True, False): DELETED,
        }[path in before, path in after]
        assert state == wanted
    members = {path for theme in found.themes for path in theme.shards}
    assert members == {path for path, state in states.items() if state != UNTOUCHED}


def test_bytes_to_upload_are_the_contents_that_the_older_lacks(
    releases: tuple[Path, Path], found: ReleaseDiff
) -> None:
    known = {sha256_file(releases[0] / path) for path in list_files(releases[0])}
    new = {}
    for path in list_files(releases[1]):
        digest = sha256_file(releases[1] / path)
        if digest not in known:
            new[digest] = (releases[1] / path).stat().st_size
    assert found.files.upload_bytes == sum(new.values())
    assert found.files.upload_files == len(new)


def test_scores_are_compared_as_distributions(found: ReleaseDiff) -> None:
    shifts = {shift.column: shift for shift in found.themes[0].shifts}
    video = shifts["edited_video_score"]
    assert video.before is not None
    assert video.after is not None
    assert (video.before.mean, video.after.mean) == (9.0, 8.9)
    assert video.distance == pytest.approx(0.2)  # one of five samples is lower
    assert shifts["background_motion"].distance == 0
    assert {shift.column for shift in found.themes[1].shifts} == shifts.keys()


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_a_changed_artifact_is_named_by_its_kind(
    releases: tuple[Path, Path], before: Path, kind: str
) -> None:
    rewrite_rows(before, "season", {f"{kind}_sha256": bytes(32)}, ["Sparkle_season_000003"])
    season = compare(releases[0], before).themes[1]
    assert season.changed == {"Sparkle_season_000003": (kind,)}
    (members,) = season.shards.values()
    assert (members.left, members.entered, members.changed) == (0, 0, 1)


def test_a_value_that_becomes_null_is_a_change_and_null_equals_null(
    releases: tuple[Path, Path], before: Path
) -> None:
    ids = ["Sparkle_season_000000", "Sparkle_season_000003"]
    rewrite_rows(before, "season", {"subtheme": None, "flicker": None}, ids)
    season = compare(releases[0], before).themes[1]
    assert set(season.changed) == set(ids)
    assert set(season.changed[ids[0]]) == {"subtheme", "flicker"}
    flicker = next(shift for shift in season.shifts if shift.column == "flicker")
    assert (flicker.after, flicker.distance) == (None, None)
    assert compare(before, before).themes[1].changed == {}


def test_where_a_pair_lies_is_no_change_of_the_pair(releases: tuple[Path, Path], before: Path) -> None:
    place = {"source_video_shard": "season_source_video_part07.tar", "source_video_offset": 512}
    rewrite_rows(before, "season", place, ["Sparkle_season_000000"])
    season = compare(releases[0], before).themes[1]
    assert season.changed == {}
    moved = season.shards["season_source_video_part07.tar"]
    assert (moved.left, moved.entered, moved.changed) == (0, 1, 0)


def test_columns_of_one_side_are_named_and_not_compared(releases: tuple[Path, Path], before: Path) -> None:
    for path in (before / "data" / "season").glob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.drop_columns("scene").append_column("mine", [["x"] * len(table)]), path)
    relist(before)
    season = compare(releases[0], before).themes[1]
    assert (season.columns_removed, season.columns_added) == (("scene",), ("mine",))
    assert season.changed == {}


def test_rows_out_of_order_are_refused(releases: tuple[Path, Path], before: Path) -> None:
    path = next(path for path in (before / "data" / "location").glob("*") if pq.read_table(path).num_rows > 1)
    table = pq.read_table(path)
    pq.write_table(table.take([1, 0, *range(2, len(table))]), path)
    relist(before)
    with pytest.raises(ReleaseError, match="rows are not sorted by id"):
        compare(releases[0], before)


def test_a_table_that_the_manifest_does_not_list_so_is_refused(
    releases: tuple[Path, Path], before: Path
) -> None:
    path = sorted((before / "data" / "location").glob("*"))[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ReleaseError, match="not the one that the manifest lists"):
        compare(releases[0], before)
    path.unlink()
    with pytest.raises(ReleaseError, match="no such file"):
        compare(releases[0], before)


def test_no_tar_csv_or_json_line_is_read(releases: tuple[Path, Path], before: Path) -> None:
    for path in list_files(before):
        if path.endswith((".tar", ".csv", ".jsonl", ".mp4", ".png", ".npz")):
            (before / path).unlink()
    assert compare(releases[0], before).same


def test_the_changelog_has_the_groups_of_keep_a_changelog(found: ReleaseDiff) -> None:
    text = changelog(found)
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads == ["## Unreleased", "### Added", "### Changed", "### Removed"]
    assert "- 1 pair of `location` (Sparkle_location_000100)." in text
    assert "- Mean edited_video_score of `location`: 9.000 → 8.900." in text
    assert "No pair was" not in text


def test_the_changelog_of_nothing_says_so(releases: tuple[Path, Path]) -> None:
    text = changelog(compare(releases[0], releases[0]))
    assert text == "## Unreleased\n\nNo pair was added, changed or removed."


# --- the command ------------------------------------------------------------------------------


def test_a_difference_is_exit_code_0_and_told_for_people(releases: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(hub, ["diff", *map(str, releases)])
    assert done.exit_code == 0, done.output
    assert "pairs: 2 added, 1 removed, 2 changed" in done.stdout
    assert "scores that shifted" in done.stdout
    same = CliRunner().invoke(hub, ["diff", str(releases[0]), str(releases[0])])
    assert same.exit_code == 0
    assert "are the same" in same.stdout


def test_json_is_one_object_with_every_id(releases: tuple[Path, Path], found: ReleaseDiff) -> None:
    done = CliRunner().invoke(hub, ["diff", *map(str, releases), "--json"])
    answer = json.loads(done.stdout)
    assert answer == json.loads(json.dumps(to_json(found)))
    assert answer["themes"][0]["added"] == ["Sparkle_location_000100"]
    assert answer["files"]["upload_bytes"] == found.files.upload_bytes


def test_changelog_is_the_text_alone(releases: tuple[Path, Path], found: ReleaseDiff) -> None:
    done = CliRunner().invoke(hub, ["diff", *map(str, releases), "--changelog"])
    assert (done.exit_code, done.stdout) == (0, changelog(found) + "\n")


def test_what_is_no_release_is_exit_code_1(releases: tuple[Path, Path], tmp_path: Path) -> None:
    for name, problem in ((str(tmp_path), "not a release"), ("no/such/place", "neither a folder nor")):
        done = CliRunner().invoke(hub, ["diff", str(releases[0]), name])
        assert done.exit_code == 2
        assert problem in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize(
    "words", [["diff"], ["diff", "a"], ["diff", "a", "b", "--json", "--changelog"], ["x"]]
)
def test_wrong_usage_is_exit_code_2(words: list[str]) -> None:
    assert CliRunner().invoke(hub, words).exit_code == 2


@pytest.mark.parametrize("words", [["--help"], ["diff", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    heavy = ("numpy", "pyarrow", "huggingface_hub", "datasets", "rich")
    code = (
        "import sys\nfrom sparkle.commands import hub as main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        f"print('HEAVY', [name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("HEAVY []")
