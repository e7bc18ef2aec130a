"""Chosen samples as loose files: what comes, how it is asked for, and that nothing comes twice."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from harness import kill_at, staging_server
from sparkle.builders.reading.pairs import open_pairs
from sparkle.builders.reading.source import open_source
from sparkle.builders.upstream.indexing import index_upstream
from sparkle.commands.pull import pull
from sparkle.schemas import layout
from sparkle.schemas.layout import EDITED_VIDEO, KINDS, SOURCE_VIDEO

REPO = "me/sparkle"


def run(*words: object, code: int = 0) -> dict[str, Any]:
    """Run the command; what it says."""
    done = CliRunner().invoke(pull, [*map(str, words), "--json"])
    assert done.exit_code == code, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def rows_of(release: Path, theme: str) -> list[dict[str, Any]]:
    files = sorted((release / "data" / theme).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).drop(["preview"]).to_pylist()]


def tree(out: Path) -> list[Path]:
    return [path for path in out.rglob("*") if path.is_file()]


def files_of(out: Path) -> set[str]:
    found = (path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    return {path for path in found if path.endswith((".mp4", ".png", ".npz"))}


def csv_of(out: Path, theme: str) -> list[dict[str, str]]:
    with (out / layout.prompts_csv(theme)).open(newline="") as file:
        return list(csv.DictReader(file))


def videos(ids: Sequence[str]) -> set[str]:
    return {kind.path(sample_id) for kind in (SOURCE_VIDEO, EDITED_VIDEO) for sample_id in ids}


def test_pairs_come_as_files_that_the_run_wrote(releases: tuple[Path, Path], tmp_path: Path) -> None:
    release = releases[1]
    answer = run(release, "--theme", "location", "--min", "edited_video=9", "--out", tmp_path / "out")
    ids = [row["task"] for row in rows_of(release, "location") if row["edited_video_score"] >= 9]
    assert 1 < len(ids) < len(rows_of(release, "location"))
    assert files_of(tmp_path / "out") == videos(ids)
    for path in videos(ids):
        assert (tmp_path / "out" / path).read_bytes() == (
            releases[1].parent / "runs" / "after" / path
        ).read_bytes()
    assert [row["task"] for row in csv_of(tmp_path / "out", "location")] == ids
    wanted = [row for row in rows_of(release, "location") if row["task"] in ids]
    assert [row["prompt"] for row in csv_of(tmp_path / "out", "location")] == [
        row["prompt"] for row in wanted
    ]
    assert (answer["pairs"], answer["files"]) == (len(ids), 2 * len(ids))


def test_what_was_pulled_reads_like_a_release(releases: tuple[Path, Path], tmp_path: Path) -> None:
    streams = ",".join(kind.name for kind in KINDS)
    run(releases[1], "--streams", streams, "--limit", "3", "--out", tmp_path / "out")
    pulled, release = open_pairs(tmp_path / "out", kinds=KINDS), open_pairs(releases[1], limit=3)
    assert list(pulled.ids) == list(release.ids)
    assert pulled.frames.tolist() == release.frames.tolist()
    assert pulled.column("edited_video_score").equals(release.column("edited_video_score"))
    there, here = open_source(releases[1]), open_source(tmp_path / "out")
    for row in range(3):
        for kind in KINDS:
            assert here.read(pulled.artifact(row, kind)) == there.read(release.artifact(row, kind))


def test_pulls_add_up_and_the_csv_says_what_is_there(releases: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(releases[1], "--theme", "location", "--limit", "2", "--out", out)
    masks = ["--streams", "source_video_mask"]
    run(releases[1], "--theme", "location", "--limit", "3", *masks, "--out", out)
    run(releases[1], "--theme", "season", "--limit", "1", "--out", out)
    first = [row["task"] for row in rows_of(releases[1], "location")]
    assert [row["task"] for row in csv_of(out, "location")] == first[:2]  # the third has a mask alone
    assert len(csv_of(out, "season")) == 1
    for row in csv_of(out, "location"):
        assert (out / row["src_video"]).is_file()
        assert (out / row["tgt_video"]).is_file()
    pairs = open_pairs(out, ["location"], kinds=[layout.SOURCE_VIDEO_MASK])
    assert list(pairs.ids) == first[:3]


def test_a_rerun_brings_what_is_missing_or_wrong_and_nothing_else(hub: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run(REPO, "--out", out)
    before = {path: (out / path).read_bytes() for path in files_of(out)}
    again = run(REPO, "--out", out)
    assert (again["files"], again["bytes_brought"]) == (0, 0)
    gone, spoilt = sorted(before)[:2]
    (out / gone).unlink()
    (out / spoilt).write_bytes(before[spoilt][:-1] + b"\0")
    hub.asked.clear()
    mended = run(REPO, "--out", out)
    assert mended["files"] == 2
    assert {path: (out / path).read_bytes() for path in files_of(out)} == before
    assert first["files"] == len(before)
    tars = {asked.path.rpartition("/")[2] for asked in hub.gets() if asked.path.endswith(".tar")}
    assert 1 <= len(tars) <= 2


def test_a_dry_run_says_what_a_pull_then_does(hub: Any, tmp_path: Path) -> None:
    choice = [REPO, "--theme", "location", "--out", tmp_path / "out"]
    plan = run(*choice, "--dry-run")
    assert not (tmp_path / "out").exists()
    hub.asked.clear()
    hub.bytes_sent = 0
    done = run(*choice)
    assert plan["requests"] == len([asked for asked in hub.gets() if asked.path.endswith(".tar")])
    assert plan["missing_bytes"] == done["bytes_brought"] == sum(item["bytes"] for item in plan["streams"])
    assert hub.bytes_sent <= 1.05 * plan["missing_bytes"]


def test_a_kill_in_a_write_costs_one_file(hub: Any, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    choice = [REPO, "--theme", "location", "--out", str(tmp_path / "out")]
    kill_at.kill("half a download", 5, "pull", *choice, env=environment)
    assert len([path for path in files_of(tmp_path / "out") if ".tmp-" not in path]) == 4
    done = run(*choice)
    assert done["files"] == len(files_of(tmp_path / "out")) - 4
    assert not any(".tmp-" in path for path in files_of(tmp_path / "out"))
    run(REPO, "--theme", "location", "--out", tmp_path / "whole")
    assert (tmp_path / "whole" / layout.INDEX).read_bytes() == (tmp_path / "out" / layout.INDEX).read_bytes()


@pytest.mark.slow
def test_a_kill_before_any_rename_spoils_nothing(releases: tuple[Path, Path], tmp_path: Path) -> None:
    choice = (releases[1], "--theme", "season", "--limit", 1)
    run(*choice, "--out", tmp_path / "whole")
    wanted = {path.relative_to(tmp_path / "whole"): path.read_bytes() for path in tree(tmp_path / "whole")}
    for out in kill_at.sweep("before a rename", tmp_path, "pull", *choice):
        run(*choice, "--out", out)
        assert {path.relative_to(out): path.read_bytes() for path in tree(out)} == wanted


def test_upstreams_own_tars_are_pulled_through_an_index(
    hub: Any, releases: tuple[Path, Path], tmp_path: Path
) -> None:
    raw = hub.root / "me" / "raw"
    shutil.copytree(hub.root / "me" / "sparkle", raw)
    shutil.rmtree(raw / "data")
    shutil.rmtree(raw / "records")
    (raw / layout.MANIFEST).unlink()
    index_upstream("me/raw", tmp_path / "index")
    run(tmp_path / "index", "--min", "edited_video=9", "--max", "frames=9", "--out", tmp_path / "through")
    run(releases[1], "--min", "edited_video=9", "--out", tmp_path / "direct")
    assert files_of(tmp_path / "through") == files_of(tmp_path / "direct")
    assert csv_of(tmp_path / "through", "location") == csv_of(tmp_path / "direct", "location")


def test_a_pull_can_end_in_a_trainers_folder(releases: tuple[Path, Path], tmp_path: Path) -> None:
    answer = run(releases[1], "--limit", "3", "--out", tmp_path / "out", "--export", "kiwi")
    assert answer["exported"] == str(tmp_path / "out-kiwi")
    assert answer["left_out"] == []
    tables = list((tmp_path / "out-kiwi").rglob("*.csv"))
    assert len(tables) >= 1


@pytest.mark.slow
def test_a_hub_counts_few_requests_and_hardly_more_bytes_than_are_chosen(
    random_access: ModuleType, tmp_path: Path
) -> None:
    random_access.draw_release(tmp_path / "release", 200, 60_000)
    upload = (
        "import sys; from huggingface_hub import HfApi; api = HfApi(); "
        "api.create_repo('me/sparkle', repo_type='dataset'); "
        "api.upload_folder(repo_id='me/sparkle', repo_type='dataset', folder_path=sys.argv[1])"
    )
    with staging_server.staging(tmp_path / "root") as hub:
        hub.python(upload, tmp_path / "home", tmp_path / "release", xet=False)
        hub.reset_counters()
        code = "import sys; from sparkle.commands import hub; hub(sys.argv[1:])"
        words = ["pull", REPO, "--min", "edited_video=9.5", "--out", tmp_path / "out", "--json"]
        done = json.loads(hub.python(code, tmp_path / "home", *words).stdout)
        counted = hub.counters()
    assert 20 < done["pairs"] < 100
    assert done["files"] == len(files_of(tmp_path / "out")) == 2 * done["pairs"]
    assert counted["bytes_out"] <= 1.05 * done["bytes_brought"]
    assert counted["total"] <= 2 * done["pairs"]


# --- bad input --------------------------------------------------------------------------------


def test_what_is_more_than_it_may_be_is_refused_and_what_fits_is_said(hub: Any, tmp_path: Path) -> None:
    plan = run(REPO, "--theme", "location", "--out", tmp_path / "out", "--dry-run")
    half = plan["bytes"] // 2
    refused = run(REPO, "--theme", "location", "--out", tmp_path / "out", "--max-disk", half, code=2)
    assert "more than --max-disk" in refused["error"]["problem"]
    fits = int(refused["error"]["wanted"].split(": ")[1].split()[0])
    assert 0 < fits < plan["pairs"]
    assert not (tmp_path / "out").exists()
    choice = [REPO, "--theme", "location", "--max-disk", half, "--out", tmp_path / "out"]
    assert run(*choice, "--limit", fits)["pairs"] == fits
    run(*choice, "--limit", fits + 1, code=2)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--min", "beauty=9"], "no such score or measure"),
        (["--max", "licence=9"], "no such score or measure"),
        (["--min", "edited_video=11"], "no pair passes"),
        (["--max", "frames=8"], "no pair passes"),
        (["--theme", "time"], "no such theme"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(
    releases: tuple[Path, Path], tmp_path: Path, words: list[str], problem: str
) -> None:
    refused = run(releases[1], *words, "--out", tmp_path / "out", code=2)
    assert problem in refused["error"]["problem"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--min", "edited_video"],
        ["--min", "edited_video=nine"],
        ["--max", "=9"],
        ["--max", "frames=inf"],
        ["--streams", "sound"],
        ["--streams", "source_video,source_video"],
    ],
)
def test_what_cannot_be_read_is_wrong_usage(
    releases: tuple[Path, Path], tmp_path: Path, words: list[str]
) -> None:
    done = CliRunner().invoke(pull, [str(releases[1]), *words, "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert done.stderr.startswith("Usage: ")


def test_a_name_that_is_not_there_lists_those_that_are(releases: tuple[Path, Path], tmp_path: Path) -> None:
    refused = run(releases[1], "--min", "beauty=9", "--out", tmp_path / "out", code=2)
    for name in ("edited_video", "frames", "width", "flicker", "background_motion"):
        assert name in refused["error"]["wanted"]


def test_all_limits_must_hold(releases: tuple[Path, Path]) -> None:
    scores = open_pairs(releases[1], ["location"]).column("edited_video_score").to_pylist()
    within = open_pairs(
        releases[1],
        ["location"],
        min_scores={"edited_video": 8.5, "frames": 9},
        max_scores={"edited_video": 8.75, "frames": 9},
    )
    assert within.column("edited_video_score").to_pylist() == [s for s in scores if 8.5 <= s <= 8.75]
    assert 0 < len(within) < len(scores)


def test_a_measure_that_was_asked_for_is_in_the_tables(releases: tuple[Path, Path], tmp_path: Path) -> None:
    run(releases[1], "--max", "flicker=100", "--out", tmp_path / "out")
    release, pulled = (open_pairs(where).column("flicker") for where in (releases[1], tmp_path / "out"))
    assert pulled.equals(release)


def test_a_member_that_was_changed_ends_the_pull_and_keeps_the_rest(
    releases: tuple[Path, Path], tmp_path: Path
) -> None:
    release = Path(shutil.copytree(releases[1], tmp_path / "release"))
    artifact = open_pairs(release, ["location"]).artifact(4, EDITED_VIDEO)
    tar = bytearray((release / artifact.file).read_bytes())
    tar[artifact.offset + 100] ^= 1
    (release / artifact.file).write_bytes(tar)
    refused = run(release, "--theme", "location", "--out", tmp_path / "out", code=2)
    assert artifact.id in refused["error"]["where"]
    assert artifact.path not in files_of(tmp_path / "out")
    assert not (tmp_path / "out" / layout.prompts_csv("location")).exists()


def test_a_folder_with_something_else_is_not_written_into(
    releases: tuple[Path, Path], tmp_path: Path
) -> None:
    release = Path(shutil.copytree(releases[0], tmp_path / "release"))
    before = {path: path.read_bytes() for path in release.rglob("*") if path.is_file()}
    refused = run(releases[1], "--out", release, code=2)
    assert "that no pull made" in refused["error"]["problem"]
    assert {path: path.read_bytes() for path in release.rglob("*") if path.is_file()} == before
