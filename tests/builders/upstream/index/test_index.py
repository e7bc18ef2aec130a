"""An index of upstream's files where they are says what an import says, and everything reads through it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from harness import kill_at, staging_server, upstream_folder
from sparkle.builders.reading.pairs import Pairs, open_pairs
from sparkle.builders.reading.source import open_source
from sparkle.builders.upstream.import_ import import_upstream
from sparkle.builders.upstream.indexing import index_upstream
from sparkle.commands.index import index as command
from sparkle.hub.publish.index import push_index
from sparkle.media.look_alike import median_hash
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError, UnreachableError
from sparkle.schemas.layout import KINDS, SOURCE_VIDEO
from sparkle.schemas.validate import check

REPO = "me/upstream"


def read_all(pairs: Pairs) -> list[bytes]:
    artifacts = [pairs.artifact(row, kind) for row in range(len(pairs)) for kind in KINDS]
    return list(open_source(pairs.catalog).read_many(artifacts))


def tables(folder: Path) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*.parquet"))
    return {path.relative_to(folder).as_posix(): pq.read_table(path).to_pylist() for path in files}


def test_a_folder_is_indexed_as_it_would_be_imported(folder: Path, media: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    summary = index_upstream(folder, tmp_path / "index")
    assert summary.findings == ()
    assert summary.samples == {"location": 4, "openve3m": 2}
    import_upstream(folder, tmp_path / "release")
    assert tables(tmp_path / "index") == tables(tmp_path / "release")
    pairs = open_pairs(tmp_path / "index")
    wanted = [(media / kind.path(sample_id)).read_bytes() for sample_id in pairs.ids for kind in KINDS]
    assert read_all(pairs) == wanted
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    check("index", json.loads((tmp_path / "index" / layout.INDEX).read_bytes()), where="index")


def test_an_index_and_its_folder_move_together(folder: Path, tmp_path: Path) -> None:
    index_upstream(folder, tmp_path / "a" / "index")
    (tmp_path / "a" / "folder").parent.mkdir(exist_ok=True)
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "a", tmp_path / "elsewhere" / "a")
    with pytest.raises(ReleaseError, match="not there"):
        open_pairs(tmp_path / "elsewhere" / "a" / "index")
    shutil.move(folder, tmp_path / "elsewhere" / "folder")
    assert len(read_all(open_pairs(tmp_path / "elsewhere" / "a" / "index"))) == 6 * len(KINDS)


def test_unpacked_tars_are_indexed_as_files(folder: Path, media: Path, tmp_path: Path) -> None:
    upstream_folder.extract(folder, in_place=False)
    index_upstream(folder, tmp_path / "index")
    pairs = open_pairs(tmp_path / "index")
    assert len(read_all(pairs)) == 6 * len(KINDS)


def test_a_source_has_the_hash_of_its_scene_and_a_broken_one_none(folder: Path, tmp_path: Path) -> None:
    upstream_folder.extract(folder, in_place=False)
    index_upstream(folder, tmp_path / "index")
    pairs = open_pairs(tmp_path / "index")
    source = open_source(pairs.catalog)
    clips = [source.read(pairs.artifact(row, SOURCE_VIDEO)) for row in range(len(pairs))]
    assert pairs.column("median_hash").to_pylist() == [median_hash(clip) for clip in clips]
    first = next(path for path in sorted(folder.rglob("*.mp4")) if "source_video" in path.parts)
    data = first.read_bytes()
    pictures = data.index(b"mdat") + 4
    first.write_bytes(data[:pictures] + b"\xff" * 200 + data[pictures + 200 :])
    summary = index_upstream(folder, tmp_path / "index")
    hashes = open_pairs(tmp_path / "index").column("median_hash").to_pylist()
    assert hashes.count(None) == 1
    assert len([found for found in summary.findings if first.name in found.file]) == 1


def test_a_repository_is_indexed_by_one_request_a_tar(hub: Any, folder: Path, tmp_path: Path) -> None:
    index_upstream(REPO, tmp_path / "index")
    tars = Counter(asked.path.rpartition("/")[2] for asked in hub.gets() if asked.path.endswith(".tar"))
    assert len(tars) == len(list(folder.rglob("*.tar")))
    assert set(tars.values()) == {2}  # where it is, and all of it
    assert not [asked for asked in hub.gets() if asked.path.endswith((".mp4", ".png", ".npz"))]
    index_upstream(folder, tmp_path / "local")
    assert tables(tmp_path / "index") == tables(tmp_path / "local")
    assert not any(path.suffix == ".tar" for path in tmp_path.joinpath("hf").rglob("*"))
    assert read_all(open_pairs(tmp_path / "index")) == read_all(open_pairs(tmp_path / "local"))


def test_an_index_made_twice_is_the_same_bytes(
    hub: Any, tmp_path: Path, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    index_upstream(REPO, tmp_path / "one")
    index_upstream(REPO, tmp_path / "two")
    index_upstream(REPO, tmp_path / "two")  # in place of itself
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.slow
def test_a_kill_costs_the_tars_that_were_under_way(hub: Any, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    words = ["index", REPO, "--out", str(tmp_path / "index")]
    kill_at.kill("before a unit is read", 10, *words, env=environment)
    assert not (tmp_path / "index").exists()
    first = {asked.path for asked in hub.gets() if asked.path.startswith("/signed") and ".tar" in asked.path}
    hub.asked.clear()
    subprocess.run([sys.executable, "-m", "sparkle", *words], env=environment, check=True, stdout=-3)
    second = {asked.path for asked in hub.gets() if asked.path.startswith("/signed") and ".tar" in asked.path}
    assert len(first & second) <= 4  # the streams that were open
    assert len(first | second) == len(list((hub.root / REPO).rglob("*.tar")))
    assert len(read_all(open_pairs(tmp_path / "index"))) == 6 * len(KINDS)
    assert list(tmp_path.glob(".index*")) == []


def test_a_stream_that_breaks_off_is_continued(hub: Any, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", "1.0", "older ones do not resume a file that breaks off")
    cut: set[str] = set()

    def fault(handler: Any, asked: Any) -> bool:
        if not asked.path.startswith("/signed") or asked.path in cut:
            return False
        cut.add(asked.path)
        data = (hub.root / asked.path.split("/", 3)[3]).read_bytes()
        handler.send(206, data, {"Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}"}, cut=3000)
        return True

    hub.faults.append(fault)
    index_upstream(REPO, tmp_path / "index")
    resumed = [asked for asked in hub.gets() if asked.range and asked.range.startswith("bytes=3000-")]
    assert len(resumed) == len(list((hub.root / REPO).rglob("*.tar")))
    hub.faults.clear()
    assert len(read_all(open_pairs(tmp_path / "index"))) == 6 * len(KINDS)


# --- bad input --------------------------------------------------------------------------------


def test_an_index_that_is_older_than_its_tars_says_so(folder: Path, tmp_path: Path) -> None:
    index_upstream(folder, tmp_path / "index")
    pairs = open_pairs(tmp_path / "index")
    artifact = pairs.artifact(0, SOURCE_VIDEO)
    upstream_folder.add_to_tar(folder / artifact.file, "location/source_video/more.mp4", bytes(9000))
    with pytest.raises(ReleaseError, match="changed since") as caught:
        open_source(tmp_path / "index").read(artifact)
    assert f"sparkle index {folder} --out {tmp_path / 'index'}" in str(caught.value)


def test_a_repository_that_was_rewritten_at_its_commit_is_noticed(hub: Any, tmp_path: Path) -> None:
    index_upstream(REPO, tmp_path / "index")
    artifact = open_pairs(tmp_path / "index").artifact(0, SOURCE_VIDEO)
    tar = hub.root / REPO / artifact.file
    tar.write_bytes(tar.read_bytes()[::-1])
    with pytest.raises(ReleaseError, match="changed since") as caught:
        open_source(tmp_path / "index").read(artifact)
    assert "sparkle index me/upstream --out" in str(caught.value)


def test_a_commit_that_is_gone_is_said_with_what_to_do(hub: Any, tmp_path: Path) -> None:
    index_upstream(REPO, tmp_path / "index")
    artifact = open_pairs(tmp_path / "index").artifact(0, SOURCE_VIDEO)

    def squashed(handler: Any, asked: Any) -> bool:
        handler.send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        return True

    hub.faults.append(squashed)
    with pytest.raises(ReleaseError, match="no such revision") as caught:
        open_source(tmp_path / "index").read(artifact)
    assert "sparkle index me/upstream --out" in str(caught.value)


def test_a_tar_that_arrives_as_another_is_refused_and_read_again(hub: Any, tmp_path: Path) -> None:
    spoilt: list[str] = []

    def fault(handler: Any, asked: Any) -> bool:
        if spoilt or "/signed" not in asked.path or "location_source_video_part00" not in asked.path:
            return False
        spoilt.append(asked.path)
        data = bytearray((hub.root / asked.path.split("/", 3)[3]).read_bytes())
        data[700] ^= 1
        handler.send(206, bytes(data), {"Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}"})
        return True

    hub.faults.append(fault)
    with pytest.raises(ReleaseError, match="did not arrive as the Hub has it"):
        index_upstream(REPO, tmp_path / "index")
    assert not (tmp_path / "index").exists()
    hub.asked.clear()
    assert index_upstream(REPO, tmp_path / "index").findings == ()
    assert len([asked for asked in hub.gets() if asked.path.endswith(".tar")]) == 2


def test_a_truncated_tar_is_a_finding_and_the_rest_is_indexed(folder: Path, tmp_path: Path) -> None:
    tar = folder / SOURCE_VIDEO.shard("location", 1)  # its samples do not stand loose as well
    with tar.open("r+b") as file:
        file.truncate(3000)
    summary = index_upstream(folder, tmp_path / "index")
    assert any(finding.problem.startswith("the tar ends inside") for finding in summary.findings)
    report = (tmp_path / "index" / layout.IMPORT_REPORT).read_text().splitlines()
    assert len(report) == len(summary.findings)
    with pytest.warns(UserWarning, match="have no source_video"):
        pairs = open_pairs(tmp_path / "index")
    assert 0 < len(pairs) < 6


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("me/none", "no dataset repository"),
        ("no/such/folder", "neither a folder"),
        ("me/empty", "upstream's layout"),
    ],
)
def test_what_cannot_be_indexed_is_said(hub: Any, tmp_path: Path, where: str, problem: str) -> None:
    (hub.root / "me" / "empty").mkdir()
    with pytest.raises(ReleaseError, match=problem):
        index_upstream(where, tmp_path / "index")


def test_a_release_is_not_indexed(shared_release: Path, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="tables already"):
        index_upstream(shared_release, tmp_path / "index")


def test_a_folder_with_something_else_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ReleaseError, match="do not belong to an index"):
        index_upstream(folder, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(ReleaseError, match="must not be inside"):
        index_upstream(folder, folder / "index")


def test_a_hub_that_goes_away_is_said_and_what_was_read_is_kept(hub: Any, tmp_path: Path) -> None:
    def fault(handler: Any, asked: Any) -> bool:
        gone = "openve3m_" in asked.path and asked.path.endswith(".tar")
        if gone:
            handler.send(503, b"", {})
        return gone

    hub.faults.append(fault)
    with pytest.raises(UnreachableError, match="does not answer"):
        index_upstream(REPO, tmp_path / "index")
    hub.faults.clear()
    hub.asked.clear()
    index_upstream(REPO, tmp_path / "index")
    first = "intermediate_data/location_edited_background_video_part00.tar"
    assert not [asked for asked in hub.gets() if asked.path.endswith(first)]


@pytest.mark.slow
def test_an_index_that_was_pushed_is_opened_by_its_name(folder: Path, tmp_path: Path) -> None:
    upload = (
        "import sys; from huggingface_hub import HfApi; api = HfApi(); "
        "api.create_repo('me/upstream', repo_type='dataset'); "
        "api.upload_folder(repo_id='me/upstream', repo_type='dataset', folder_path=sys.argv[1])"
    )
    command_line = "import sys; from sparkle.commands.index import index; index(sys.argv[1:])"
    read = (
        "from sparkle.builders.reading.pairs import open_pairs\n"
        "from sparkle.builders.reading.source import open_source\n"
        "from sparkle.schemas.layout import KINDS\n"
        "pairs = open_pairs('me/index')\n"
        "artifacts = [pairs.artifact(row, kind) for row in range(len(pairs)) for kind in KINDS]\n"
        "print(len(list(open_source(pairs.catalog).read_many(artifacts))), pairs.catalog.remedy)\n"
        "from datasets import load_dataset\n"
        "print(load_dataset('me/index', 'location', split='train').num_rows)"
    )
    with staging_server.staging(tmp_path / "root") as hub:
        hub.python(upload, tmp_path / "home", folder, xet=False)
        words = [REPO, "--out", tmp_path / "index", "--push", "me/index", "--json"]
        pushed = json.loads(hub.python(command_line, tmp_path / "home", *words, xet=False).stdout)
        assert "me/index" in pushed["pushed"]
        said = hub.python(read, tmp_path / "home").stdout.splitlines()
    assert said[0].startswith(f"{6 * len(KINDS)} ")
    assert "sparkle index me/upstream --out INDEX --push me/index" in said[0]
    assert said[-1] == "4"


def test_an_index_of_a_folder_is_not_pushed(folder: Path, tmp_path: Path) -> None:
    index_upstream(folder, tmp_path / "index")
    with pytest.raises(ReleaseError, match="of no use to others"):
        push_index(tmp_path / "index", "me/index")


def test_the_command_says_what_it_made(folder: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [str(folder), "--out", str(tmp_path / "index"), "--json"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["samples"] == {"location": 4, "openve3m": 2}
    assert answer["problems"] == {}
    done = CliRunner().invoke(command, ["no/such/folder", "--out", str(tmp_path / "x")])
    assert done.exit_code == 2
    assert "neither a folder nor a repository" in done.stderr
