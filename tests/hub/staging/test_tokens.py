"""Tokens: who has none gets what is public and only here; a token is kept nowhere."""

from __future__ import annotations

import http.client
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from harness import staging_server
from sparkle.hub.staging.store.tokens import Signer


def status(url: str, token: str | None = None, put: bytes | None = None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, put, headers, method="GET" if put is None else "PUT")  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=240) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_no_token_is_kept_or_logged(hub, client):
    client(
        """
api.create_repo("secret/a")
api.upload_file(path_or_fileobj=b"\\0" * 5000, path_in_repo="a.bin", repo_id="secret/a")
refusal(api.create_repo, "secret/a")
refusal(api.dataset_info, "secret/none")
"""
    )
    tokens = [token.removeprefix("hf_") for token in (hub.write_token, hub.read_token)]
    assert min(map(len, tokens)) > 40
    assert not any(token in hub.log() for token in tokens)
    for path in filter(Path.is_file, hub.root.rglob("*")):
        data = path.read_bytes()
        assert not any(token.encode() in data for token in tokens)


def test_elsewhere_than_on_loopback_everything_wants_a_token(tmp_path):
    with staging_server.staging(tmp_path / "root", "--host", "0.0.0.0") as hub:  # noqa: S104
        local = f"http://127.0.0.1:{hub.url.rpartition(':')[2]}"
        assert status(f"{local}/api/datasets") == 401
        assert status(f"{local}/api/datasets", hub.read_token) == 200
        assert status(f"{local}/api/datasets", "hf_wrong") == 401
    with staging_server.staging(tmp_path / "root") as again:  # the tokens stay, and are not shown again
        assert again.write_token == ""
        assert status(f"{again.url}/api/datasets") == 200
        assert status(f"{again.url}/api/whoami-v2", hub.write_token) == 200


def test_a_name_that_is_not_this_machine_wants_a_token(hub):
    netloc = hub.url.removeprefix("http://")
    for name, wanted in ((netloc, 200), ("localhost", 200), ("evil.example", 401)):
        connection = http.client.HTTPConnection(netloc, timeout=240)
        connection.request("GET", "/api/datasets", headers={"Host": name})
        assert connection.getresponse().status == wanted
        connection.close()


def test_tokens_are_printed_once_and_can_be_reset(tmp_path):
    with staging_server.staging(tmp_path / "root") as hub:
        old = hub.write_token
    with staging_server.staging(tmp_path / "root", "--reset-tokens") as hub:
        assert hub.write_token not in ("", old)
        assert status(f"{hub.url}/api/whoami-v2", old) == 401
        assert status(f"{hub.url}/api/whoami-v2", hub.write_token) == 200


def test_it_says_what_to_type_and_stops_tidily(tmp_path):
    command = [*staging_server.HUB, "serve", "--root", str(tmp_path / "root"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(4)]
        url, token = (line.strip().partition("=")[2] for line in lines[2:])
        # Faults are only where they were asked for.
        assert status(f"{url}/_staging/faults", token, b"[]") == 400
        process.terminate()
        assert process.wait(240) == 0
    assert "answers at http://127.0.0.1:" in lines[0]
    assert lines[2].startswith("export HF_ENDPOINT=http://127.0.0.1:")
    assert lines[3].startswith("export HF_TOKEN=hf_")
    assert not (tmp_path / "root" / "hub.db-wal").exists()


@pytest.mark.parametrize("what", [("get", "x"), ("put", "x", 2), ()])
def test_a_signature_is_good_for_one_purpose_and_a_while(tmp_path, what):
    signer = Signer(tmp_path / "secret")
    signed = signer.sign(60, "put", "x", 1)
    assert signer.check(signed, "put", "x", 1)
    assert Signer(tmp_path / "secret").check(signed, "put", "x", 1)
    assert not signer.check(signed, *what)
    assert not signer.check(signer.sign(-1, "put", "x", 1), "put", "x", 1)
    later = f"{int(signed.partition('.')[0]) + 1000}.{signed.partition('.')[2]}"
    for wrong in (later, "", ".", "x.y", signed + "0", "٣.x"):
        assert not signer.check(wrong, "put", "x", 1)
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0
    assert not Signer(tmp_path / "another").check(signed, "put", "x", 1)


def test_uploads_need_a_signature(hub, client):
    answer = client(
        """
import hashlib
api.create_repo("signed/a")
content = b"content"
digest = hashlib.sha256(content).hexdigest()
href = f"{api.endpoint}/_uploads/{digest}/{len(content)}?signature="
answer = [get_session().put(href + wrong, content=content).status_code for wrong in ("", "9999999999.00")]
answer.append(get_session().get(f"{api.endpoint}/_blobs/{digest}").status_code)
for path in ("/v1/xorbs/default/" + digest, "/v1/shards", "/v2/shards"):
    answer.append(get_session().post(api.endpoint + path, content=content).status_code)
batch = {"operation": "download", "objects": [{"oid": digest, "size": len(content)}]}  # by a hash alone
answer.append(get_session().post(f"{api.endpoint}/signed/a.git/info/lfs/objects/batch", json=batch,
                                 headers=build_hf_headers()).status_code)
"""
    )
    assert answer == [403, 403, 403, 401, 401, 401, 400]
