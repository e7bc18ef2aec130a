"""Pull requests: committed to like a branch, merged whole or not at all, and never lost."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import pytest

from harness import staging_server

# Put a file there; the names that a reference has.
_HELPERS = """
def put(path, content=b"x", **where):
    return api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=given["repo"],
                           repo_type="dataset", **where)
def names(ref):
    return [name for name in api.list_repo_files(given["repo"], revision=ref, repo_type="dataset")
            if name != ".gitattributes"]
def read(path, ref):
    return Path(hf_hub_download(given["repo"], path, revision=ref, repo_type="dataset")).read_text()
repo = {"repo_id": given["repo"], "repo_type": "dataset"}
api.create_repo(**repo)
"""


@pytest.fixture
def pulls(client):
    """Run a code beside the helpers above, in a repository of its own."""
    return lambda repo, code: client(_HELPERS + code, repo=repo)


def test_a_commit_opens_one_and_merging_makes_one_commit_of_the_branch(pulls):
    answer = pulls(
        "pulls/a",
        """
put("a.txt", b"1"); put("folder/b.txt", b"1"); put("folder/c.bin", b"\\0" * 9000)
opened = put("a.txt", b"2", create_pr=True, commit_message="two", commit_description="why")
api.create_commit(operations=[CommitOperationDelete("folder/"), CommitOperationAdd("folder", b"a file now")],
                  commit_message="a folder becomes a file", revision=opened.pr_revision, **repo)
put("main.txt", b"meanwhile")
before = [names("main"), names("refs/pr/1"), read("a.txt", "main"), read("a.txt", "refs/pr/1")]
told = api.get_discussion_details(discussion_num=1, **repo)
api.merge_pull_request(discussion_num=opened.pr_num, **repo)
merged = api.get_discussion_details(discussion_num=1, **repo)
last = api.list_repo_commits(**repo)[0]
answer = {
    "url": opened.pr_url == f"{api.endpoint}/datasets/pulls/a/discussions/1", "ref": opened.pr_revision,
    "before": before, "after": names("main"), "files": [read(name, "main") for name in ("a.txt", "folder")],
    "told": [told.title, told.status, told.target_branch, told.conflicting_files, told.merge_commit_oid],
    "events": [[event.type, getattr(event, "content", getattr(event, "summary", None))]
               for event in told.events],
    "merged": [merged.status, merged.merge_commit_oid == last.commit_id, last.title, len(merged.events)],
    "commits": [commit.title for commit in api.list_repo_commits(**repo)][1:],
    "still": names("refs/pr/1"),
    "again": refusal(api.merge_pull_request, discussion_num=1, **repo),
    "reopened": refusal(api.change_discussion_status, discussion_num=1, new_status="open", **repo),
}
""",
    )
    assert answer["url"]
    assert answer["ref"] == "refs/pr/1"
    three = ["a.txt", "folder/b.txt", "folder/c.bin"]
    assert answer["before"] == [[*three, "main.txt"], ["a.txt", "folder"], "1", "2"]
    assert answer["after"] == ["a.txt", "folder", "main.txt"]
    assert answer["files"] == ["2", "a file now"]
    assert answer["told"] == ["two", "open", "refs/heads/main", [], None]
    said = [["comment", "why"], ["commit", "two"], ["commit", "a folder becomes a file"]]
    assert answer["events"] == said
    assert answer["merged"] == ["merged", True, "two (#1)", 4]
    first = [f"Upload {path} with huggingface_hub" for path in ("main.txt", *three[::-1])]
    assert answer["commits"] == [*first, "initial commit"]
    assert answer["still"] == ["a.txt", "folder"]
    assert answer["again"] == answer["reopened"] == ["BadRequestError", 400]


def test_what_both_changed_is_a_conflict_and_nothing_is_merged(pulls):
    answer = pulls(
        "pulls/b",
        """
put("same.txt", b"0"); put("gone.txt", b"0"); put("other.txt", b"0")
start = api.dataset_info("pulls/b").sha
api.create_commit(operations=[CommitOperationAdd("same.txt", b"pr"), CommitOperationDelete("gone.txt"),
                              CommitOperationAdd("way", b"a file"), CommitOperationAdd("equal.txt", b"=")],
                  commit_message="conflict", create_pr=True, **repo)
api.create_commit(operations=[CommitOperationAdd("same.txt", b"main"), CommitOperationAdd("gone.txt", b"1"),
                              CommitOperationAdd("way/a", b"in a folder"),
                              CommitOperationAdd("equal.txt", b"=")],
                  commit_message="main", **repo)
head = api.dataset_info("pulls/b").sha
refused = refusal(api.merge_pull_request, discussion_num=1, **repo)
late = api.create_commit(operations=[CommitOperationAdd("late.txt", b"1")], parent_commit=start,
                         commit_message="from an old commit", create_pr=True, **repo)
api.merge_pull_request(discussion_num=late.pr_num, **repo)
answer = [api.get_discussion_details(discussion_num=1, **repo).conflicting_files, refused,
          api.get_discussion_details(discussion_num=1, **repo).status,
          api.list_repo_commits(**repo)[1].commit_id == head, names("refs/pr/2"), names("main")]
""",
    )
    conflicts, refused, status, kept, old, main = answer
    assert conflicts == ["gone.txt", "same.txt", "way"]
    assert refused == ["HfHubHTTPError", 409]
    assert status == "open"
    assert kept
    assert old == ["gone.txt", "late.txt", "other.txt", "same.txt"]
    assert main == ["equal.txt", "gone.txt", "late.txt", "other.txt", "same.txt", "way/a"]


def test_they_are_listed_closed_and_opened_and_other_discussions_are_not_here(pulls):
    answer = pulls(
        "pulls/c",
        """
draft = api.create_pull_request(title="  A draft ", description="first", **repo)
for n in range(60):
    put(f"{n}.txt", create_pr=True)
listed = lambda **by: [pull.num for pull in api.get_repo_discussions(**by, **repo)]
early = refusal(api.merge_pull_request, discussion_num=1, **repo)
closed = api.change_discussion_status(discussion_num=2, new_status="closed", **repo)
api.change_discussion_status(discussion_num=1, new_status="open", **repo)
refs = api.list_repo_refs(include_pull_requests=True, **repo)
answer = {
    "draft": [draft.title, draft.status, draft.num, draft.git_reference, early],
    "all": listed() == list(range(61, 0, -1)), "open": len(listed(discussion_status="open")),
    "closed": [closed.new_status, listed(discussion_status="closed")],
    "kind": listed(discussion_type="discussion"),
    "author": listed(author="somebody"), "refs": [ref.ref for ref in refs.pull_requests][:2],
    "branches": [ref.name for ref in refs.branches],
    "other": refusal(api.create_discussion, title="a question", **repo),
    "comment": refusal(api.comment_discussion, discussion_num=1, comment="hm", **repo),
    "with": refusal(api.change_discussion_status, discussion_num=1, new_status="closed", comment="no",
                    **repo),
    "untouched": api.get_discussion_details(discussion_num=1, **repo).status,
    "missing": refusal(api.get_discussion_details, discussion_num=99, **repo),
    "branch": [refusal(api.create_branch, branch="refs/pr/5", **repo),
               refusal(api.delete_branch, branch="refs/pr/5", **repo)],
    "at": refusal(put, "x.txt", create_pr=True, revision="nowhere"),
    "plain": get_session().get(f"{api.endpoint}/datasets/pulls/c/resolve/refs/pr/2/0.txt",
                               headers=build_hf_headers()).text,
}
""",
    )
    early = ["BadRequestError", 400]
    assert answer["draft"] == ["A draft", "draft", 1, "refs/pr/1", early]
    assert answer["all"]
    assert answer["open"] == 60
    assert answer["closed"] == ["closed", [2]]
    assert answer["kind"] == answer["author"] == []
    assert answer["refs"] == ["refs/pr/1", "refs/pr/10"]
    assert answer["branches"] == ["main"]
    assert answer["other"] == ["HfHubHTTPError", 501]
    assert answer["comment"] == answer["missing"] == ["HfHubHTTPError", 404]
    assert answer["with"] == ["HfHubHTTPError", 501]
    assert answer["untouched"] == "open"
    assert answer["branch"] == [["BadRequestError", 400]] * 2
    assert answer["at"] == ["RevisionNotFoundError", 404]
    assert answer["plain"] == "x"


def test_history_is_squashed_and_purged_with_them(pulls):
    answer = pulls(
        "pulls/d",
        """
put("a.txt")
secret = bytes(range(256)) * 40
put("secret.bin", secret, create_pr=True, commit_message="secret")
put("good.bin", secret[::-1], create_pr=True, commit_message="good")
api.merge_pull_request(discussion_num=2, **repo)
(bad,) = [file for file in api.list_lfs_files(**repo) if file.filename == "secret.bin"]
api.permanently_delete_lfs_files(lfs_files=[bad], **repo)
held = [names("refs/pr/1"), names("refs/pr/2")]
merged = api.get_discussion_details(discussion_num=2, **repo).merge_commit_oid
put("b.txt", create_pr=True, commit_message="squashed")
api.super_squash_history(branch="refs/pr/3", **repo)
answer = [held, merged == api.dataset_info("pulls/d").sha,
          len(api.list_repo_commits(revision="refs/pr/3", **repo)),
          refusal(api.merge_pull_request, discussion_num=3, **repo), names("refs/pr/3")]
""",
    )
    held, merged, commits, refused, names = answer
    assert held == [["a.txt"], ["a.txt", "good.bin"]]
    assert merged
    assert commits == 1
    assert refused == ["HfHubHTTPError", 409]
    assert names == ["a.txt", "b.txt", "good.bin"]


def test_a_configuration_is_deleted_by_a_pull_request(client):
    """As `datasets` does it, which has no other way."""
    answer = client(
        """
from datasets import Dataset, get_dataset_config_names
from datasets.hub import delete_from_hub
for name in ("keep", "drop"):
    Dataset.from_dict({"x": [1]}).push_to_hub("pulls/e", config_name=name)
made = delete_from_hub("pulls/e", "drop")
before = sorted(get_dataset_config_names("pulls/e"))
api.merge_pull_request("pulls/e", made.pr_num, repo_type="dataset")
answer = [before, get_dataset_config_names("pulls/e", download_mode="force_redownload")]
"""
    )
    assert answer == [["drop", "keep"], ["keep"]]


@pytest.mark.slow
def test_kills_while_they_are_opened_and_merged_lose_none(run_client, tmp_path):
    """A client opens pull requests and merges every other, and writes down what was acknowledged."""
    noted = tmp_path / "noted.txt"
    code = """
import sys
from pathlib import Path
from huggingface_hub import HfApi
api, noted, start = HfApi(), Path(sys.argv[1]), int(sys.argv[2])
def note(*words):
    with noted.open("a") as file:
        file.write(" ".join(map(str, words)) + "\\n")
for n in range(start, start + 1000):
    made = api.upload_file(path_or_fileobj=b"%d" % n, path_in_repo=f"{n}.txt", repo_id="kill/p",
                           create_pr=True)
    note("opened", made.pr_num, n)
    if n % 2:
        api.merge_pull_request("kill/p", made.pr_num)
        note("merged", made.pr_num, n)
"""
    with staging_server.staging(tmp_path / "root") as hub:
        run_client(hub, "api.create_repo('kill/p')")
        for number in range(4):
            before = noted.read_text().count("\n") if noted.exists() else 0
            with hub.running_python(code, tmp_path / f"home{number}", noted, number * 1000):
                deadline = time.monotonic() + 120
                while not (noted.exists() and noted.read_text().count("\n") > before + 2 + number):
                    assert time.monotonic() < deadline
                    time.sleep(0.002)
                hub.kill()
            hub.start()
        lines = [line.split() for line in noted.read_text().splitlines()]
        answer = run_client(
            hub,
            """
pulls = {pull.num: pull.status for pull in api.get_repo_discussions("kill/p")}
files = {num: api.list_repo_files("kill/p", revision=f"refs/pr/{num}") for num in pulls}
commits = [commit.title for commit in api.list_repo_commits("kill/p")]
answer = [pulls, files, api.list_repo_files("kill/p"), commits]
""",
        )
        pulls, files, main, commits = answer
    assert len(lines) >= 12
    for what, number, name in lines:
        assert f"{name}.txt" in files[number]
        assert pulls[number] == ("merged" if ["merged", number, name] in lines else pulls[number])
        assert what == "opened" or f"{name}.txt" in main
    merged = [number for number, status in pulls.items() if status == "merged"]
    assert (
        len(commits) == len(main) == 1 + len(merged)
    )  # each whole, once: the first commit is .gitattributes
    # Each kill can have hidden the answer of one pull request.
    assert len([line for line in lines if line[0] == "opened"]) <= len(pulls) <= len(lines) + 4


def test_a_folder_from_before_there_were_any_is_read(run_client, tmp_path):
    with staging_server.staging(tmp_path / "root") as hub:
        run_client(hub, "api.create_repo('old/a')")
    with closing(sqlite3.connect(tmp_path / "root/hub.db")) as database:
        database.executescript("DROP TABLE pulls; PRAGMA user_version=2")
    with staging_server.staging(tmp_path / "root") as again:
        again.write_token = hub.write_token
        assert run_client(again, "answer = api.create_pull_request('old/a', title='new').num") == 1
    with closing(sqlite3.connect(tmp_path / "root/hub.db")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (3,)
