"""Uploads by the unmodified client, by Xet and by LFS: what was sent arrives, and nothing is sent twice."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from pathlib import Path

import pytest

MIB = 1024 * 1024
BODIES = ("xorb", "lfs_put", "lfs_part")  # kinds of requests that carry large contents


@pytest.fixture(params=[True, False], ids=["xet", "lfs"])
def xet(request):
    return request.param


def write_folder(folder: Path, seed: int, large: int) -> dict[str, str]:
    """A folder with every kind of file; returns each path's sha256."""
    noise = random.Random(seed)  # noqa: S311
    files = {
        "README.md": b"---\nlicense: mit\n---\n# Data\n",
        "table.csv": b"a,b\n1,2\n",
        "empty.txt": b"",
        "clips/one.mp4": noise.randbytes(300_000),
        "clips/two.mp4": b"many zeros" + bytes(200_000),
        "binary": b"\0" + noise.randbytes(100),
        "deep/er/file with space+ä%2F.json": b"{}",
        "shard.tar": noise.randbytes(large),
    }
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and ".cache" not in path.parts and path.name != ".gitattributes"
    }


def xorbs(hub) -> set[Path]:
    """Chunks on the hub's disk that are not part of a content."""
    return {path for path in (hub.root / "xorbs").rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_folder_arrives_whole_and_is_sent_once(hub, client, tmp_path, xet):
    # More than one xorb, and more than one part.
    wanted = write_folder(tmp_path / "folder", seed=xet, large=70 * MIB)
    code = """
first = api.upload_folder(repo_id=given["repo"], folder_path=given["folder"], repo_type="dataset")
answer = [first.oid, len(api.list_repo_commits(given["repo"], repo_type="dataset"))]
"""
    given = {"repo": f"whole/{'xet' if xet else 'lfs'}", "folder": str(tmp_path / "folder")}
    client("api.create_repo(given['repo'], repo_type='dataset')", xet=xet, **given)
    before = xorbs(hub)
    hub.reset_counters()
    once = client(code, xet=xet, **given)
    sent = hub.counters()
    assert sent["bytes_in"] < 1.01 * (70 * MIB + 600_000)
    expected = {"xorb"} if xet else {"lfs_put", "lfs_part"}
    assert {kind for kind in BODIES if sent["requests"].get(kind)} == expected

    hub.reset_counters()
    assert client(code, xet=xet, **given) == once  # no commit either
    assert not any(hub.counters()["requests"].get(kind) for kind in BODIES)

    copy = client(
        """
answer = snapshot_download(given["repo"], repo_type="dataset", local_dir=given["out"])
""",
        xet=xet,
        repo=given["repo"],
        out=str(tmp_path / "out"),
    )
    assert hashes(Path(copy)) == wanted
    assert not list((hub.root / "tmp").iterdir())
    assert not list((hub.root / "parts").iterdir())
    assert xorbs(hub) == before  # every chunk is in a content by now: nothing is kept twice


def test_what_another_repository_has_is_not_sent(hub, client, tmp_path, xet):
    content = random.Random(f"shared {xet}").randbytes(3 * MIB)  # noqa: S311
    (tmp_path / "a.bin").write_bytes(content)
    code = """
for repo in given["repos"]:
    api.create_repo(repo)
    api.upload_file(path_or_fileobj=given["file"], path_in_repo="x/a.bin", repo_id=repo)
info = api.get_paths_info(given["repos"][1], ["x/a.bin"])[0]
answer = [info.size, info.lfs.sha256]
"""
    repos = [f"shared/{xet}-1", f"shared/{xet}-2"]
    hub.reset_counters()
    answer = client(code, xet=xet, repos=repos, file=str(tmp_path / "a.bin"))
    assert answer == [3 * MIB, hashlib.sha256(content).hexdigest()]
    assert hub.counters()["bytes_in"] < 1.1 * 3 * MIB


def test_chunks_of_contents_are_not_sent_again_by_xet(hub, client, tmp_path):
    noise = random.Random("chunks")  # noqa: S311
    old = noise.randbytes(8 * MIB)
    new = old[: 3 * MIB] + noise.randbytes(1000) + old[3 * MIB : 7 * MIB]  # as a shard that lost a member
    (tmp_path / "old.tar").write_bytes(old)
    (tmp_path / "new.tar").write_bytes(new)
    code = """
api.create_repo("chunks/a", exist_ok=True)
api.upload_file(path_or_fileobj=given["file"], path_in_repo="a.tar", repo_id="chunks/a")
answer = api.get_paths_info("chunks/a", ["a.tar"])[0].lfs.sha256
"""
    before = xorbs(hub)
    client(code, file=str(tmp_path / "old.tar"))
    assert xorbs(hub) == before
    hub.reset_counters()
    answer = client(code, file=str(tmp_path / "new.tar"))
    assert answer == hashlib.sha256(new).hexdigest()
    assert hub.counters()["bytes_in"] < MIB


def test_the_command_line_uploads_and_downloads(hub, tmp_path, xet):
    folder = tmp_path / "folder"
    wanted = write_folder(folder, seed=7, large=2 * MIB)
    repo = f"cli/{'xet' if xet else 'lfs'}"
    environment = hub.env(tmp_path / "home", xet=xet)

    def hf(*words: str) -> str:
        command = [str(Path(sys.executable).with_name("hf")), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    hf("upload", repo, str(folder), ".", "--repo-type", "dataset")
    hf("download", repo, "--repo-type", "dataset", "--local-dir", str(tmp_path / "out"))
    assert hashes(tmp_path / "out") == wanted


def test_commits_add_copy_and_delete(client, xet):
    answer = client(
        """
repo = given["repo"]
api.create_repo(repo, repo_type="dataset")
first = api.create_commit(repo, [
    CommitOperationAdd("a.txt", b"small"),
    CommitOperationAdd("d/big.bin", b"\\0" * 400_000),
    CommitOperationAdd("d/e/one.txt", b"1"),
    CommitOperationAdd("d/e/two.txt", b"2"),
], commit_message="add", commit_description="and say why", repo_type="dataset")
api.create_commit(repo, [
    CommitOperationCopy("d/big.bin", "copy.bin"),
    CommitOperationCopy("a.txt", "b.txt"),
    CommitOperationDelete("d/e/"),
], commit_message="change", repo_type="dataset", parent_commit=first.oid)
api.delete_file("a.txt", repo, repo_type="dataset")
api.delete_folder("d", repo, repo_type="dataset")
left = {path.path: path.size for path in api.list_repo_tree(repo, recursive=True, repo_type="dataset")}
api.delete_files(repo, ["*.bin"], repo_type="dataset")
missing = refusal(api.delete_file, "nowhere", repo, repo_type="dataset")
commits = api.list_repo_commits(repo, repo_type="dataset")
answer = [left, api.list_repo_files(repo, repo_type="dataset"), missing, len(commits),
          [commits[-2].title, commits[-2].message],
          Path(hf_hub_download(repo, "d/e/two.txt", revision=first.oid, repo_type="dataset")).read_text()]
""",
        xet=xet,
        repo=f"ops/{'xet' if xet else 'lfs'}",
    )
    assert answer == [
        {".gitattributes": 2321, "b.txt": 5, "copy.bin": 400_000},
        [".gitattributes", "b.txt"],
        ["RemoteEntryNotFoundError", 404],
        6,
        ["add", "and say why"],
        "2",
    ]


def test_ignored_files_and_attributes_of_the_repository_count(client):
    answer = client(
        """
api.create_repo("rules/a")
api.create_commit("rules/a", [
    CommitOperationAdd(".gitignore", b"*.log\\n/build/\\n"),
    CommitOperationAdd(".gitattributes", b"*.txt filter=lfs diff=lfs merge=lfs -text\\n"),
], commit_message="rules")
api.create_commit("rules/a", [
    CommitOperationAdd("x/a.log", b"no"), CommitOperationAdd("build/b", b"no"),
    CommitOperationAdd("x/build/b", b"yes"), CommitOperationAdd("a.txt", b"large"),
    CommitOperationAdd("a.mp4", b"small"),
], commit_message="files")
files = api.get_paths_info("rules/a", ["a.txt", "a.mp4"])
answer = [api.list_repo_files("rules/a"), {file.path: file.lfs is not None for file in files}]
"""
    )
    assert answer == [
        [".gitattributes", ".gitignore", "a.mp4", "a.txt", "x/build/b"],
        {"a.txt": True, "a.mp4": False},
    ]
