"""History is squashed and purged: what is deleted for good is nowhere any more, nothing else is touched."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

MIB = 1024 * 1024


def contents(root: Path) -> Iterator[bytes]:
    """Every large content and xorb on the hub's disk."""
    for folder in ("blobs", "xorbs", "parts", "tmp"):
        for path in filter(Path.is_file, (root / folder).rglob("*")):
            yield path.read_bytes()


def test_a_squashed_branch_is_one_commit_with_the_same_files(client):
    answer = client(
        """
api.create_repo("squash/a", repo_type="dataset")
for n in range(3):
    api.upload_file(path_or_fileobj=b"%d" % n, path_in_repo="a.txt", repo_id="squash/a", repo_type="dataset")
api.create_branch("squash/a", branch="old", repo_type="dataset")
api.super_squash_history("squash/a", branch="main", commit_message="one", repo_type="dataset")
titles = lambda branch: [commit.title for commit in
                         api.list_repo_commits("squash/a", repo_type="dataset", revision=branch)]
answer = [titles("main"), len(titles("old")), api.list_repo_files("squash/a", repo_type="dataset"),
          Path(hf_hub_download("squash/a", "a.txt", repo_type="dataset")).read_text(),
          refusal(api.super_squash_history, "squash/a", branch="nowhere", repo_type="dataset")]
"""
    )
    assert answer == [["one"], 4, [".gitattributes", "a.txt"], "2", ["RevisionNotFoundError", 404]]


@pytest.mark.parametrize("xet", [True, False], ids=["xet", "lfs"])
def test_large_files_are_listed_and_deleted_for_good(hub, client, tmp_path, xet):
    noise = random.Random(f"purge {xet}")  # noqa: S311
    part = noise.randbytes(2 * MIB)
    secret = noise.randbytes(MIB)
    (tmp_path / "v1.tar").write_bytes(part + secret)  # a shard with a member that must go
    (tmp_path / "v2.tar").write_bytes(part)  # the shard without it
    (tmp_path / "other.tar").write_bytes(noise.randbytes(500_000))
    digest = {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        for name in ("v1.tar", "v2.tar", "other.tar")
    }
    answer = client(
        """
repo, kind = given["repo"], {"repo_type": "dataset"}
api.create_repo(repo, **kind)
folder = Path(given["folder"])
put = lambda source, path: api.upload_file(path_or_fileobj=str(folder / source), path_in_repo=path,
                                           repo_id=repo, commit_message=source, **kind)
first = put("other.tar", "other.tar")
put("v1.tar", "shard.tar")
api.create_tag(repo, tag="v1", **kind)
put("v2.tar", "shard.tar")
before = {file.file_oid: [file.filename, file.size] for file in api.list_lfs_files(repo, **kind)}
gone = [file for file in api.list_lfs_files(repo, **kind) if file.file_oid == given["digest"]]
api.permanently_delete_lfs_files(repo, gone, **kind)
after = sorted(file.file_oid for file in api.list_lfs_files(repo, **kind))
titles = [commit.title for commit in api.list_repo_commits(repo, **kind)]
answer = [before, after, titles, api.list_repo_files(repo, revision="v1", **kind),
          api.list_repo_files(repo, **kind),
          refusal(hf_hub_download, repo, "shard.tar", revision="v1", **kind),
          Path(hf_hub_download(repo, "shard.tar", **kind)).stat().st_size,
          api.list_repo_commits(repo, **kind)[-2].commit_id == first.oid]
""",
        xet=xet,
        repo=f"purge/{'xet' if xet else 'lfs'}",
        folder=str(tmp_path),
        digest=digest["v1.tar"],
    )
    assert answer == [
        {
            digest["v1.tar"]: ["shard.tar", 3 * MIB],
            digest["v2.tar"]: ["shard.tar", 2 * MIB],
            digest["other.tar"]: ["other.tar", 500_000],
        },
        sorted([digest["v2.tar"], digest["other.tar"]]),
        ["v2.tar", "v1.tar", "other.tar", "initial commit"],
        [".gitattributes", "other.tar"],
        [".gitattributes", "other.tar", "shard.tar"],
        ["RemoteEntryNotFoundError", 404],
        2 * MIB,
        True,  # commits from before it came are what they were
    ]
    assert not any(secret[1000:2000] in content for content in contents(hub.root))

    # The same shard is published again: it is taken as new, whatever the client remembers.
    again = client(
        """
api.upload_file(path_or_fileobj=given["file"], path_in_repo="again.tar", repo_id=given["repo"],
                repo_type="dataset")
answer = api.get_paths_info(given["repo"], ["again.tar"], repo_type="dataset")[0].lfs.sha256
""",
        xet=xet,
        repo=f"purge/{'xet' if xet else 'lfs'}",
        file=str(tmp_path / "other.tar"),
    )
    assert again == digest["other.tar"]


def test_what_another_repository_holds_stays_there(hub, client):
    answer = client(
        """
content = bytes(range(256)) * 2000
for repo in ("keep/a", "keep/b"):
    api.create_repo(repo)
    api.upload_file(path_or_fileobj=content, path_in_repo="x.bin", repo_id=repo)
files = list(api.list_lfs_files("keep/a"))
api.permanently_delete_lfs_files("keep/a", files, rewrite_history=False)
answer = [api.list_repo_files("keep/a"), refusal(hf_hub_download, "keep/a", "x.bin"),
          Path(hf_hub_download("keep/b", "x.bin")).read_bytes() == content]
api.permanently_delete_lfs_files("keep/b", files)
answer += [api.list_repo_files("keep/b"), files[0].file_oid]
api.upload_file(path_or_fileobj=content, path_in_repo="new.bin", repo_id="keep/a")
answer.append(Path(hf_hub_download("keep/a", "new.bin")).read_bytes() == content)
"""
    )
    assert answer[:4] == [
        [".gitattributes", "x.bin"],
        ["RemoteEntryNotFoundError", 404],
        True,
        [".gitattributes"],
    ]
    assert answer[5] is True
