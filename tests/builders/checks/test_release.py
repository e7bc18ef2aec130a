"""What is wrong with a release is found where it is, and nothing else is."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.agree import agree
from sparkle.builders.checks.release import check_release
from sparkle.builders.checks.rows import compare_ids
from sparkle.builders.checks.tars import tar_jobs
from sparkle.builders.checks.theme import Theme
from sparkle.builders.release.manifest import list_files
from sparkle.builders.release.tar import list_tar, write_tar
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS
from sparkle.schemas.validate import Finding

IDS = [f"Sparkle_location_{index:06d}" for index in (0, 3, 6, 9, 12, 15)]
CSV = "prompts/location_train.csv"
METADATA = "prompts/location_train_metadata.jsonl"
EDIT = layout.record_file("location", "edit_score")
VIDEO = layout.record_file("location", "video_score")
ROUND1 = layout.record_file("location", "ground1")
ROUND2 = layout.record_file("location", "ground2")
FIRST = "data/location/train-00000-of-00002.parquet"
REST = "data/location/train-00001-of-00002.parquet"
RECORDS = "records/location.parquet"

Mutation = Callable[[Path], None]


def places(findings: tuple[Finding, ...]) -> set[tuple[str, int]]:
    return {(finding.file, finding.line) for finding in findings}


def lines(name: str, edit: Callable[[list[str]], object]) -> Mutation:
    """Edit the lines of a file, each with its end."""

    def mutate(folder: Path) -> None:
        found = (folder / name).read_bytes().decode().splitlines(keepends=True)
        edit(found)
        (folder / name).write_bytes("".join(found).encode())

    return mutate


def swap(name: str, number: int, old: str, new: str) -> Mutation:
    """Replace a word in a line, counted from 1."""

    def edit(found: list[str]) -> None:
        assert old in found[number - 1]
        found[number - 1] = found[number - 1].replace(old, new, 1)

    return lines(name, edit)


def value(name: str, number: int, edit: Callable[[dict[str, Any]], object]) -> Mutation:
    """Edit a JSON line as a value."""

    def edit_line(found: list[str]) -> None:
        line = json.loads(found[number - 1])
        edit(line)
        found[number - 1] = json.dumps(line, ensure_ascii=False) + "\n"

    return lines(name, edit_line)


def table(name: str, edit: Callable[[pa.Table], pa.Table]) -> Mutation:
    def mutate(folder: Path) -> None:
        pq.write_table(edit(pq.read_table(folder / name)), folder / name)

    return mutate


def column(name: str, number: int, new: object) -> Callable[[pa.Table], pa.Table]:
    """Change one value of a table."""

    def edit(found: pa.Table) -> pa.Table:
        values = found[name].to_pylist()
        values[number] = new
        index = found.column_names.index(name)
        return found.set_column(index, found.field(name), pa.array(values, found.field(name).type))

    return edit


def raw(name: str, old: bytes, new: bytes) -> Mutation:
    """Replace bytes of a file, once."""

    def mutate(folder: Path) -> None:
        data = (folder / name).read_bytes()
        assert old in data
        (folder / name).write_bytes(data.replace(old, new, 1))

    return mutate


def both(first: Mutation, second: Mutation) -> Mutation:
    def mutate(folder: Path) -> None:
        first(folder)
        second(folder)

    return mutate


def score_of_first(name: str, score: float) -> Mutation:
    """Change a score of the second sample in its row."""
    return table(FIRST, column(name, 1, score))


def without_field(found: list[str]) -> None:
    """Take the last column away."""
    found[:] = [line.rpartition(",")[0] + "\n" if "," in line else line for line in found]


def no_boxes(line: dict[str, Any]) -> None:
    for objects in line["frame_objects"]:
        for item in objects:
            item["bbox_2d"] = []


def boxes_moved(found: pa.Table) -> pa.Table:
    frames = found["frame_objects"].to_pylist()
    frames[3][0][0]["bbox_2d"][2] += 1
    index = found.column_names.index("frame_objects")
    field = found.schema.field(index)
    return found.set_column(index, field, pa.array(frames, field.type))


def without_member(kind: layout.Kind, sample_id: str) -> Mutation:
    """Write the tar that holds a sample again, without it."""

    def mutate(folder: Path) -> None:
        for tar in folder.glob(kind.shard("location", 0).replace("part00", "part*")):
            data = tar.read_bytes()
            members = list(list_tar(tar))
            if kind.member(sample_id) not in [member.name for member in members]:
                continue
            contents = []
            for member in (member for member in members if sample_id not in member.name):
                contents.append((member.name, data[member.offset : member.offset + member.size]))
            write_tar(tar, contents, lambda done=1: None)

    return mutate


def remove(name: str) -> Mutation:
    return lambda folder: (folder / name).unlink()


def shard_of(release: Path, kind: layout.Kind, sample_id: str) -> str:
    return next(
        tar.relative_to(release).as_posix()
        for tar in sorted(release.glob(kind.shard("location", 0).replace("part00", "part*")))
        if kind.member(sample_id) in [member.name for member in list_tar(tar)]
    )


@pytest.fixture
def release(whole_release: Path, tmp_path: Path) -> Path:
    """A copy of a release in which nothing is to be found."""
    return Path(shutil.copytree(whole_release, tmp_path / "release"))


def test_a_release_as_built_has_no_findings(whole_release: Path) -> None:
    report = check_release(whole_release)
    assert report.findings == ()
    assert report.samples == {"location": 6, "openve3m": 3}
    assert report.files == len(list_files(whole_release))


def test_a_prompt_that_csv_readers_take_for_no_value_is_found(shared_release: Path) -> None:
    (finding,) = check_release(shared_release).findings
    assert (finding.file, finding.line, finding.pointer) == ("prompts/openve3m_train.csv", 2, "/prompt")
    assert finding.got == "'None'"


# The csv's third sample has a prompt of two lines, so its rows stand on lines 2, 3, 4-5, 6, 7, 8.
INSIDE: dict[str, tuple[Mutation, set[tuple[str, int]]]] = {
    "csv row removed": (lines(CSV, lambda found: found.pop(5)), {(CSV, 6)}),
    "first csv row removed": (lines(CSV, lambda found: found.pop(1)), {(CSV, 2)}),
    "csv row twice": (lines(CSV, lambda found: found.insert(2, found[2])), {(CSV, 4)}),
    "csv rows out of order": (lines(CSV, lambda found: found.insert(7, found.pop(6))), {(CSV, 8)}),
    "csv header": (swap(CSV, 1, "task", "id"), {(CSV, 1)}),
    "csv byte order mark": (swap(CSV, 1, "prompt", "\ufeffprompt"), {(CSV, 1)}),
    "csv CRLF": (swap(CSV, 7, "\n", "\r\n"), {(CSV, 7)}),
    "csv quoted for nothing": (swap(CSV, 8, f",{IDS[5]}\n", f',"{IDS[5]}"\n'), {(CSV, 8)}),
    "csv blank line": (lines(CSV, lambda found: found.insert(2, "\n")), {(CSV, 3)}),
    "csv quote never closed": (swap(CSV, 8, "Put", '"Put'), {(CSV, 8)}),
    "csv field too many": (swap(CSV, 3, "\n", ",more\n"), {(CSV, 3)}),
    "csv path of another": (swap(CSV, 3, f"source_video/{IDS[1]}", f"source_video/{IDS[0]}"), {(CSV, 3)}),
    "csv id of another theme": (swap(CSV, 3, f",{IDS[1]}\n", ",Sparkle_time_000003\n"), {(CSV, 3)}),
    "csv without last line end": (swap(CSV, 8, "\n", ""), {(CSV, 8)}),
    "jsonl line broken": (swap(EDIT, 2, "}}", "}"), {(EDIT, 2)}),
    "jsonl line removed": (lines(ROUND1, lambda found: found.pop(5)), {(ROUND1, 6)}),
    "jsonl blank line": (lines(VIDEO, lambda found: found.insert(3, "\n")), {(VIDEO, 4)}),
    "jsonl key twice": (swap(METADATA, 4, '{"id"', '{"id": "x", "id"'), {(METADATA, 4)}),
    "jsonl NaN": (swap(EDIT, 5, '"overall": 9.0', '"overall": NaN'), {(EDIT, 5)}),
    "jsonl no object": (lines(EDIT, lambda found: found.__setitem__(4, "[]\n")), {(EDIT, 5)}),
    "score out of range": (swap(VIDEO, 1, '"O_score": 9.0', '"O_score": 10.5'), {(VIDEO, 1)}),
    "unknown key": (value(METADATA, 6, lambda line: line.update(extra=1)), {(METADATA, 6)}),
    "id of another theme": (swap(METADATA, 6, IDS[5], "Sparkle_time_000015"), {(METADATA, 6)}),
    "box out of range": (swap(ROUND1, 3, "600, 700", "600, 1001"), {(ROUND1, 3)}),
    "box turned": (swap(ROUND2, 3, "[250, 250, 600, 700]", "[600, 250, 250, 700]"), {(ROUND2, 3)}),
    "label of round 2": (swap(ROUND2, 4, '[], "label": "red', '[], "label": "blue'), {(ROUND2, 4)}),
    "round 1 in round 2": (swap(ROUND2, 5, "600, 700", "600, 701"), {(ROUND2, 5)}),
    "prompt of jsonl": (swap(ROUND1, 2, "rooftop", "beach"), {(ROUND1, 2)}),
    "csv prompt": (
        swap(CSV, 3, "rooftop", "beach"),
        {(METADATA, 2), (EDIT, 2), (VIDEO, 2), (ROUND1, 2), (ROUND2, 2), (FIRST, 0), (RECORDS, 0)}
        | {(layout.record_file("location", "remove_score"), 2)},
    ),
    "csv id that stands nowhere else": (
        lines(CSV, lambda found: found.append(found[-1].replace(IDS[5], "Sparkle_location_000018"))),
        {(CSV, 9)},
    ),
    "csv column lost": (lines(CSV, without_field), {(CSV, 1)}),
    "csv not UTF-8": (raw(CSV, b"hello", b"h\xffllo"), {(CSV, 4)}),
    "jsonl byte order mark": (raw(EDIT, b'{"id"', b'\xef\xbb\xbf{"id"'), {(EDIT, 1)}),
    "jsonl not UTF-8": (raw(EDIT, b"It looks", b"It l\xffoks"), {(EDIT, 1)}),
    "jsonl lone surrogate": (raw(EDIT, b"It looks", b"It l\\ud800oks"), {(EDIT, 1)}),
    "jsonl infinity": (swap(EDIT, 5, '"overall": 9.0', '"overall": 1e999'), {(EDIT, 5)}),
    "jsonl nested deep": (raw(ROUND2, b": [[{", b": " + b"[" * 9000), {(ROUND2, 1)}),
    "jsonl nested": (
        swap(ROUND2, 2, '"frame_objects": ', f'"x": {"[" * 500}{"]" * 500}, "frame_objects": '),
        {(ROUND2, 2)},
    ),
    "jsonl 50 MB line": (raw(VIDEO, b'"Followed.', b'"' + b"x" * 50_000_000), {(VIDEO, 1)}),
    "jsonl key twice inside": (swap(ROUND2, 3, '"label"', '"label": "x", "label"'), {(ROUND2, 3)}),
    "jsonl line twice": (lines(EDIT, lambda found: found.insert(2, found[2])), {(EDIT, 4)}),
    "jsonl without last line end": (swap(EDIT, 6, "}\n", "}"), set()),
    "grounding of another theme": (
        swap(ROUND1, 2, '"edit_type": "location"', '"edit_type": "time"'),
        {(ROUND1, 2)},
    ),
    "score below the threshold": (
        both(swap(EDIT, 2, '"overall": 9.0', '"overall": 7.9'), score_of_first("edited_frame0_score", 7.9)),
        {(EDIT, 2)},
    ),
    "no box on any frame": (value(ROUND2, 2, no_boxes), {(ROUND2, 2), (RECORDS, 0)}),
    "measure below the threshold": (table(REST, column("background_motion", 1, -1.0)), {(REST, 0)}),
    "records box": (table(RECORDS, boxes_moved), {(RECORDS, 0)}),
    "records label": (table(RECORDS, column("round1_labels", 2, ["blue square"])), {(RECORDS, 0)}),
    "records reasoning": (table(RECORDS, column("edited_frame0_PQ_reasoning", 1, "No.")), {(RECORDS, 0)}),
    "records scene": (table(RECORDS, column("original_scene", 1, "A beach.")), {(RECORDS, 0)}),
    "records id": (table(RECORDS, column("task", 1, "cat")), {(RECORDS, 0)}),
    "parquet frames": (table(REST, column("frames", 1, 13)), {(REST, 0)}),
    "parquet id": (table(REST, column("task", 1, None)), {(REST, 0)}),
    "parquet row removed": (table(REST, lambda found: pa.concat_tables([found[:1], found[2:]])), {(REST, 0)}),
    "parquet score": (table(REST, column("edited_video_score", 1, 9.5)), {(REST, 0)}),
    "parquet offset": (table(REST, column("source_video_offset", 2, 0)), {(REST, 0)}),
    "parquet scene": (table(FIRST, column("scene", 0, "beach")), {(FIRST, 0)}),
    "parquet hash": (table(REST, column("source_frame0_sha256", 0, b"short")), {(REST, 0)}),
    "parquet preview lost": (table(FIRST, column("preview", 1, None)), {(FIRST, 0)}),
    "parquet column lost": (table(REST, lambda found: found.drop_columns(["flicker"])), {(REST, 0)}),
    "parquet cut short": (lambda folder: (folder / REST).write_bytes(b"PAR1"), {(REST, 0)}),
    "parquet part lost": (remove(REST), {(FIRST, 0)}),
    "records row removed": (table(RECORDS, lambda found: found.slice(0, 5)), {(RECORDS, 0)}),
    "records lost": (remove(RECORDS), {(RECORDS, 0)}),
    "csv lost": (remove(CSV), {(CSV, 0)}),
    "jsonl lost": (remove(ROUND1), {(ROUND1, 0)}),
}


@pytest.mark.parametrize("name", INSIDE)
def test_what_is_wrong_inside_a_file_is_found_there(release: Path, name: str) -> None:
    mutate, expected = INSIDE[name]
    mutate(release)
    agree(release)
    assert places(check_release(release).findings) == expected


def test_a_finding_says_what_was_got_and_wanted(release: Path) -> None:
    value(
        EDIT,
        2,
        lambda line: line["editscore"].update(
            consistency=9.5, perceptual_quality=9.5, overall=9.5, prompt_following=9.5
        ),
    )(release)
    agree(release)
    (finding,) = check_release(release).findings
    assert (finding.file, finding.pointer) == (FIRST, "/rows/1/edited_frame0_score")
    assert (finding.got, finding.wanted) == ("9.0", "9.5")


def test_everything_is_found_at_once(release: Path) -> None:
    for name in ("csv CRLF", "jsonl NaN", "box turned", "parquet scene", "records lost"):
        INSIDE[name][0](release)
    agree(release)
    assert places(check_release(release).findings) == {
        (CSV, 7),
        (EDIT, 5),
        (ROUND2, 3),
        (FIRST, 0),
        (RECORDS, 0),
    }


@pytest.mark.parametrize("kind", [layout.SOURCE_VIDEO, layout.SOURCE_VIDEO_MASK], ids=lambda kind: kind.name)
def test_a_missing_tar_member_is_found(release: Path, kind: layout.Kind) -> None:
    tar = shard_of(release, kind, IDS[1])
    without_member(kind, IDS[1])(release)
    agree(release)
    findings = [finding for finding in check_release(release).findings if finding.file == tar]
    assert [(finding.problem, finding.wanted) for finding in findings] == [
        ("a sample is missing here", IDS[1])
    ]


def test_a_missing_part_is_found(release: Path) -> None:
    (release / "location_edited_video_part00.tar").unlink()
    agree(release)
    problems = {(finding.file, finding.problem) for finding in check_release(release).findings}
    assert ("location_edited_video_part00.tar", "the tar is missing") in problems


def test_a_cut_tar_is_found(release: Path) -> None:
    path = release / "location_edited_video_part00.tar"
    path.write_bytes(path.read_bytes()[:-512])
    agree(release)
    assert places(check_release(release).findings) == {(path.name, 0)}


def test_a_tar_packed_by_others_is_found(release: Path, tmp_path: Path) -> None:
    path = release / "location_edited_video_part00.tar"
    subprocess.run(["tar", "-xf", path, "-C", tmp_path], check=True)
    subprocess.run(["tar", "-cf", path, "-C", tmp_path, "location"], check=True)
    agree(release)
    assert any(finding.file == path.name for finding in check_release(release).findings)


def test_parts_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for part in range(102):
        name = layout.SOURCE_VIDEO.member(f"Sparkle_location_{part:06d}")
        write_tar(tmp_path / layout.SOURCE_VIDEO.shard("location", part), [(name, b"1")], lambda done=1: None)
    theme = Theme(tmp_path, "location", frozenset(list_files(tmp_path)))
    jobs = list(tar_jobs(theme, contents=True))
    theme.take(jobs, (job() for job in jobs))
    rows = theme.rows[layout.SOURCE_VIDEO.name]
    assert list(compare_ids(rows.keys, rows)) == []
    assert len(rows.keys) == 102


# --- files and the manifest -------------------------------------------------------------------


def test_an_extra_file_is_found(release: Path) -> None:
    (release / "prompts/notes.txt").write_text("mine")
    (finding,) = check_release(release).findings
    assert (finding.file, finding.line) == ("prompts/notes.txt", 0)
    assert "does not list" in finding.problem


def test_a_link_is_found(release: Path) -> None:
    shutil.move(release / "README.md", release.parent / "elsewhere.md")
    (release / "README.md").symlink_to(release.parent / "elsewhere.md")
    (finding,) = check_release(release).findings
    assert finding.file == "README.md"
    assert "link" in finding.problem


@pytest.mark.parametrize("change", [b"", b"more"])
def test_another_content_is_found(release: Path, change: bytes) -> None:
    path = release / "README.md"
    path.write_bytes(path.read_bytes().replace(b"Pairs", b"Pears") + change)
    assert places(check_release(release).findings) == {("README.md", 0)}


def test_a_missing_file_is_found(release: Path) -> None:
    (release / "README.md").unlink()
    assert places(check_release(release).findings) == {("README.md", 0)}


@pytest.mark.parametrize("kind", [layout.EDITED_VIDEO, layout.EDITED_FRAME0], ids=lambda kind: kind.name)
def test_loose_files_are_those_of_the_first_samples(release: Path, kind: layout.Kind) -> None:
    (release / kind.path(IDS[1])).rename(release / kind.path(IDS[2]))
    agree(release)
    assert places(check_release(release).findings) == {(kind.path(IDS[1]), 0), (kind.path(IDS[2]), 0)}


def test_a_loose_file_has_the_content_of_its_member(release: Path) -> None:
    path = layout.EDITED_FRAME0.path(IDS[0])
    (release / path).write_bytes(b"another picture")
    agree(release)
    assert places(check_release(release).findings) == {(path, 0)}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"format": "sparkle-release"', '"format": "zip"', "wanted sparkle-release"),
        ('"path": "README.md"', '"path": "../README.md"', "not"),
        ('"version": 1', '"version": NaN', "not a finite number"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_found(release: Path, old: str, new: str, problem: str) -> None:
    path = release / layout.MANIFEST
    path.write_text(path.read_text().replace(old, new, 1))
    findings = check_release(release).findings
    assert places(findings) == {(layout.MANIFEST, 0)}
    assert any(problem in str(finding) for finding in findings)


def test_a_manifest_out_of_order_is_found(release: Path) -> None:
    path = release / layout.MANIFEST
    document = json.loads(path.read_text())
    document["files"].reverse()
    path.write_text(json.dumps(document))
    assert places(check_release(release).findings) == {(layout.MANIFEST, 0)}


def test_a_provenance_that_breaks_its_schema_is_found(release: Path) -> None:
    path = release / layout.PROVENANCE
    path.write_text(path.read_text().replace('"sparkle-provenance"', '"tale"', 1))
    agree(release)
    assert places(check_release(release).findings) == {(layout.PROVENANCE, 0)}


def test_a_theme_that_is_gone_altogether_is_found(release: Path) -> None:
    for path in [*release.rglob("openve3m*"), *release.rglob("openve3m")]:
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
    report = check_release(release)
    assert report.samples == {"location": 6}
    assert {finding.file for finding in report.findings} >= {"prompts/openve3m_train.csv"}


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="not a release"):
        check_release(tmp_path)


def test_every_kind_is_looked_at(release: Path) -> None:
    for kind in KINDS:
        for tar in release.glob(kind.shard("location", 0).replace("part00", "part*")):
            tar.unlink()
    agree(release)
    missing = {finding.file for finding in check_release(release).findings}
    assert missing >= {kind.shard("location", 0) for kind in KINDS}
