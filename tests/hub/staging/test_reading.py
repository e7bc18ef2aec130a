"""Reading by the unmodified client: trees, paths, revisions, ranges, file systems, datasets."""

from __future__ import annotations

import subprocess

import pytest

MAKE = """
api.create_repo("read/data", repo_type="dataset")
big = bytes(range(256)) * 4000
api.create_commit("read/data", [
    *(CommitOperationAdd(f"many/{n:04d}.txt", b"%d" % n) for n in range(1200)),
    CommitOperationAdd("big.bin", big), CommitOperationAdd("sub/a/x.txt", b"x"),
    CommitOperationAdd("sub-file.txt", b"before sub/ in git's order"),
], commit_message="many", repo_type="dataset")
api.create_branch("read/data", branch="dev/next", repo_type="dataset")
api.create_tag("read/data", tag="v1.0", tag_message="the first", repo_type="dataset")
api.upload_file(path_or_fileobj=b"changed", path_in_repo="sub/a/x.txt", repo_id="read/data",
                repo_type="dataset", revision="dev/next", commit_message="change x")
"""


@pytest.fixture(scope="module", autouse=True)
def data(client):
    """A repository with more files than a page has, a branch and a tag."""
    client(MAKE)


def test_trees_come_in_pages(hub, client):
    hub.reset_counters()
    answer = client(
        """
def names(*args, **kwargs):
    return [entry.path for entry in api.list_repo_tree("read/data", *args, repo_type="dataset", **kwargs)]
every = names(recursive=True)
answer = [names(), len(every), len(set(every)), names("sub"), names("sub/a"), names("many") == every[3:1203],
          every[:4], every[-4:]]
"""
    )
    assert answer == [
        [".gitattributes", "big.bin", "many", "sub", "sub-file.txt"],
        1207,
        1207,
        ["sub/a"],
        ["sub/a/x.txt"],
        True,
        [".gitattributes", "big.bin", "many", "many/0000.txt"],
        ["sub", "sub/a", "sub/a/x.txt", "sub-file.txt"],
    ]
    assert hub.counters()["requests"]["tree"] == 1 + 2 + 1 + 1 + 2


def test_expanded_trees_name_the_last_commit(client):
    answer = client(
        """
entries = api.list_repo_tree("read/data", expand=True, repo_type="dataset", revision="dev/next")
titles = {entry.path: entry.last_commit.title for entry in entries}
pages = list(api.list_repo_tree("read/data", "many", expand=True, repo_type="dataset"))
answer = [titles, len(pages), {entry.last_commit.title for entry in pages} == {"many"}]
"""
    )
    titles = {"big.bin": "many", "many": "many", "sub": "change x", "sub-file.txt": "many"}
    assert answer == [{".gitattributes": "initial commit"} | titles, 1200, True]


def test_paths_are_looked_up(client):
    answer = client(
        """
paths = ["big.bin", "sub", "sub/a/x.txt", "nowhere", "sub/a/x.txt/y"]
found = api.get_paths_info("read/data", paths, repo_type="dataset", revision="v1.0", expand=True)
info = api.dataset_info("read/data", files_metadata=True)
sizes = {file.rfilename: file.size for file in info.siblings}
git = [file.blob_id for file in info.siblings if file.rfilename == "sub/a/x.txt"]
some = api.dataset_info("read/data", expand=["sha", "usedStorage"])
assert some.sha == info.sha and some.used_storage > 1_024_000 and some.siblings is None
exists = [api.file_exists("read/data", path, repo_type="dataset") for path in ("big.bin", "nowhere")]
answer = [[entry.path for entry in found], found[0].lfs.size, len(sizes), sizes["big.bin"], git, exists,
          api.revision_exists("read/data", "dev/next", repo_type="dataset"),
          api.revision_exists("read/data", "nowhere", repo_type="dataset"),
          api.repo_exists("read/data", repo_type="dataset")]
"""
    )
    hashed = subprocess.run(["git", "hash-object", "--stdin"], input="x", capture_output=True, text=True)
    git_x = hashed.stdout.strip()
    found = ["big.bin", "sub", "sub/a/x.txt"]
    assert answer == [found, 1_024_000, 1204, 1_024_000, [git_x], [True, False], True, False, True]


def test_revisions_and_commits_are_listed(client):
    answer = client(
        """
refs = api.list_repo_refs("read/data", repo_type="dataset", include_pull_requests=True)
commits = api.list_repo_commits("read/data", repo_type="dataset", revision="dev/next", formatted=True)
head = refs.branches[0].target_commit
read = lambda revision: Path(hf_hub_download("read/data", "sub/a/x.txt", repo_type="dataset",
                                             revision=revision)).read_text()
answer = [[ref.name for ref in refs.branches], [ref.name for ref in refs.tags], refs.pull_requests,
          [commit.title for commit in commits], commits[0].formatted_title, commits[0].commit_id == head,
          [read(name) for name in ("main", "v1.0", "dev/next", "refs/heads/dev/next", head)],
          api.dataset_info("read/data", revision=head[:8]).sha == head]
"""
    )
    assert answer == [
        ["dev/next", "main"],
        ["v1.0"],
        [],
        ["change x", "many", "initial commit"],
        "change x",
        True,
        ["x", "x", "changed", "changed", "changed"],
        True,
    ]


def test_branches_and_tags_are_made_and_deleted_once(client):
    answer = client(
        """
api.create_repo("refs/a")
answer = {}
api.create_branch("refs/a", branch="b")
api.create_branch("refs/a", branch="b", exist_ok=True)
api.create_tag("refs/a", tag="t", revision="b")
branch = lambda call, name, **more: refusal(call, "refs/a", branch=name, **more)
tag = lambda call: refusal(call, "refs/a", tag="t")
answer["twice"] = [branch(api.create_branch, "b"), tag(api.create_tag)]
answer["bad"] = [branch(api.create_branch, name) for name in ("refs/pr/1", "a..b", "a b", "x.lock")]
answer["from"] = branch(api.create_branch, "c", revision="nowhere")
answer["main"] = branch(api.delete_branch, "main")
api.delete_branch("refs/a", branch="b")
api.delete_tag("refs/a", tag="t")
answer["gone"] = [branch(api.delete_branch, "b"), tag(api.delete_tag)]
"""
    )
    assert answer == {
        "twice": [["HfHubHTTPError", 409]] * 2,
        "bad": [["BadRequestError", 400]] * 4,
        "from": ["RevisionNotFoundError", 404],
        "main": ["HfHubHTTPError", 403],
        "gone": [["RevisionNotFoundError", 404]] * 2,
    }


def test_what_is_not_there_is_named(client):
    answer = client(
        """
url = api.endpoint + "/datasets/read/data/resolve/{}/{}"
response = get_session().head(url.format("v1.0", "nowhere"), headers=build_hf_headers())
commit = api.dataset_info("read/data", revision="v1.0").sha
answer = {
    "repo": refusal(hf_hub_download, "read/nothing", "a", repo_type="dataset"),
    "revision": refusal(hf_hub_download, "read/data", "a", repo_type="dataset", revision="nothing"),
    "entry": refusal(hf_hub_download, "read/data", "nowhere", repo_type="dataset"),
    "folder": refusal(hf_hub_download, "read/data", "sub", repo_type="dataset"),
    "tree": refusal(lambda: list(api.list_repo_tree("read/data", "nowhere", repo_type="dataset"))),
    "headers": [response.headers["X-Error-Code"], response.headers["X-Repo-Commit"] == commit],
}
"""
    )
    assert answer == {
        "repo": ["RepositoryNotFoundError", 404],
        "revision": ["RevisionNotFoundError", 404],
        "entry": ["RemoteEntryNotFoundError", 404],
        "folder": ["RemoteEntryNotFoundError", 404],
        "tree": ["RemoteEntryNotFoundError", 404],
        "headers": ["EntryNotFound", True],
    }


def test_ranges_of_large_and_small_files(client):
    answer = client(
        """
def get(path, wanted, **headers):
    url = api.endpoint + "/datasets/read/data/resolve/main/" + path
    headers = build_hf_headers() | {"Range": wanted} | headers
    response = get_session().get(url, headers=headers, follow_redirects=True)
    return [response.status_code, response.headers.get("Content-Range"), response.content[:8].hex(),
            len(response.content)]
etag = get_hf_file_metadata(hf_hub_url("read/data", "big.bin", repo_type="dataset")).etag
answer = [
    get("big.bin", "bytes=10-13"), get("big.bin", "bytes=1023999-"), get("big.bin", "bytes=-2"),
    get("big.bin", "bytes=0-9999999"), get("big.bin", "bytes=1024000-")[:2], get("big.bin", "bytes=5-4")[::3],
    get("big.bin", "bytes=0-1,3-4")[::3], get("big.bin", "bytes=0-1", **{"If-Range": '"other"'})[::3],
    get("big.bin", "bytes=0-1", **{"If-Range": f'"{etag}"'})[::3],
    get("sub-file.txt", "bytes=0-5"), get("sub-file.txt", "bytes=26-")[:2],
]
"""
    )
    assert answer == [
        [206, "bytes 10-13/1024000", "0a0b0c0d", 4],
        [206, "bytes 1023999-1023999/1024000", "ff", 1],
        [206, "bytes 1023998-1023999/1024000", "feff", 2],
        [206, "bytes 0-1023999/1024000", "0001020304050607", 1024000],
        [416, "bytes */1024000"],
        [200, 1024000],
        [200, 1024000],
        [200, 1024000],
        [206, 2],
        [206, "bytes 0-5/26", b"before".hex(), 6],
        [416, "bytes */26"],
    ]


def test_the_file_system_lists_reads_ranges_and_writes(hub, client):
    hub.reset_counters()
    answer = client(
        """
fs = HfFileSystem()
root = "datasets/read/data@dev%2Fnext"
with fs.open("datasets/read/data/big.bin", "rb", block_size=4096) as file:
    file.seek(500_001)
    piece = file.read(4)
answer = [
    [entry["name"].rpartition("/")[2] for entry in fs.ls("datasets/read/data")],
    fs.cat(root + "/sub/a/x.txt").decode(), piece.hex(), fs.info("datasets/read/data/big.bin")["size"],
    len(fs.glob("datasets/read/data/many/00*.txt")), fs.exists("datasets/read/data/nowhere"),
]
fs.pipe_file("datasets/read/data/written.txt", b"by the file system")
answer.append(fs.read_text("datasets/read/data/written.txt"))
fs.rm("datasets/read/data/written.txt")
answer.append(fs.exists("datasets/read/data/written.txt"))
"""
    )
    assert answer == [
        [".gitattributes", "big.bin", "many", "sub", "sub-file.txt"],
        "changed",
        "21222324",
        1_024_000,
        100,
        False,
        "by the file system",
        False,
    ]
    assert hub.counters()["bytes_out_by_kind"]["blob"] < 20_000


@pytest.mark.slow
def test_datasets_load_and_stream(hub, client):
    answer = client(
        """
import io
import pyarrow as pa, pyarrow.parquet as pq
def table(first):
    buffer = io.BytesIO()
    pq.write_table(pa.table({"prompt": ["None", "NA"], "n": [first, first + 1]}), buffer)
    return buffer.getvalue()
card = \"\"\"---
configs:
- config_name: default
  data_files:
  - split: location
    path: data/location/*.parquet
  - split: season
    path: data/season/*.parquet
- config_name: location
  data_files:
  - split: train
    path: data/location/*.parquet
---
\"\"\"
api.create_repo("stdKonjac/Sparkle", repo_type="dataset")
api.create_commit("stdKonjac/Sparkle", [
    CommitOperationAdd("README.md", card.encode()),
    CommitOperationAdd("data/location/a.parquet", table(1)),
    CommitOperationAdd("data/season/a.parquet", table(5)),
], commit_message="release", repo_type="dataset")
from datasets import load_dataset
rows = load_dataset("stdKonjac/Sparkle", "location", split="train")
split = load_dataset("stdKonjac/Sparkle", split="season")
stream = load_dataset("stdKonjac/Sparkle", "location", split="train", streaming=True)
answer = [list(rows), list(split["n"]), list(stream) == list(rows)]
"""
    )
    assert answer == [[{"prompt": "None", "n": 1}, {"prompt": "NA", "n": 2}], [5, 6], True]
