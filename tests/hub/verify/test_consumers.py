"""Consumers: stock readers, each in a process of its own, read what the release says, or it is told."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import factories, upstream_folder
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.webdataset import WebDatasetOptions
from sparkle.builders.upstream.import_ import import_upstream
from sparkle.hub.verify.levels import verify_release
from sparkle.hub.verify.report import CONSUMERS, PROVED, LevelReport, VerifyOptions
from sparkle.schemas import layout

pytestmark = pytest.mark.slow

FIRST = "Sparkle_location_000000"


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three samples of location, with paired shards."""
    folder = tmp_path_factory.mktemp("paired")
    run = factories.write_run(folder / "run", factories.specs("location", 3))
    options = ReleaseOptions(preview=1, webdataset=WebDatasetOptions())
    return build_release([run], folder / "release", options).out


@pytest.fixture
def release(paired: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(paired, tmp_path / "release"))


def consume(folder: Path) -> LevelReport:
    [level] = verify_release(folder, VerifyOptions(levels=(CONSUMERS,), sample=3)).levels
    return level


def test_every_reader_reads_what_the_release_says(paired: Path) -> None:
    level = consume(paired)
    assert level.findings == []
    assert level.status == PROVED
    assert level.notes == []
    assert level.claim.startswith("datasets, webdataset, tar, Kiwi-Edit's rules, our reader read")


def test_a_changed_member_is_seen_by_every_reader_of_tars(
    release: Path, flip: Callable[[Path, int], None]
) -> None:
    flip(release / "location_source_video_part00.tar", 700)
    flip(release / layout.webdataset_shard("location", 0), 700)
    seen = {
        (finding.file, finding.problem.partition(" reads")[0], finding.pointer)
        for finding in consume(release).findings
    }
    tar, member = "location_source_video_part00.tar", layout.SOURCE_VIDEO.member(FIRST)
    assert {(tar, reader, member) for reader in ("webdataset", "tar", "our reader")} <= seen
    shard = layout.webdataset_shard("location", 0)
    assert (shard, "webdataset", f"{FIRST}.src.mp4") in seen


def test_what_trips_one_reader_is_told_of_that_one(
    release: Path, change_cell: Callable[[Path, int, str, object], None]
) -> None:
    """A csv that lacks a row and has another prompt; a tar that is cut; a card without its configs."""
    csv = release / layout.prompts_csv("location")
    head, first, _, *rest = csv.read_text("utf-8").splitlines(keepends=True)
    csv.write_text("".join([head, first.replace("rooftop", "pier"), *rest]), "utf-8")
    tar = release / "location_edited_video_part00.tar"
    tar.write_bytes(tar.read_bytes()[:-3000])
    card = release / layout.CARD
    card.write_text(card.read_text("utf-8").replace("config_name: location", "config_name: x"), "utf-8")
    findings = consume(release).findings
    said = [finding for finding in findings if finding.file == layout.prompts_csv("location")]
    assert any("no row of the sample" in finding.problem for finding in said)
    assert any(finding.pointer == f"{FIRST} prompt" and "pier" in (finding.got or "") for finding in said)
    assert any(finding.problem == "tar does not read the shard" for finding in findings)
    assert any("datasets does not read" in finding.problem for finding in findings)


def test_tars_of_an_import_are_read_by_the_names_that_they_have(tmp_path: Path) -> None:
    """Folders, `./`, a file of no sample, and a link, which webdataset passes over."""
    media, folder = tmp_path / "media", tmp_path / "upstream"
    for sample_id in upstream_folder.IDS:
        for kind in layout.KINDS:
            factories.write_artifact(media, kind, sample_id)
    upstream_folder.write_folder(folder, media)
    first, second, *_ = upstream_folder.ids_of("location")
    for place, kind in enumerate((layout.SOURCE_VIDEO, layout.EDITED_VIDEO)):
        packing, tar = tmp_path / kind.name, folder / kind.shard("location", 0)
        packing.mkdir()
        subprocess.run(["tar", "-C", packing, "-xf", tar], check=True)
        (packing / kind.path(first)).with_name("A note.txt").write_text("of no sample")
        (folder / kind.path(second)).unlink()
        (packing / kind.path(second)).unlink()
        (packing / kind.path(second)).symlink_to(f"{first}.mp4")
        names = ["."] if place else ["location"]
        subprocess.run(["tar", "--sort=name", "-C", packing, "-cf", tar, *names], check=True)
    release = import_upstream(folder, tmp_path / "release").out
    level = consume(release)
    assert level.findings == []
    assert sorted(level.notes) == [
        f"{kind.shard('location', 0)}: webdataset passes over links, and so does not see 1 artifacts"
        for kind in (layout.EDITED_VIDEO, layout.SOURCE_VIDEO)
    ]
    tar = release / layout.SOURCE_VIDEO.shard("location", 0)
    tar.unlink()  # which is linked to the folder's
    data = bytearray((folder / layout.SOURCE_VIDEO.shard("location", 0)).read_bytes())
    data[data.index(b"ftyp") + 20] ^= 1
    tar.write_bytes(data)
    seen = {finding.problem.partition(" reads")[0] for finding in consume(release).findings}
    assert {"webdataset", "tar", "our reader"} <= seen
