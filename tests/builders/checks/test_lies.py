"""Lies of a release are found where they are, though manifest, card and Croissant were made to fit them."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness import factories
from harness.agree import agree
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.webdataset import WebDatasetOptions
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.builders.release.removed import source_mark
from sparkle.builders.release.tables import PREVIEW_GROUP
from sparkle.schemas import layout
from sparkle.schemas.validate import Finding

FIRST = "data/location/train-00000-of-00002.parquet"
REST = "data/location/train-00001-of-00002.parquet"
RECORDS = "records/location.parquet"
EDIT = layout.record_file("location", "edit_score")
REMOVAL = layout.record_file("location", "remove_score")
VIDEO = layout.record_file("location", "video_score")
ROUND2 = layout.record_file("location", "ground2")

Lie = Callable[[Path], object]


def together(*lies: Lie) -> Lie:
    def tell(folder: Path) -> None:
        for lie in lies:
            lie(folder)

    return tell


def cell(file: str, column: str, row: int, value: object) -> Lie:
    """Write another value into a table; its encoding and metadata stay."""

    def tell(folder: Path) -> None:
        found = pq.read_table(folder / file)
        values = found[column].to_pylist()
        values[row] = value(values) if callable(value) else value
        index, field = found.column_names.index(column), found.field(column)
        changed = found.set_column(index, field, pa.array(values, field.type))
        pq.write_table(changed, folder / file, row_group_size=PREVIEW_GROUP)

    return tell


def line(file: str, number: int, change: Callable[[dict[str, Any]], object]) -> Lie:
    """Change a JSON line, counted from 1."""

    def tell(folder: Path) -> None:
        lines = (folder / file).read_text("utf-8").splitlines()
        value = json.loads(lines[number - 1])
        change(value)
        lines[number - 1] = json.dumps(value, ensure_ascii=False)
        (folder / file).write_text("".join(f"{text}\n" for text in lines), "utf-8")

    return tell


def document(file: str, change: Callable[[dict[str, Any]], object]) -> Lie:
    def tell(folder: Path) -> None:
        value = json.loads((folder / file).read_bytes())
        change(value)
        (folder / file).write_text(json.dumps(value), "utf-8")

    return tell


def words(file: str, old: str, new: str) -> Lie:
    def tell(folder: Path) -> None:
        text = (folder / file).read_text("utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1), "utf-8")

    return tell


def features(change: Callable[[dict[str, Any]], object] | None) -> Lie:
    """Tell `datasets` something else of the columns, or nothing."""

    def tell(folder: Path) -> None:
        found = pq.read_table(folder / FIRST)
        told = json.loads(found.schema.metadata[b"huggingface"])
        metadata = None
        if change is not None:
            change(told["info"]["features"])
            metadata = {"huggingface": json.dumps(told)}
        pq.write_table(found.replace_schema_metadata(metadata), folder / FIRST)

    return tell


def preview(row: int, **parts: object) -> Lie:
    """Change name or bytes of a preview."""

    def change(values: list[dict[str, Any]]) -> dict[str, Any]:
        made = {name: part(values) if callable(part) else part for name, part in parts.items()}
        return {**values[row], **made}

    return cell(FIRST, "preview", row, change)


def frames_said(indices: list[int]) -> Lie:
    """Say in JSON lines and records that other frames were scored."""
    return together(
        line(VIDEO, 2, lambda value: value.update(frame_indices=indices)),
        cell(RECORDS, "frame_indices", 1, indices),
    )


def anchors(count: int) -> Lie:
    """Say in JSON lines and records that round 2 looked at so many frames."""
    return together(
        line(ROUND2, 2, lambda value: value.update(frame_objects=value["frame_objects"][:1] * count)),
        cell(RECORDS, "frame_objects", 1, lambda values: values[1][:1] * count),
    )


def score(file: str, value: float, **parts: float) -> Lie:
    """Raise a score in its line and its row."""
    column = {EDIT: "edited_frame0_score", REMOVAL: "foreground_removed_score"}[file]
    return together(
        line(file, 2, lambda found: found["editscore"].update(overall=value, **parts)),
        cell(FIRST, column, 1, value),
    )


def frame_score(value: float) -> Lie:
    def raise_all(found: dict[str, Any]) -> None:
        for frame in found["editscore"]:
            frame["O_score"] = value

    def raised(values: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
        return [{**frame, "O_score": value} for frame in values[1]]

    return together(
        line(VIDEO, 2, raise_all),
        cell(RECORDS, "frame_scores", 1, raised),
        cell(FIRST, "edited_video_score", 1, value),
    )


def put(path: str, source: str) -> Lie:
    """Put a copy of a file where no release has one."""

    def tell(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / source, folder / path)

    return tell


def run(change: Callable[[dict[str, Any]], object]) -> Lie:
    return document(layout.PROVENANCE, lambda value: change(value["runs"][0]))


def option(change: Callable[[dict[str, Any]], object]) -> Lie:
    return document(layout.PROVENANCE, lambda value: change(value["options"]))


def add_failure(told: dict[str, Any]) -> None:
    told["funnel"][3]["failed"] = {"made up": 2}


def limit_of_build(told: dict[str, Any]) -> None:
    told["selection"] = {"thresholds": {"edited_video": 8.5}}


def more_shards(told: dict[str, Any]) -> None:
    told["webdataset"] = {"streams": ["edited_video"], "shard_size": 1000}


def taken_down(folder: Path) -> None:
    """Say that the source of a sample that is there was taken down."""
    source = pq.read_table(folder / REST)["source_sha256"][2].as_py()
    removed = {"samples": {"style": 1}, "ids": ["0" * 64], "sources": [source_mark(source)]}
    document(layout.PROVENANCE, lambda value: value.update(removed=removed))(folder)


def one_source(folder: Path) -> None:
    """Give two samples one source, and two licences."""
    source = pq.read_table(folder / REST)["source_sha256"][0].as_py()
    cell(REST, "source_sha256", 2, source)(folder)
    cell(REST, "licence", 2, "cc-by-4.0")(folder)


def distribution(change: Callable[[list[dict[str, Any]]], object]) -> Lie:
    return document(layout.CROISSANT, lambda value: change(value["distribution"]))


P = layout.PROVENANCE
# What is told -> where it is found. All of it is found without decoding anything.
LIES: dict[str, tuple[Lie, set[tuple[str, int, str]]]] = {
    "a preview by another name": (
        preview(1, path="Sparkle_location_000000.mp4"),
        {(FIRST, 0, "/rows/1/preview")},
    ),
    "a preview without a name": (preview(0, path=None), {(FIRST, 0, "/rows/0/preview")}),
    "garbage for a preview": (preview(1, bytes=bytes(range(256)) * 8), {(FIRST, 0, "/rows/1/preview")}),
    "no bytes for a preview": (preview(1, bytes=None), {(FIRST, 0, "/rows/1/preview")}),
    "a preview of a pair without a height": (
        together(preview(1, path="other.mp4"), cell(FIRST, "height", 1, 0)),
        {(FIRST, 0, "/rows/1/preview"), (FIRST, 0, "/rows/1/height")},
    ),
    "a pair without a height": (cell(FIRST, "height", 1, 0), {(FIRST, 0, "/rows/1/height")}),
    "a preview that is cut": (
        preview(1, bytes=lambda values: values[1]["bytes"][:-9]),
        {(FIRST, 0, "/rows/1/preview")},
    ),
    "a whole video for a preview": (
        lambda folder: preview(
            1, bytes=(folder / layout.EDITED_VIDEO.path("Sparkle_location_000003")).read_bytes()
        )(folder),
        {(FIRST, 0, "/rows/1/preview")},
    ),
    "nothing for datasets": (features(None), {(FIRST, 0, "/schema/huggingface")}),
    "a preview that datasets takes for a text": (
        features(lambda told: told.update(preview={"dtype": "string", "_type": "Value"})),
        {(FIRST, 0, "/schema/huggingface")},
    ),
    "a frame beyond the video": (frames_said([1, 3, 5, 9999]), {(VIDEO, 2, "/frame_indices")}),
    "the frame after the last": (frames_said([1, 3, 5, 9]), {(VIDEO, 2, "/frame_indices")}),
    "frames that are not sampled": (frames_said([0, 3, 5, 8]), {(VIDEO, 2, "/frame_indices")}),
    "an anchor too many": (anchors(3), {(ROUND2, 2, "/frame_objects")}),
    "an anchor too few": (anchors(1), {(ROUND2, 2, "/frame_objects")}),
    "anchors of records put together": (
        cell(RECORDS, "frame_objects", 1, lambda values: [[*values[1][0], *values[1][1]]]),
        {(RECORDS, 0, "/rows/1/frame_objects")},
    ),
    "a measure left out": (
        cell(REST, "foreground_psnr", 2, None),
        {(REST, 0, "/rows/2/foreground_psnr")},
    ),
    "a measure that is no number": (
        cell(REST, "background_motion", 0, math.nan),
        {(REST, 0, "/rows/0/background_motion")},
    ),
    "an endless measure": (cell(REST, "sharpness", 0, math.inf), {(REST, 0, "/rows/0/sharpness")}),
    "a score that is no number": (
        cell(REST, "edited_video_score", 1, math.nan),
        {(REST, 0, "/rows/1/edited_video_score")},
    ),
    "a full score whatever its parts": (score(EDIT, 10.0), {(EDIT, 2, "/editscore/overall")}),
    "a score a little above its parts": (score(REMOVAL, 9.01), {(REMOVAL, 2, "/editscore/overall")}),
    "a score below its parts": (score(EDIT, 8.9), {(EDIT, 2, "/editscore/overall")}),
    "parts that give less": (
        score(EDIT, 9.0, consistency=2.0),
        {(EDIT, 2, "/editscore/overall")},
    ),
    "full scores of frames": (
        frame_score(10.0),
        {(VIDEO, 2, f"/editscore/{index}/O_score") for index in range(4)},
    ),
    "fewer kept than there are": (run(lambda told: told.update(kept=4)), {(P, 0, "/runs/0/kept")}),
    "more kept than there are": (run(lambda told: told.update(kept=700)), {(P, 0, "/runs/0/kept")}),
    "more candidates": (run(lambda told: told.update(candidates=700)), {(P, 0, "/runs/0/candidates")}),
    "a funnel that does not add up": (run(add_failure), {(P, 0, "/runs/0/funnel/3/kept")}),
    "a step that gains samples": (
        run(lambda told: told["funnel"][5].update({"in": 700, "kept": 700})),
        {(P, 0, "/runs/0/funnel/5/in")},
    ),
    "a backend that the configuration does not have": (
        run(lambda told: told["models"][1].update(backend="openai")),
        {(P, 0, "/runs/0/models")},
    ),
    "a backend that is no name": (
        run(lambda told: told["config"]["backends"]["vlm"].update(name=["classical"])),
        {(P, 0, "/runs/0/models")},
    ),
    "a model left out": (run(lambda told: told["models"].pop()), {(P, 0, "/runs/0/models")}),
    "a limit of the build that nobody was judged by": (
        option(limit_of_build),
        {(P, 0, "/runs/0/config/thresholds/edited_video")},
    ),
    "a core set of another size": (
        option(lambda told: told.update(selection={"core": 5})),
        {(P, 0, "/options/selection/core")},
    ),
    "paired shards that are not there": (option(more_shards), {(P, 0, "/options/webdataset")}),
    "numbers of tars that are there": (
        document(P, lambda value: value["next_parts"]["location"].update(source_video=0)),
        {(P, 0, "/next_parts/location/source_video")},
    ),
    "no number of a kind": (
        document(P, lambda value: value["next_parts"]["location"].pop("edited_video_canny")),
        {(P, 0, "/next_parts/location/edited_video_canny")},
    ),
    "a source that was taken down": (taken_down, {(REST, 0, "/rows/2/source_sha256")}),
    "a source that is no sha256": (
        cell(REST, "source_sha256", 1, "clip.mp4"),
        {(REST, 0, "/rows/1/source_sha256")},
    ),
    "no source": (cell(REST, "source_sha256", 1, None), {(REST, 0, "/rows/1/source_sha256")}),
    "two licences of one source": (one_source, {(REST, 0, "/rows/2/licence")}),
    **{
        f"a file of no kind: {path}": (put(path, source), {(path, 0, "")})
        for path, source in {
            "prompts/extra.txt": layout.CARD,
            "release.py": layout.CARD,
            "prompts/location_train2.csv": layout.prompts_csv("location"),
            "intermediate_data/location/other_score.jsonl": EDIT,
            "data/location/extra.parquet": REST,
            "data/extra.parquet": REST,
            "records/other.parquet": RECORDS,
            "assets/run.sh": layout.CARD,
            "webdataset/extra.tar": layout.CARD,
            "location_edited_video_part0000.tar": layout.EDITED_VIDEO.shard("location", 0),
        }.items()
    },
}


@pytest.fixture
def release(whole_release: Path, tmp_path: Path) -> Path:
    """A copy of a release in which nothing is to be found."""
    return Path(shutil.copytree(whole_release, tmp_path / "release"))


def places(findings: tuple[Finding, ...]) -> set[tuple[str, int, str]]:
    return {(finding.file, finding.line, finding.pointer) for finding in findings}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_found_where_it_is(release: Path, name: str) -> None:
    lie, expected = LIES[name]
    lie(release)
    agree(release)
    assert places(check_release(release).findings) == expected


def test_a_finding_says_what_was_got_and_wanted(release: Path) -> None:
    frames_said([0, 3, 5, 8])(release)
    cell(REST, "foreground_psnr", 2, None)(release)
    anchors(3)(release)
    agree(release)
    found = {finding.file: finding for finding in check_release(release).findings}
    assert (found[VIDEO].got, found[VIDEO].wanted) == ("[0, 3, 5, 8]", "[1, 3, 5, 8]")
    assert (found[ROUND2].got, found[ROUND2].wanted) == ("3 anchors", "2")
    assert found[REST].problem == "the measure is not recorded"


# --- previews, decoded -------------------------------------------------------------------------


def test_the_preview_of_another_sample_is_found_when_it_is_decoded(release: Path) -> None:
    preview(1, bytes=lambda values: values[0]["bytes"])(release)
    agree(release)
    assert check_release(release).findings == ()
    (finding,) = check_release(release, options=CheckOptions(media="sample")).findings
    assert (finding.file, finding.pointer) == (FIRST, "/rows/1/preview")
    assert finding.problem == "the preview shows something else than its pair"
    assert "levels apart" in str(finding.got)


def test_a_preview_that_does_not_decode_is_found(release: Path) -> None:
    def spoil(values: list[dict[str, Any]]) -> bytes:
        data = bytearray(values[1]["bytes"])
        data[-400:-100] = bytes(300)
        return bytes(data)

    preview(1, bytes=spoil)(release)
    agree(release)
    (finding,) = check_release(release, options=CheckOptions(media="all")).findings
    assert (finding.file, finding.pointer) == (FIRST, "/rows/1/preview")


def test_good_previews_pass_when_they_are_decoded(whole_release: Path) -> None:
    assert check_release(whole_release, options=CheckOptions(media="all")).findings == ()


# --- pages -------------------------------------------------------------------------------------

# What is told -> the page where it is found, and the pointer there.
PAGES: dict[str, tuple[Lie, str, str]] = {
    "another sha256": (
        distribution(lambda parts: parts[0].update(sha256="0" * 64)),
        layout.CROISSANT,
        "/distribution/0/sha256",
    ),
    "another size": (
        distribution(lambda parts: parts[1].update(contentSize="1 B")),
        layout.CROISSANT,
        "/distribution/1/contentSize",
    ),
    "a file less": (distribution(lambda parts: parts.pop(0)), layout.CROISSANT, "/distribution"),
    "a file more": (
        distribution(lambda parts: parts.insert(0, {**parts[0], "contentUrl": "elsewhere.tar"})),
        layout.CROISSANT,
        "/distribution/0",
    ),
    "no JSON": (lambda folder: (folder / layout.CROISSANT).write_text("mlcommons"), layout.CROISSANT, ""),
    "no Croissant": (lambda folder: (folder / layout.CROISSANT).unlink(), layout.MANIFEST, "/files"),
    "more pairs": (words(layout.CARD, "9 pairs of videos", "900 pairs of videos"), layout.CARD, ""),
    "better scores": (words(layout.CARD, "| 9.00 | 9.00 |", "| 9.90 | 9.90 |"), layout.CARD, ""),
    "a stricter threshold": (
        words(layout.CARD, "| `edited_video` | 8.0 |", "| `edited_video` | 9.0 |"),
        layout.CARD,
        "",
    ),
    "a greater model": (words(layout.CARD, "drawn vlm", "Qwen3-VL"), layout.CARD, ""),
    "a model more": (
        words(layout.CARD, "| vlm |", "| judge | mine | best | 1 | |\n| vlm |"),
        layout.CARD,
        "",
    ),
    "a threshold of the run, lowered": (
        run(lambda told: told["config"]["thresholds"].update(edited_video=5.0)),
        layout.CARD,
        "",
    ),
    "a model of the run": (run(lambda told: told["models"][1].update(model="another")), layout.CARD, ""),
    "a width that no clip has": (
        together(*(cell(FIRST, "licence", row, "cc-by-nc-4.0") for row in (0, 1))),
        layout.CARD,
        "",
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_the_rest_says(release: Path, name: str) -> None:
    lie, file, pointer = PAGES[name]
    lie(release)
    agree(release, card=False, croissant=file != layout.CROISSANT)
    found = check_release(release).findings
    assert {(finding.file, finding.pointer) for finding in found} == {(file, pointer)}
    assert all(bool(finding.line) == (file == layout.CARD) for finding in found)


def test_a_page_that_the_manifest_does_not_have_is_found_once(release: Path) -> None:
    for name, old in ((layout.CARD, "9 pairs"), (layout.CROISSANT, '"sha256": "')):
        words(name, old, f"{old}9")(release)
    assert [(finding.file, finding.line) for finding in check_release(release).findings] == [
        (layout.CARD, 0),
        (layout.CROISSANT, 0),
    ]


def test_the_words_of_a_publisher_are_nobodys_business(release: Path) -> None:
    """Numbers in the room of the card are no lie."""
    words(layout.CARD, "<!-- your words end", "\n9,000 pairs of videos.\n\n<!-- your words end")(release)
    agree(release, card=False)
    assert check_release(release).findings == ()


# --- what is true stays so ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ReleaseOptions(preview=0),
        ReleaseOptions(preview=1, plots=True),
        ReleaseOptions(preview=2, webdataset=WebDatasetOptions()),
    ],
    ids=["no previews", "plots", "paired shards"],
)
def test_true_releases_have_no_finding(tmp_path: Path, options: ReleaseOptions) -> None:
    if options.plots:
        pytest.importorskip("matplotlib")
    samples = [*factories.specs("location", 3), *factories.specs("openve3m", 2)]
    first = factories.write_run(tmp_path / "run", samples)
    second = factories.write_run(tmp_path / "second", factories.specs("style", 2), name="second")
    release = build_release([first, second], tmp_path / "release", options).out
    assert check_release(release).findings == ()
