"""What is wrong with a model's edits: every way in which one can be missing, unusable or somebody else's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.benches import FRAMES, cropped, drawn, write_bench, write_edits
from harness.videos import write_video
from sparkle.builders.bench.edits import BenchEdit
from sparkle.builders.bench.folder import read_bench
from sparkle.builders.bench.results import Results, read_results
from sparkle.builders.release.formats import csv_line
from sparkle.media.decode import decode
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError

FIRST, SECOND = "Sparkle_location_000000", "Sparkle_location_000001"


class Bench:
    """A bench with good edits, which a test spoils."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results = folder / "bench", folder / "results"
        if self.folder.exists():
            self.items = read_bench(self.folder)[1]
        else:
            self.items = write_bench(self.folder)
            write_edits(self.folder, self.results, self.items)
        self.edits = {
            name: self.results / layout.bench_edited(item.theme, item.subtheme, item.scene, name)
            for name, item in self.items.items()
        }

    def source(self, sample_id: str) -> Path:
        return self.folder / layout.bench_source(self.items[sample_id].theme, sample_id)

    def read(self, results: Path | None = None) -> Results:
        return read_results(self.folder, results or self.results, self.items)

    def first(self) -> BenchEdit:
        """What is said of the first edit; the others are as they should be."""
        found = self.read()
        assert all(not edit.findings() for name, edit in found.edits.items() if name != FIRST)
        assert not found.strays
        return found.edits[FIRST]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    Bench(folder := tmp_path_factory.mktemp("made"))
    return folder


@pytest.fixture
def bench(made: Path, tmp_path: Path) -> Bench:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Bench(tmp_path)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _unfinished(path: Path) -> None:
    """As a writer leaves it that is killed: no index, and pictures whose length is not filled in."""
    head, _, pictures = path.read_bytes().partition(b"mdat")
    path.write_bytes(head[:-4] + bytes(4) + b"mdat" + pictures[: pictures.index(b"moov") - 4])


def _cut_behind_its_index(path: Path) -> None:
    _cut(write_video(path, cropped(drawn(3)), container={"movflags": "+faststart"}))


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "the video is empty: 0 bytes"),
    "cut": (_cut, "the video is cut short: "),
    "not finished": (_unfinished, "the video is cut short: no index"),
    "cut behind its index": (_cut_behind_its_index, "the video is cut short: "),
    "no video": (lambda path: path.write_text("CUDA out of memory\n" * 40), "the video cannot be decoded"),
    "a folder": (lambda path: [path.unlink(), path.mkdir()], "not a file"),
    "size": (
        lambda path: write_video(path, drawn(3, width=96, height=64)),
        "another size than the source's: 96x64, wanted 128x64 or 128x80",
    ),
    "length": (
        lambda path: write_video(path, cropped(drawn(3, frames=FRAMES - 4))),
        f"another length than the source's: {FRAMES - 4} frames, wanted {FRAMES}",
    ),
    "side by side": (
        lambda path: write_video(path, np.concatenate([cropped(drawn(3))] * 2, axis=2)),
        "256x64: it is source and edit side by side, the _concat video in place of _edited",
    ),
}


def test_good_edits_have_no_findings_and_the_crop_is_named(bench: Bench):
    found = bench.read()
    assert list(found.edits) == list(bench.items)
    assert not found.findings()
    assert found.baseline is None
    for edit in found.edits.values():
        assert edit.status == "ok"
        assert edit.notes == ("128x64 of 128x80, upstream's crop",)


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_edit_that_cannot_be_judged_says_why(bench: Bench, kind: str):
    spoil, reason = UNUSABLE[kind]
    spoil(bench.edits[FIRST])
    edit = bench.first()
    assert edit.status == "unusable"
    assert (edit.reason or "").startswith(reason)
    assert [finding.problem for finding in edit.findings()] == [edit.reason]


def test_what_is_missing_says_so_and_where_it_is_wanted(bench: Bench):
    bench.edits[FIRST].unlink()
    edit = bench.first()
    assert (edit.status, edit.reason, edit.path) == ("missing", "there is no edit of it", bench.edits[FIRST])
    concat = layout.bench_concat(str(bench.edits[FIRST]))
    write_video(Path(concat), np.concatenate([cropped(drawn(3))] * 2, axis=2))
    edit = bench.first()
    assert edit.status == "missing"
    assert "only source and edit side by side" in (edit.reason or "")


@pytest.mark.parametrize("crf", [None, 25, 30])
def test_an_edit_in_which_nothing_was_edited_is_suspect(bench: Bench, crf: int | None):
    source = bench.source(FIRST)
    if crf is None:
        shutil.copyfile(source, bench.edits[FIRST])
    else:
        write_video(bench.edits[FIRST], cropped(decode(source)), options={"crf": str(crf)})
    edit = bench.first()
    assert edit.status == "ok"
    assert edit.suspect == "nothing was edited: it has the source's pictures"


def test_another_samples_edit_is_suspect_as_is_that_sample(bench: Bench):
    shutil.copyfile(bench.edits[SECOND], bench.edits[FIRST])
    found = bench.read().edits
    for one, other in ((FIRST, SECOND), (SECOND, FIRST)):
        problem = f"another sample's edit: it has the same bytes as that of {other}"
        assert found[one].status == "ok"
        assert found[one].suspect == problem


def test_another_rate_is_a_remark_and_upstreams_rate_a_note(bench: Bench):
    clip = decode(bench.edits[FIRST])
    write_video(bench.edits[FIRST], clip, rate=24)
    assert bench.first().remarks == ("another rate than the source's: 24 frames a second, not 16",)
    write_video(bench.edits[FIRST], clip, rate=15)
    edit = bench.first()
    assert not edit.findings()
    assert "15 frames a second, not 16, as upstream's script writes" in edit.notes


def test_over_20_mb_is_a_remark_and_can_be_judged(bench: Bench):
    noise = np.random.Generator(np.random.PCG64(0)).integers(0, 255, (FRAMES, 64, 128, 3), np.uint8)
    path = write_video(bench.edits[FIRST], noise)
    with path.open("ab") as file:  # a box that players pass over
        file.write((20_000_001).to_bytes(4, "big") + b"free" + bytes(20_000_001 - 8))
    edit = bench.first()
    assert edit.status == "ok"
    assert edit.remarks[0].startswith("20.")
    assert edit.remarks[0].endswith("MB: over 20 MB, more than a judge can be sent as one video")


def test_what_is_nobodys_edit_is_named(bench: Bench):
    other = bench.results / "location" / "elsewhere---a_street"
    other.mkdir()
    bench.edits[FIRST].rename(other / bench.edits[FIRST].name)
    write_video(bench.results / "location" / "Sparkle_location_000999.mp4", drawn(1))
    (bench.results / "location_gemini-2.5-pro_sparkle_score.jsonl").write_text("")
    found = bench.read()
    assert found.edits[FIRST].status == "missing"
    assert [(finding.problem, finding.got) for finding in found.strays] == [
        ("the bench has no such sample", "Sparkle_location_000999"),
        ("an edit in another place than its sample's", FIRST),
    ]
    assert found.strays[1].wanted == str(bench.edits[FIRST].relative_to(bench.results))


def test_results_of_another_bench_are_all_missing_and_all_strays(bench: Bench, tmp_path: Path):
    items = write_bench(tmp_path / "other", {"time": ("night: a harbour", "dawn: a field")})
    edits = write_edits(tmp_path / "other", tmp_path / "others", items)
    found = bench.read(tmp_path / "others")
    assert {edit.status for edit in found.edits.values()} == {"missing"}
    assert [finding.got for finding in found.strays] == sorted(edits, key=lambda name: str(edits[name]))


@pytest.mark.parametrize("form", ["sparkle_bench", "flat", "kiwi", "table"])
def test_other_forms_of_results_are_read(bench: Bench, tmp_path: Path, form: str):
    results = tmp_path / "others"
    if form == "sparkle_bench":
        shutil.copytree(bench.results, results / "sparkle_bench")
    for sample_id, path in bench.edits.items():
        if form == "flat":
            target = results / layout.bench_edited_flat(bench.items[sample_id].theme, sample_id)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        if form == "kiwi":
            (results / "openve").mkdir(parents=True, exist_ok=True)
            for name in (f"{sample_id}_edited.mp4", f"concat_{sample_id}_edited.mp4"):
                shutil.copyfile(path, results / "openve" / name)
    if form == "table":
        results = tmp_path / "results.csv"
        write_table(bench, results)
    found = bench.read(results)
    assert not found.findings()
    assert {edit.status for edit in found.edits.values()} == {"ok"}
    assert list(found.edits) == list(bench.items)


def write_table(bench: Bench, path: Path, **changes: str) -> None:
    """OpenVE-Bench's table of results of this bench; `changes` are paths by id."""
    rows = [["edited_type", "prompt", "original_video", "edited_result_path"]]
    for sample_id, item in bench.items.items():
        source = layout.bench_source(item.theme, sample_id)
        edit = changes.get(sample_id, str(bench.edits[sample_id].relative_to(path.parent)))
        rows.append([item.theme, item.prompt, source, edit])
    path.write_text("".join(map(csv_line, rows)), "utf-8")


def test_a_table_reads_files_of_its_folder_only_and_says_what_has_no_edit(bench: Bench, tmp_path: Path):
    write_table(bench, tmp_path / "results.csv", **{FIRST: "../../etc/passwd.mp4", SECOND: ""})
    with (tmp_path / "results.csv").open("a") as file:
        file.write("location,Make it rain.,source_videos/location/Sparkle_location_000999.mp4,x.mp4\n")
    found = bench.read(tmp_path / "results.csv")
    assert [found.edits[name].status for name in (FIRST, SECOND)] == ["missing", "missing"]
    assert "'../../etc/passwd.mp4'" in str(found.edits[FIRST].reason)
    assert found.edits[SECOND].reason == "the table has no edit of it"
    (stray,) = found.strays
    assert (stray.line, stray.problem) == (len(bench.items) + 2, "a row that the bench does not have")


def test_two_edits_of_one_sample_are_not_one(bench: Bench):
    flat = bench.results / layout.bench_edited_flat("location", FIRST)
    shutil.copyfile(bench.edits[FIRST], flat)
    edit = bench.first()
    assert edit.status == "unusable"
    assert "there are two edits of it" in (edit.reason or "")


def test_what_is_missing_below_sparkle_bench_is_wanted_there(bench: Bench, tmp_path: Path):
    shutil.copytree(bench.results, tmp_path / "others" / "sparkle_bench")
    path = tmp_path / "others" / "sparkle_bench" / bench.edits[FIRST].relative_to(bench.results)
    path.unlink()
    assert bench.read(tmp_path / "others").edits[FIRST].path == path


def _no_picture(path: Path) -> None:
    """What the video says of itself is in order, and its pictures are not."""
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start : start + 400] = bytes(400)
    path.write_bytes(data)


@pytest.mark.parametrize("spoil", [Path.unlink, _cut, _no_picture])
def test_a_source_that_cannot_be_read_is_no_fault_of_its_edit(bench: Bench, spoil: Callable[[Path], None]):
    spoil(bench.source(FIRST))
    with pytest.raises(ReleaseError, match="a source video of the bench cannot be used") as raised:
        bench.read()
    assert raised.value.where == str(bench.source(FIRST))


def test_workers_find_the_same(bench: Bench):
    bench.edits[FIRST].unlink()
    alone = bench.read()
    assert read_results(bench.folder, bench.results, bench.items, workers=2) == alone
