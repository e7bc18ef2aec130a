"""A takedown in a repository, by the command, against a staging hub and its unmodified client."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile

from sparkle.builders.checks.release import check_release
from sparkle.builders.release.manifest import hash_by_git
from sparkle.hub.takedown.folder import take_down
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_bytes

pytestmark = pytest.mark.slow

IDS = ("Sparkle_location_000000", "Sparkle_season_000003")
MAIN = "from sparkle.commands import hub; hub()"

Files = Callable[[Path], dict[str, bytes]]

_PUBLISH = """
import sys
from huggingface_hub import HfApi
api, (repo, folder) = HfApi(), sys.argv[1:]
api.create_repo(repo, repo_type="dataset")
api.upload_folder(repo_id=repo, folder_path=folder, repo_type="dataset")
"""


@dataclass
class Repository:
    """A branch that shows a release.

    Attributes:
        hub: The hub.
        repo: `owner/name`.
        branch: The branch.
        folder: Where clients keep what they keep.
    """

    hub: Any
    repo: str
    branch: str
    folder: Path

    @property
    def name(self) -> str:
        """What the command is given."""
        return self.repo if self.branch == "main" else f"{self.repo}@{self.branch}"

    @property
    def api(self) -> HfApi:
        """The unmodified client, for looking and for references; it keeps nothing."""
        return HfApi(self.hub.url, token=self.hub.write_token)

    def commits(self) -> list[tuple[str, str]]:
        """Id and title of the branch's commits, newest first."""
        found = self.api.list_repo_commits(self.repo, repo_type="dataset", revision=self.branch)
        return [(commit.commit_id, commit.title) for commit in found]

    def titles(self) -> list[str]:
        """Titles of the branch's commits, newest first."""
        return [title for _, title in self.commits()]

    def differences(self, wanted: dict[str, bytes]) -> list[str]:
        """Paths at which the branch shows something else than wanted."""
        tree = self.api.list_repo_tree(self.repo, recursive=True, revision=self.branch, repo_type="dataset")
        shown = {
            item.path: item.lfs.sha256 if item.lfs else item.blob_id
            for item in tree
            if isinstance(item, RepoFile) and item.path != ".gitattributes"
        }
        hashes = {path: {sha256_bytes(data), hash_by_git(data)} for path, data in wanted.items()}
        unlike = [path for path in shown.keys() & hashes.keys() if shown[path] not in hashes[path]]
        return sorted([*unlike, *(shown.keys() ^ hashes.keys())])

    def download(self) -> Path:
        """The release as it is downloaded."""
        target = self.folder / "download"
        self.api.snapshot_download(
            self.repo, repo_type="dataset", revision=self.branch, local_dir=target, max_workers=4
        )
        shutil.rmtree(target / ".cache")
        (target / ".gitattributes").unlink(missing_ok=True)
        return target

    def run(self, *words: object, code: str = MAIN, **env: Any) -> subprocess.CompletedProcess[str]:
        """A command, as another process."""
        variables = self.hub.env(self.folder / "home", **env)
        variables |= {"SPARKLE_CACHE": str(self.folder / "cache")}
        command = [sys.executable, "-c", code, *map(str, words)]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    def take_down(self, *words: object) -> dict[str, Any]:
        """What `sparkle takedown` answers as JSON; fails when it fails."""
        done = self.run("takedown", self.name, *options(IDS), *words, "--json")
        assert done.returncode == 0, done.stderr
        value: dict[str, Any] = json.loads(done.stdout)
        return value


def options(ids: tuple[str, ...]) -> list[str]:
    return [word for sample_id in ids for word in ("--id", sample_id)]


@pytest.fixture(scope="module")
def shared(hub: Any, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The release, published; nobody changes its main branch."""
    made = Repository(hub, "me/shared", "main", tmp_path_factory.mktemp("shared"))
    hub.python(_PUBLISH, made.folder / "client", made.repo, built)
    return made


@pytest.fixture
def repository(shared: Repository, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Repository]:
    """A branch of its own for each test."""
    branch = f"b{zlib.crc32(request.node.name.encode())}"
    shared.api.create_branch(shared.repo, branch=branch, repo_type="dataset")
    yield replace(shared, branch=branch, folder=tmp_path / "hub")
    shared.api.delete_branch(shared.repo, branch=branch, repo_type="dataset")


@pytest.fixture
def own(hub: Any, built: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Repository:
    """A repository of its own, for what changes all of it."""
    made = Repository(hub, f"me/r{zlib.crc32(request.node.name.encode())}", "main", tmp_path / "hub")
    hub.python(_PUBLISH, made.folder / "client", made.repo, built)
    return made


@pytest.fixture
def wanted(release: Path, files: Files) -> dict[str, bytes]:
    """The release after the same takedown in a folder."""
    take_down(release, IDS, [])
    return files(release)


def test_one_commit_makes_it_what_a_takedown_in_a_folder_makes(
    repository: Repository, wanted: dict[str, bytes], files: Files, built: Path
) -> None:
    before = repository.commits()
    planned = repository.take_down("--dry-run", "--purge-history")
    assert (repository.commits(), "changed" in planned) == (before, False)
    assert planned["cost"]["samples"] == {"location": 1, "season": 1}

    # Tars that lose nothing, and have nothing that moves up, are never asked for: here they cannot be had.
    old = files(built)
    moving = (b"Sparkle_location_000006", b"Sparkle_season_000006")
    untouched = [
        path.removesuffix(".tar")
        for path, data in old.items()
        if path.endswith(".tar") and wanted.get(path) == data and not any(name in data for name in moving)
    ]
    assert untouched
    with faults(repository, {"match": f"({'|'.join(untouched)})[.]tar", "action": "status", "status": 403}):
        answer = repository.take_down()
    assert sorted(answer["ids"]) == sorted(IDS)
    (commit, title), (first, _), *_ = repository.commits()
    assert (commit, title) == (answer["commit"], "Take down 2 pairs")
    assert repository.titles().count(title) == 1
    assert answer["history"]["commits"] == [first]
    assert "refs/heads/main" in answer["history"]["refs"]
    held = {file["path"]: file["sha256"] for file in answer["history"]["files"]}
    assert {path for path in held if path.endswith(".tar")} == {
        path for path in old if path.endswith(".tar") and old[path] != wanted.get(path)
    }
    kept = set(wanted.values())  # small masks of other samples may have the same bytes
    loose = {path for path in old if any(sample_id in path for sample_id in IDS) and old[path] not in kept}
    assert loose
    assert loose <= held.keys()
    # Nothing of what was taken down stays in the caches of this machine.
    assert not list((repository.folder / "cache" / "takedown").rglob("*"))

    release = repository.download()
    assert files(release) == wanted
    assert check_release(release).findings == ()

    done = repository.run("takedown", repository.name, *options(IDS))
    assert (done.returncode, "nothing to remove" in done.stdout) == (0, True)
    assert f"1 older commits still show it (the newest is {first[:12]})" in done.stderr
    assert repository.commits()[0] == (commit, title)


@contextmanager
def faults(repository: Repository, *rules: dict[str, Any]) -> Iterator[None]:
    """Requests fail by some rules."""
    repository.hub.faults(*rules)
    try:
        yield
    finally:
        repository.hub.faults()


# --- history ----------------------------------------------------------------------------------


def test_a_purge_leaves_nothing_of_it_on_the_hub(
    own: Repository, wanted: dict[str, bytes], files: Files, built: Path
) -> None:
    own.api.create_tag(own.repo, tag="v1", repo_type="dataset")
    first = own.commits()[0][0]
    answer = own.take_down("--purge-history", "--yes")
    assert answer["history"]["refs"] == ["refs/tags/v1"]
    assert answer["purge"]["deleted"] == ["v1"]
    assert (answer["purged"]["text"], answer["purged"]["pulls"]) == (0, [])
    assert own.titles() == ["Forget what was before"]
    assert own.api.list_repo_refs(own.repo, repo_type="dataset").tags == []
    assert own.differences(wanted) == []
    # By the old commit nothing is served, and no content that held them is listed.
    old = files(built)
    gone = [path for path in old if old[path] != wanted.get(path)]
    assert not [path for path in gone if is_served(own, first, path)]
    kept = set(wanted.values())
    contents = {sha256_bytes(old[path]) for path in gone if old[path] not in kept}
    assert not contents & {file.file_oid for file in own.api.list_lfs_files(own.repo, repo_type="dataset")}
    # A rerun finds nothing more to do.
    again = own.take_down("--purge-history", "--yes")
    assert (again["history"]["commits"], again["purged"]["files"]) == ([], 0)
    assert own.differences(wanted) == []


def test_a_purge_reaches_pull_requests(
    own: Repository, wanted: dict[str, bytes], files: Files, built: Path
) -> None:
    note = {"path_or_fileobj": b"a note", "path_in_repo": "note.txt", "repo_id": own.repo}
    opened = own.api.upload_file(**note, repo_type="dataset", create_pr=True)
    done = own.run("takedown", own.name, *options(IDS), "--purge-history", "--yes")
    assert done.returncode == 0, done.stderr
    assert "history: pr/1 still shows it" in done.stderr
    # What no client can take out is told.
    assert is_served(own, opened.pr_revision, layout.prompts_csv("location"))
    assert f"{own.hub.url}/datasets/{own.repo}/discussions/1; close it" in done.stderr
    assert f"delete {opened.pr_revision}" in done.stderr
    old, kept = files(built), set(wanted.values())
    listed = {file.file_oid for file in own.api.list_lfs_files(own.repo, repo_type="dataset")}
    assert not {sha256_bytes(data) for data in old.values() if data not in kept} & listed
    shown = own.api.list_repo_files(own.repo, repo_type="dataset", revision=opened.pr_revision)
    assert "note.txt" in shown
    tars = [path for path in old if path.endswith(".tar") and old[path] not in kept]
    assert tars
    assert not [path for path in tars if is_served(own, opened.pr_revision, path)]
    assert own.differences(wanted) == []


def is_served(repository: Repository, commit: str, path: str) -> bool:
    url = hf_hub_url(repository.repo, path, repo_type="dataset", revision=commit, endpoint=repository.hub.url)
    try:
        get_hf_file_metadata(url, token=repository.hub.write_token, endpoint=repository.hub.url)
    except (EntryNotFoundError, RevisionNotFoundError):
        return False
    return True


def test_other_branches_and_tags_at_a_purge(own: Repository) -> None:
    own.api.create_branch(own.repo, branch="next", repo_type="dataset")
    done = own.run("takedown", own.repo, *options(IDS), "--purge-history", "--yes")
    assert done.returncode == 2
    assert "got: next" in done.stderr
    assert f"sparkle takedown {own.repo}@next" in done.stderr
    assert len(own.commits()) > 1
    done = own.run("takedown", f"{own.repo}@next", *options(IDS))
    assert done.returncode == 0
    # What is to be done next works when it is pasted.
    (told,) = [line for line in done.stdout.splitlines() if line.startswith("next: sparkle ")]
    checked = own.run(*told.split()[2:], "--level", "integrity")
    assert checked.returncode == 0, checked.stderr
    # A tag of the release as it is now is set again on the new commit.
    own.api.create_tag(own.repo, tag="v2", repo_type="dataset")
    answer = own.take_down("--purge-history", "--yes")
    assert answer["purge"]["branches"].keys() == {"main", "next"}
    assert (answer["purge"]["moved"], answer["purge"]["deleted"]) == ({"v2": "main"}, [])
    assert own.titles() == replace(own, branch="next").titles() == ["Forget what was before"]
    (tag,) = own.api.list_repo_refs(own.repo, repo_type="dataset").tags
    assert (tag.name, tag.target_commit) == ("v2", own.commits()[0][0])


def test_a_purge_is_never_done_without_a_yes(repository: Repository) -> None:
    before = repository.commits()
    done = repository.run("takedown", repository.name, *options(IDS), "--purge-history")
    assert (done.returncode, "--yes" in done.stderr) == (2, True)
    assert repository.commits() == before


# --- what goes wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "role", "told"),
    [
        (["--id", "Sparkle_location_000001"], "write", "no such id"),
        (options(IDS), "nobody", "token"),
        (options(IDS), "read", "may only read"),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    repository: Repository, words: list[str], role: str, told: str
) -> None:
    before = repository.commits()
    tokens = {"write": None, "read": repository.hub.read_token, "nobody": ""}
    done = repository.run("takedown", repository.name, *words, token=tokens[role])
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert repository.commits() == before


def test_what_is_no_release_is_refused(repository: Repository) -> None:
    repository.api.create_repo("me/other", repo_type="dataset")
    for name, got in (("me/nothing-here", "no such repository"), ("me/other", "no manifest")):
        done = repository.run("takedown", name, *options(IDS))
        assert done.returncode == 2
        assert "not a release" in done.stderr
        assert got in done.stderr


# A takedown that does something else, or ends, at a moment.
_AT = """
import os, signal, sys
from huggingface_hub import HfApi
from sparkle.builders.takedown import theme
from sparkle.hub.targets.hub import HubTarget
from sparkle.hub.takedown import repository

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def publish():
    repo, _, branch = sys.argv[1].partition("@")
    HfApi().upload_file(
        repo_id=repo, revision=branch, path_in_repo="notes.txt", path_or_fileobj=b"x", repo_type="dataset"
    )

owner, name, after, act = {
    "half of the files": (theme, "cut_csv", False, kill),
    "everything sent": (repository, "send_files", True, kill),
    "after the commit": (HfApi, "create_commit", True, kill),
    "somebody else publishes": (repository, "send_files", False, publish),
}[sys.argv.pop(1)]
real = getattr(owner, name)

def wrapped(*args, **kwargs):
    setattr(owner, name, real)
    if after:
        real(*args, **kwargs)
    act()
    return real(*args, **kwargs)

setattr(owner, name, wrapped)
from sparkle.commands.takedown import takedown
takedown(sys.argv[1:])
"""


@pytest.mark.parametrize("moment", ["half of the files", "everything sent", "after the commit"])
def test_a_kill_leaves_the_old_or_the_new_state_and_a_rerun_finishes(
    repository: Repository, wanted: dict[str, bytes], files: Files, built: Path, moment: str
) -> None:
    repository.hub.reset_counters()
    killed = repository.run(moment, repository.name, *options(IDS), code=_AT)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    sent = "xorb" in repository.hub.counters()["requests"]
    assert repository.differences(wanted if moment == "after the commit" else files(built)) == []
    repository.hub.reset_counters()
    repository.take_down()
    assert repository.differences(wanted) == []
    assert repository.titles().count("Take down 2 pairs") == 1
    if moment == "everything sent":
        assert sent
        assert "xorb" not in repository.hub.counters()["requests"]  # and nothing is sent twice


def test_a_branch_that_moved_meanwhile_is_left_alone(
    repository: Repository, wanted: dict[str, bytes], files: Files, built: Path
) -> None:
    done = repository.run("somebody else publishes", repository.name, *options(IDS), code=_AT)
    assert done.returncode == 2, done.stderr
    assert "the branch moved" in done.stderr
    assert repository.differences(files(built) | {"notes.txt": b"x"}) == []
    repository.take_down()
    assert repository.differences(wanted | {"notes.txt": b"x"}) == []


def test_a_bad_network_is_waited_out(repository: Repository, wanted: dict[str, bytes]) -> None:
    with faults(
        repository,
        {"every": 10, "action": "status", "status": 503, "retry_after": 0.1},
        {"match": "POST .*/commit/", "next": 1, "action": "lose"},
    ):
        repository.take_down()
    assert repository.differences(wanted) == []
    assert repository.titles().count("Take down 2 pairs") == 1
