"""Counters and faults: each does to the unmodified client what it says."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from sparkle.hub.staging.faults import Counters


@pytest.fixture(autouse=True)
def no_faults(hub):
    yield
    hub.faults()


def put_rules(hub, token: str, rules: object) -> int:
    request = urllib.request.Request(  # noqa: S310
        f"{hub.url}/_staging/faults",
        method="PUT",
        data=json.dumps(rules).encode(),
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            request, timeout=240
        ) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_rules_that_are_none_and_askers_that_may_not_are_refused(hub):
    rules = [{"action": "drop"}]
    assert put_rules(hub, hub.read_token, rules) == 403
    assert put_rules(hub, "", rules) == 401
    for bad in (
        [{"action": "explode"}],
        [{"action": "drop", "match": "("}],
        [{"act": "drop"}],
        "drop",
        [{"action": "drop", "every": 0}],
    ):
        assert put_rules(hub, hub.write_token, bad) == 400


def test_a_busy_hub_is_waited_for(hub, client):
    client("api.create_repo('busy/a')")
    hub.reset_counters()
    hub.faults(
        {"match": "POST .*/preupload/", "next": 1, "action": "status", "status": 503, "retry_after": 0.1},
        {"match": "POST .*/preupload/", "next": 1, "action": "status", "status": 429, "retry_after": 0.1},
    )
    answer = client(
        """
api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="busy/a")
answer = api.list_repo_files("busy/a")
"""
    )
    assert answer == [".gitattributes", "a.txt"]
    counters = hub.counters()
    assert counters["faults"] == {"status": 2}
    assert counters["requests"]["preupload"] == 1  # what was refused came to nobody


def test_a_lost_answer_hides_a_commit_that_was_made(hub, client):
    client("api.create_repo('lost/a')")
    hub.faults({"match": "POST .*/commit/", "next": 1, "action": "lose"})
    answer = client(
        """
try:
    api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="lost/a")
    failed = False
except Exception as error:
    failed = type(error).__name__
answer = [bool(failed), api.list_repo_files("lost/a"), len(api.list_repo_commits("lost/a"))]
"""
    )
    assert answer == [True, [".gitattributes", "a.txt"], 2]


def test_a_dropped_request_did_nothing(hub, client):
    client("api.create_repo('drop/a')")
    hub.faults({"match": "POST .*/commit/", "next": 1, "action": "drop"})
    answer = client(
        """
def upload():
    api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="drop/a")
try:
    upload()
    failed = False
except Exception:
    failed = True
before = len(api.list_repo_commits("drop/a"))
upload()
answer = [failed, before, len(api.list_repo_commits("drop/a"))]
"""
    )
    assert answer == [True, 1, 2]


def test_every_third_answer_is_cut_and_one_is_changed(hub, client):
    client(
        """
api.create_repo("cut/a")
api.upload_file(path_or_fileobj=bytes(range(256)) * 8000, path_in_repo="a.bin", repo_id="cut/a")
"""
    )
    hub.faults({"match": "GET /_blobs/", "next": 1, "action": "cut", "bytes": 700_000})
    answer = client(
        "answer = Path(hf_hub_download('cut/a', 'a.bin')).read_bytes() == bytes(range(256)) * 8000"
    )
    assert answer is True  # the client asks for the rest by range
    hub.faults({"match": "GET /_blobs/", "every": 3, "action": "change", "bytes": 5, "skip": 1})
    answer = client(
        """
def first():
    url = hf_hub_url("cut/a", "a.bin")
    response = get_session().get(url, headers=build_hf_headers(), follow_redirects=True)
    return response.content[:8].hex()
answer = [first() for _ in range(5)]
"""
    )
    good, changed = "0001020304050607", "0001020304040607"
    assert answer == [good, good, good, changed, good]


def test_faults_last_for_a_while(hub, client):
    hub.faults({"match": "whoami", "seconds": 0.3, "action": "status", "status": 503})
    answer = client(
        """
import time
first = refusal(api.whoami)
time.sleep(0.4)
answer = [first, api.whoami()["name"]]
"""
    )
    assert answer == [["HfHubHTTPError", 503], "staging"]


def test_bytes_and_requests_are_counted(hub, client):
    hub.reset_counters()
    client(
        """
api.create_repo("count/a")
api.upload_file(path_or_fileobj=b"\\0" * 1000 + b"x" * 9000, path_in_repo="a.bin", repo_id="count/a")
Path(hf_hub_download("count/a", "a.bin")).read_bytes()
""",
        xet=False,
    )
    counters = hub.counters()
    assert counters["requests"]["commit"] == counters["requests"]["lfs_put"] == 1
    assert counters["bytes_in_by_kind"]["lfs_put"] == counters["bytes_out_by_kind"]["blob"] == 10_000
    assert sum(counters["requests"].values()) == sum(counters["statuses"].values()) == counters["total"]


def test_who_has_an_answer_finds_it_counted():
    """Though the application has not ended then: it closes files, and may wait for a thread."""
    counters, found = Counters(), []

    async def app(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"answer"})

    async def receive():
        return {"type": "http.request", "body": b"question", "more_body": False}

    async def send(message):
        found.append(counters.report())

    answered = counters.around(app)
    with ThreadPoolExecutor(1) as thread:  # a browser of another test may have a loop in this one
        thread.submit(lambda: asyncio.run(answered({"type": "http", "path": "/"}, receive, send))).result()
    assert [(seen["total"], seen["bytes_in"], seen["bytes_out"]) for seen in found] == [(1, 8, 0), (1, 8, 6)]
    assert found[-1] == counters.report()
