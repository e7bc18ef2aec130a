"""Integrity, consistency and reshard of a folder: each finds what it is there for, and passes a whole one."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from sparkle.builders.release.tar import header
from sparkle.hub.verify.levels import verify_release
from sparkle.hub.verify.report import (
    CONSISTENCY,
    INTEGRITY,
    LEVELS,
    NOT_PROVED,
    PROVED,
    REPLAY,
    RESHARD,
    VerifyOptions,
    VerifyReport,
    order,
)
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.validate import Finding

STILL = (INTEGRITY, CONSISTENCY, RESHARD)  # the levels that run nothing
EDITED = "location_edited_video_part00.tar"


def verify(folder: Path, *levels: str) -> VerifyReport:
    return verify_release(folder, VerifyOptions(levels=levels or STILL, workers=1))


def found(report: VerifyReport, level: str) -> list[Finding]:
    return next(item.findings for item in report.levels if item.level == level)


def repack(tar: Path, change: Callable[[list[tuple[str, bytes]]], Iterable[tuple[str, bytes]]]) -> None:
    """Write a tar again with other members, as a build would write them."""
    with tarfile.open(tar) as archive:
        members = [(info.name, archive.extractfile(info).read()) for info in archive]  # type: ignore[union-attr]
    out = io.BytesIO()
    for name, data in change(members):
        out.write(header(name, len(data)) + data + bytes(-len(data) % 512))
    tar.write_bytes(out.getvalue() + bytes(1024))


def rewrite(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(change(lines)), "utf-8")


def test_an_untouched_release_is_proved_at_every_level_that_runs_nothing(whole: Path) -> None:
    report = verify(whole)
    assert [level.status for level in report.levels] == [PROVED] * 3
    assert report.ok
    assert all(level.files and level.bytes and level.claim for level in report.levels)
    assert found(report, INTEGRITY) == []


def test_levels_run_once_each_in_their_order() -> None:
    assert order([RESHARD, INTEGRITY, RESHARD]) == (INTEGRITY, RESHARD)
    assert order(LEVELS) == LEVELS


def test_one_flipped_bit_in_a_shard_is_found_by_every_level(
    release: Path, flip: Callable[[Path, int], None]
) -> None:
    flip(release / EDITED, 700)  # inside the first member's data
    report = verify(release)
    assert [finding.file for finding in found(report, INTEGRITY)] == [EDITED]
    member = layout.EDITED_VIDEO.member("Sparkle_location_000000")
    assert (EDITED, member) in {(finding.file, finding.pointer) for finding in found(report, CONSISTENCY)}
    assert [(finding.file, finding.pointer) for finding in found(report, RESHARD)] == [(EDITED, member)]


@pytest.mark.parametrize("at", [100, -600, -1], ids=["header", "padding or end", "end"])
def test_a_bit_outside_of_members_is_found_though_the_manifest_was_written_again(
    release: Path, flip: Callable[[Path, int], None], rehash: Callable[[Path], None], at: int
) -> None:
    flip(release / EDITED, at)
    rehash(release)
    report = verify(release)
    assert found(report, INTEGRITY) == []
    assert EDITED in {finding.file for finding in found(report, CONSISTENCY)}
    assert [finding.file for finding in found(report, RESHARD)] == [EDITED]


def test_a_swapped_pair_is_found_though_the_manifest_was_written_again(
    release: Path, rehash: Callable[[Path], None]
) -> None:
    def swap(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        (one, first), (other, second), *rest = members
        return [(one, second), (other, first), *rest]

    tar = release / EDITED
    with tarfile.open(tar) as archive:
        names = archive.getnames()[:2]
    repack(tar, swap)
    rehash(release)
    report = verify(release, INTEGRITY, CONSISTENCY)
    assert found(report, INTEGRITY) == []
    said = [finding for finding in found(report, CONSISTENCY) if finding.file == tar.name]
    assert {finding.pointer for finding in said} >= set(names)


def test_a_dropped_mask_is_found_though_the_manifest_was_written_again(
    release: Path, rehash: Callable[[Path], None]
) -> None:
    tar = next(iter(sorted((release / "intermediate_data").glob("location_source_video_mask_part*.tar"))))
    repack(tar, lambda members: members[1:])
    rehash(release)
    report = verify(release, CONSISTENCY)
    name = f"intermediate_data/{tar.name}"
    missing = [
        finding for finding in found(report, CONSISTENCY) if finding.problem == "a sample is missing here"
    ]
    assert [(finding.file, finding.wanted) for finding in missing] == [(name, "Sparkle_location_000000")]


def test_a_score_below_its_threshold_is_found_though_table_and_manifest_agree(
    release: Path, rehash: Callable[[Path], None], change_cell: Callable[[Path, int, str, object], None]
) -> None:
    def lower(lines: list[str]) -> list[str]:
        line = json.loads(lines[0])
        for frame in line["editscore"]:
            frame["O_score"] = 3.0
        return [json.dumps(line, ensure_ascii=False) + "\n", *lines[1:]]

    scores = layout.record_file("location", "video_score")
    rewrite(release / scores, lower)
    change_cell(release / layout.data_parquet("location", 0, 2), 0, "edited_video_score", 3.0)
    rehash(release)
    report = verify(release, INTEGRITY, CONSISTENCY)
    assert found(report, INTEGRITY) == []
    assert any(
        finding.file == scores and finding.line == 1 and "thresholds" in finding.problem
        for finding in found(report, CONSISTENCY)
    )


def test_a_removed_csv_row_is_found_though_the_manifest_was_written_again(
    release: Path, rehash: Callable[[Path], None]
) -> None:
    csv = layout.prompts_csv("location")
    rewrite(release / csv, lambda lines: [*lines[:2], *lines[3:]])
    rehash(release)
    [finding] = found(verify(release, CONSISTENCY), CONSISTENCY)
    assert (finding.file, finding.wanted) == (csv, "Sparkle_location_000003")


def test_an_edited_card_is_a_matter_of_integrity_alone(release: Path) -> None:
    with (release / layout.CARD).open("a") as card:
        card.write("\nA paragraph that somebody added.\n")
    report = verify(release)
    assert [finding.file for finding in found(report, INTEGRITY)] == [layout.CARD]
    assert found(report, CONSISTENCY) == found(report, RESHARD) == []


def test_missing_and_foreign_files_are_found_and_a_clients_own_are_not(release: Path) -> None:
    (release / "notes.txt").write_text("mine")
    (release / layout.prompts_csv("location")).unlink()
    (release / ".gitattributes").write_text("*.tar filter=lfs\n")
    (release / ".cache" / "huggingface").mkdir(parents=True)
    (release / ".cache" / "huggingface" / "x.metadata").write_text("1")
    files = {finding.file for finding in found(verify(release, INTEGRITY), INTEGRITY)}
    assert files == {"notes.txt", layout.prompts_csv("location")}


def test_a_manifest_that_cannot_be_read_is_a_finding(release: Path) -> None:
    (release / layout.MANIFEST).write_bytes(b'{"format": "sparkle-release"')
    [finding] = found(verify(release, INTEGRITY), INTEGRITY)
    assert finding.file == layout.MANIFEST


def test_a_member_that_lies_elsewhere_than_the_order_of_ids_puts_it_is_found(
    release: Path, rehash: Callable[[Path], None]
) -> None:
    repack(release / EDITED, lambda members: members[::-1])
    rehash(release)
    assert {finding.file for finding in found(verify(release, RESHARD), RESHARD)} == {EDITED}


def test_findings_are_the_same_with_more_workers(release: Path, flip: Callable[[Path, int], None]) -> None:
    for name in (EDITED, "location_source_video_part00.tar"):
        flip(release / name, 700)
    alone = verify(release)
    together = verify_release(release, VerifyOptions(levels=STILL, workers=2))
    assert list(alone.findings()) == list(together.findings())


def test_a_bench_that_shares_a_source_is_found(release: Path, tmp_path: Path) -> None:
    bench = tmp_path / "bench" / "source_videos" / "location"
    bench.mkdir(parents=True)
    shutil.copy(release / layout.SOURCE_VIDEO.path("Sparkle_location_000000"), bench / "x.mp4")
    options = VerifyOptions(levels=(CONSISTENCY,), bench=tmp_path / "bench", workers=1)
    [finding] = found(verify_release(release, options), CONSISTENCY)
    assert finding.got == "Sparkle_location_000000"


def test_what_is_no_release_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="not a release"):
        verify(tmp_path)


def test_a_level_that_was_named_and_cannot_be_tried_is_an_error(
    release: Path, rehash: Callable[[Path], None]
) -> None:
    path = release / layout.PROVENANCE
    document = json.loads(path.read_bytes())
    document |= {"runs": [], "imported": {"tars": 1, "loose": 0, "findings": {}}}
    path.write_text(json.dumps(document))
    rehash(release)
    [level] = verify(release, RESHARD).levels
    assert level.status == NOT_PROVED
    assert "imported" in (level.missing or "")
    with pytest.raises(ReleaseError, match="reshard cannot be tried"):
        verify_release(release, VerifyOptions(levels=(RESHARD,), required=True))


def test_a_table_that_names_what_cannot_be_is_told_and_allocates_nothing(
    release: Path, rehash: Callable[[Path], None], change_cell: Callable[[Path, int, str, object], None]
) -> None:
    table = release / layout.data_parquet("location", 0, 2)
    change_cell(table, 0, "edited_video_size", 1 << 50)
    change_cell(table, 1, "task", "../../elsewhere")
    rehash(release)
    report = verify_release(
        release, VerifyOptions(levels=(CONSISTENCY, RESHARD, REPLAY), workers=1, sample=9)
    )
    assert all(level.findings for level in report.levels)
    files = {finding.file for finding in found(report, CONSISTENCY)}
    assert layout.data_parquet("location", 0, 2) in files


def test_a_table_that_cannot_be_read_stops_no_level(release: Path) -> None:
    (release / layout.data_parquet("location", 0, 2)).write_bytes(b"PAR1 and no more")
    report = verify(release)
    assert [bool(level.findings) for level in report.levels] == [True] * 3
    assert any("cannot go on" in finding.problem for finding in found(report, RESHARD))


@pytest.mark.parametrize("name", [EDITED, "data/location/train-00001-of-00002.parquet", "provenance.json"])
def test_a_fifo_is_found_by_each_level_and_read_by_none(release: Path, name: str) -> None:
    (release / name).unlink()
    os.mkfifo(release / name)
    report = verify(release, *LEVELS)
    for level in LEVELS:
        files = {finding.file for finding in found(report, level)}
        assert files if level == CONSISTENCY else name in files, level
