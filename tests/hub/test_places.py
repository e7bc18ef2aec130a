"""Places; the Hub's is tested with the unmodified client, in another process, against a loopback server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import loopback
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.reading.place import open_place
from sparkle.commands.diff import to_json
from sparkle.hub.diff.release import compare_releases
from sparkle.schemas.errors import ReleaseError, UnsafePathError


@pytest.fixture(scope="module")
def hub(releases: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Hub with the older release as me/sparkle."""
    root = tmp_path_factory.mktemp("hub")
    (root / "me").mkdir()
    (root / "me" / "sparkle").symlink_to(releases[0])
    with loopback.serve(root) as server:
        yield server


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def sparkle_hub(url: str, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a client that knows nothing but this Hub."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment = {**clean, "HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    code = "import sys; from sparkle.commands import hub; hub(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=environment, check=False
    )


def test_a_repository_is_compared_like_the_folder_it_holds(
    hub: Any, home: Path, releases: tuple[Path, Path]
) -> None:
    done = sparkle_hub(hub.url, home, "diff", "me/sparkle@v1.0", str(releases[1]), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    wanted = to_json(compare_releases(FolderPlace(releases[0]), FolderPlace(releases[1])))
    assert answer["before"] == "me/sparkle@v1.0"
    assert answer | {"before": ""} == json.loads(json.dumps(wanted)) | {"before": ""}
    read = {asked.path.partition("/resolve/")[2] for asked in hub.gets()} - {""}
    # Everything is read at the commit that the tag was resolved to, and no tar is.
    assert all(path.startswith("c0ffee") for path in read)
    assert all(path.endswith((".parquet", "manifest.json")) for path in read)


@pytest.mark.slow
def test_a_rerun_downloads_nothing_again(hub: Any, home: Path) -> None:
    sparkle_hub(hub.url, home, "diff", "me/sparkle", "me/sparkle")
    hub.asked.clear()
    done = sparkle_hub(hub.url, home, "diff", "me/sparkle", "hf://datasets/me/sparkle")
    assert "are the same" in done.stdout
    assert hub.gets() == []


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("me/other", "no dataset repository of this name"),
        ("me/sparkle@v9", "no such revision"),
        ("me/--", "not the name of a repository"),
    ],
)
def test_what_the_hub_does_not_have_is_said(hub: Any, home: Path, name: str, problem: str) -> None:
    done = sparkle_hub(hub.url, home, "diff", name, name)
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr


def test_a_repository_that_is_no_release_is_said(hub: Any, home: Path) -> None:
    (hub.root / "me" / "empty").mkdir(exist_ok=True)
    done = sparkle_hub(hub.url, home, "diff", "me/empty", "me/empty")
    assert done.returncode == 2
    assert "not a release" in done.stderr
    assert "manifest.json" in done.stderr


def test_a_hub_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = sparkle_hub("http://127.0.0.1:9", tmp_path, "diff", "releases/next", "releases/next")
    assert done.returncode == 2
    assert "no such folder, and http://127.0.0.1:9 cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_comes_before_a_repository_of_the_same_name(
    releases: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(releases[0].parent.parent)
    name = f"{releases[0].parent.name}/{releases[0].name}"
    place = open_place(name)
    assert place.folder == releases[0]
    assert place.name == name


@pytest.mark.parametrize("name", ["", "no such place", "a/b/c", "one", "a/b@", "/no/such/folder"])
def test_a_name_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(ReleaseError, match="neither a folder nor a repository"):
        open_place(name)


@pytest.mark.parametrize("path", ["../before/manifest.json", "/etc/passwd", "data\\x"])
def test_a_path_out_of_the_folder_is_refused(releases: tuple[Path, Path], path: str) -> None:
    with pytest.raises(UnsafePathError):
        FolderPlace(releases[0]).fetch(path)
