"""Kills inside uploads and commits, and a full disk: what was acknowledged is there, the rest not at all."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from harness import staging_server

pytestmark = pytest.mark.slow

MIB = 1024 * 1024


@pytest.fixture
def own_hub(tmp_path):
    with staging_server.staging(tmp_path / "root") as running:
        yield running


def wait_until(met, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.002)


def tmp_bytes(hub) -> int:
    total = 0
    for path in (hub.root / "tmp").iterdir():
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


@pytest.mark.parametrize("xet", [True, False], ids=["xet", "lfs"])
def test_kills_inside_uploads_and_commits(own_hub, run_client, tmp_path, xet):
    """A client uploads a file a commit and writes down what was acknowledged; the hub is killed meanwhile."""
    noted = tmp_path / "noted.txt"
    run_client(own_hub, "api.create_repo('kill/a', repo_type='dataset')", xet=xet)
    code = """
import random, sys
from pathlib import Path
from huggingface_hub import HfApi
api, noted, start = HfApi(), Path(sys.argv[1]), int(sys.argv[2])
for n in range(start, start + 1000):
    content = random.Random(n).randbytes(3_000_000)
    made = api.upload_file(path_or_fileobj=content, path_in_repo=f"{n:06d}.bin", repo_id="kill/a",
                           repo_type="dataset")
    with noted.open("a") as file:
        file.write(f"{n} {made.oid}\\n")
"""
    noise = random.Random(1)  # noqa: S311
    for round_number in range(3):
        before = noted.read_text().count("\n") if noted.exists() else 0
        home = tmp_path / f"home{round_number}"
        with own_hub.running_python(code, home, noted, round_number * 1000, xet=xet):
            wait_until(lambda before=before: noted.exists() and noted.read_text().count("\n") > before)
            if round_number % 2:  # while a body is being received
                wait_until(lambda: tmp_bytes(own_hub) > 0)
            else:
                time.sleep(noise.random() * 0.3)
            own_hub.kill()
        own_hub.start()
        assert not list((own_hub.root / "tmp").iterdir())
    acknowledged = [line.split() for line in noted.read_text().splitlines()]
    answer = run_client(
        own_hub,
        """
tree = api.list_repo_tree("kill/a", repo_type="dataset")
files = {entry.path: entry.lfs.sha256 for entry in tree if entry.path.endswith(".bin")}
commits = [commit.commit_id for commit in api.list_repo_commits("kill/a", repo_type="dataset")]
answer = [files, commits]
""",
    )
    files, commits = answer
    assert len(acknowledged) >= 3
    for number, commit in acknowledged:
        content = random.Random(int(number)).randbytes(3_000_000)  # noqa: S311
        assert files[f"{int(number):06d}.bin"] == hashlib.sha256(content).hexdigest()
        assert commit in commits
    # Each kill can have hidden the answer of one commit that was made; nothing else is there.
    assert len(acknowledged) <= len(files) <= len(acknowledged) + 3
    for path in (own_hub.root / "blobs").rglob("*"):
        if path.is_file():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    assert {Path(name).stem for name in files} >= {f"{int(number):06d}" for number, _ in acknowledged}


def test_a_kill_inside_a_large_commit_makes_all_of_it_or_nothing(own_hub, run_client, tmp_path):
    run_client(own_hub, "api.create_repo('kill/b', repo_type='dataset')")
    code = """
from huggingface_hub import *
HfApi().create_commit("kill/b", [CommitOperationAdd(f"{n % 7}/{n}.txt", b"%d" % n) for n in range(3000)],
                      commit_message="large", repo_type="dataset")
"""
    with own_hub.running_python(code, tmp_path / "home-b") as client:
        # The commit is being received, or was.
        wait_until(lambda: tmp_bytes(own_hub) > 0 or client.poll() is not None)
        time.sleep(0.15)
        own_hub.kill()
    own_hub.start()
    count = run_client(
        own_hub,
        "answer = [len(api.list_repo_files('kill/b', repo_type='dataset')),"
        " len(api.list_repo_commits('kill/b', repo_type='dataset'))]",
    )
    assert count in ([1, 1], [3001, 2])
    assert not list((own_hub.root / "tmp").iterdir())


def test_parts_that_arrived_are_good_after_a_restart(own_hub, run_client, tmp_path):
    content = random.Random("parts").randbytes(130 * MIB)  # noqa: S311
    (tmp_path / "big.tar").write_bytes(content)
    run_client(own_hub, "api.create_repo('kill/c')")
    own_hub.faults({"match": "POST /_uploads/.*/complete", "action": "drop"})
    code = """
from huggingface_hub import *
import sys
HfApi().upload_file(path_or_fileobj=sys.argv[1], path_in_repo="big.tar", repo_id="kill/c")
"""
    parts = own_hub.root / "parts"
    file = tmp_path / "big.tar"
    with own_hub.running_python(code, tmp_path / "home", file, xet=False) as client:
        wait_until(lambda: len(list(parts.rglob("*-*"))) == 4)  # a folder and three parts
        client.send_signal(signal.SIGSTOP)  # it asks but for half a minute
        own_hub.restart()
        client.send_signal(signal.SIGCONT)
        assert client.wait(600) == 0
    digest = hashlib.sha256(content).hexdigest()
    assert (own_hub.root / "blobs" / digest[:2] / digest).stat().st_size == len(content)
    assert not list(parts.iterdir())


def test_a_full_disk_is_said_and_nothing_is_half_visible(run_client, tmp_path):
    small_disk = ["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs -o size=16m tmpfs "$0" && exec "$@"']
    (tmp_path / "disk").mkdir()
    launcher = [*small_disk, str(tmp_path / "disk")]
    probe = subprocess.run([*launcher, "true"], capture_output=True)
    if probe.returncode:
        pytest.skip("no small disk can be mounted here")
    with staging_server.staging(tmp_path / "disk" / "root", launcher=launcher) as hub:
        answer = run_client(
            hub,
            """
api.create_repo("full/a", repo_type="dataset")
big = b"".join(bytes([n % 251]) * 4096 for n in range(5000))  # 20 MB
import base64, hashlib, json
line = lambda key, value: json.dumps({"key": key, "value": value}).encode()
body = b"\\n".join([line("header", {"summary": "small files"}), *(
    line("file", {"path": f"{n}.txt", "encoding": "base64",
                  "content": base64.b64encode(hashlib.sha256(b"%d" % n).digest() * 60_000).decode()})
    for n in range(4))])
post = lambda path, content: get_session().post(api.endpoint + path, content=content,
                                                headers=build_hf_headers(), timeout=240)
committed = post("/api/datasets/full/a/commit/main", body)
batch = post("/datasets/full/a.git/info/lfs/objects/batch", json.dumps({
    "operation": "upload", "objects": [{"oid": hashlib.sha256(big).hexdigest(), "size": len(big)}]}).encode())
href = batch.json()["objects"][0]["actions"]["upload"]["href"]
put = get_session().put(href, content=big, timeout=240)
files = api.list_repo_files("full/a", repo_type="dataset")
api.upload_file(path_or_fileobj=b"still works", path_in_repo="a.txt", repo_id="full/a", repo_type="dataset")
answer = [[response.status_code, response.headers["X-Error-Code"]] for response in (committed, put)]
answer += [files, api.list_repo_files("full/a", repo_type="dataset")]
""",
            xet=False,
        )
        full = [507, "InsufficientStorage"]
        assert answer == [full, full, [".gitattributes"], [".gitattributes", "a.txt"]]


def test_a_second_server_and_a_strange_folder_are_refused(own_hub, tmp_path):
    def serve(*words: str) -> subprocess.CompletedProcess[str]:
        command = [*staging_server.HUB, "serve", "--port", "0", "--json", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=240)

    for extra in ([], ["--collect"]):
        second = serve("--root", str(own_hub.root), *extra)
        assert second.returncode == 2
        assert "another process works on this staging hub" in json.loads(second.stdout)["error"]["problem"]
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "thesis.tex").write_text("years of work")
    strange = serve("--root", str(tmp_path / "strange"))
    assert strange.returncode == 2
    assert [path.name for path in (tmp_path / "strange").iterdir()] == ["thesis.tex"]
    taken = serve("--root", str(tmp_path / "other"), "--port", own_hub.url.rpartition(":")[2])
    assert (taken.returncode, "cannot listen" in taken.stdout) == (2, True)


def test_what_a_kill_left_of_a_purge_is_deleted_at_the_next_start(own_hub, run_client):
    run_client(
        own_hub,
        """
api.create_repo("kill/d")
api.upload_file(path_or_fileobj=b"\\0" * 9000, path_in_repo="a.bin", repo_id="kill/d")
""",
    )
    own_hub.stop()
    (blob,) = [path for path in (own_hub.root / "blobs").rglob("*") if path.is_file()]
    with closing(sqlite3.connect(own_hub.root / "hub.db")) as database:  # as the transaction left it
        database.execute("INSERT INTO doomed VALUES(?)", (str(blob.relative_to(own_hub.root)),))
        database.commit()
    own_hub.start()
    assert not blob.exists()
    own_hub.stop()
    with closing(sqlite3.connect(own_hub.root / "hub.db")) as database:
        assert database.execute("SELECT count(*) FROM doomed").fetchone() == (0,)
    own_hub.start()


def test_a_missing_library_and_a_newer_folder_are_said(tmp_path):
    def serve(before: str) -> subprocess.CompletedProcess[str]:
        code = f"{before}\nfrom sparkle.commands import hub as main\nmain()"
        words = ["serve", "--root", str(tmp_path / "root"), "--port", "0", "--json"]
        return subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=240
        )

    missing = serve("import sys; sys.modules['starlette'] = None")
    assert missing.returncode == 2
    assert "starlette" in json.loads(missing.stdout)["error"]["fix"]
    with staging_server.staging(tmp_path / "root"):
        pass
    with closing(sqlite3.connect(tmp_path / "root" / "hub.db")) as database:
        database.execute("PRAGMA user_version=99")
    newer = serve("")
    assert newer.returncode == 2
    assert json.loads(newer.stdout)["error"]["got"] == "version 99"
