"""`sparkle.load` and `sparkle export` of a release on a Hub give what they give of the same folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

UPLOAD = """
import sys
from huggingface_hub import HfApi
api = HfApi()
repo = f"{api.whoami()['name']}/release"
api.create_repo(repo, repo_type="dataset")
api.upload_folder(repo_id=repo, repo_type="dataset", folder_path=sys.argv[1])
api.create_tag(repo, repo_type="dataset", tag="v1")
print(repo)
"""
LOAD = """
import hashlib, json, sys
import datasets, sparkle
datasets.disable_progress_bars()
where, streaming = sys.argv[1], sys.argv[2] == "stream"
rows = sparkle.load(where, "location", streams=["edited_video", "source_video_mask"], streaming=streaming)
told = []
for row in rows:
    masks = hashlib.sha256(sparkle.load_mask(row["source_video_mask"])).hexdigest()
    told.append([row["task"], hashlib.sha256(row["edited_video"]["bytes"]).hexdigest(), masks])
print(json.dumps(told))
"""
EXPORT = """
import sys
from sparkle.commands import main
main(["export", sys.argv[1], "--to", "kiwi", "--out", sys.argv[2], "--theme", "location"])
"""


@pytest.fixture(scope="module")
def repo(hub: Any, releases: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    name: str = hub.python(UPLOAD, tmp_path_factory.mktemp("home"), releases[0]).stdout.split()[-1]
    return name


@pytest.fixture
def own_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "sparkle"))


@pytest.mark.usefixtures("own_cache_folder")
@pytest.mark.parametrize("way", ["map", "stream"])
def test_rows_of_a_repository_are_those_of_the_folder(
    hub: Any, repo: str, releases: tuple[Path, Path], tmp_path: Path, way: str
) -> None:
    ours = hub.python(LOAD, tmp_path / "one", releases[0], way).stdout.splitlines()[-1]
    theirs = hub.python(LOAD, tmp_path / "two", f"{repo}@v1", way).stdout.splitlines()[-1]
    assert len(json.loads(ours)) == 5
    assert json.loads(theirs) == json.loads(ours)


@pytest.mark.usefixtures("own_cache_folder")
def test_an_export_of_a_repository_is_that_of_the_folder(
    hub: Any, repo: str, releases: tuple[Path, Path], tmp_path: Path
) -> None:
    for name, where in (("ours", releases[0]), ("theirs", repo)):
        hub.python(EXPORT, tmp_path / "home", where, tmp_path / name)
    found = [
        {
            path.relative_to(tmp_path / name).as_posix(): path.read_bytes()
            for path in (tmp_path / name).rglob("*.*")
        }
        for name in ("ours", "theirs")
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 12  # ten videos, the table and the mark


def test_an_answer_that_breaks_off_at_the_first_question_is_asked_for_again(
    hub: Any, releases: tuple[Path, Path], tmp_path: Path
) -> None:
    code = "import sys, sparkle; print(len(sparkle.open_pairs('owner/broken', 'location')))"
    publish = "import sys, sparkle; sparkle.publish(sys.argv[1], 'owner/broken')"
    hub.python(publish, tmp_path / "home", releases[0])
    hub.faults({"action": "cut", "bytes": 100, "match": "GET /api/datasets/owner/broken", "next": 1})
    assert hub.python(code, tmp_path / "reader").stdout.split()[-1] == "5"
