"""Xorbs and shards that nobody should send: refused, whatever their bytes claim."""

from __future__ import annotations

import contextlib
import struct

import lz4.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.hub.staging.store.refusal import Refusal
from sparkle.hub.staging.store.xet_format import (
    MAX_CHUNK,
    MAX_XORB,
    hash_name,
    read_chunks,
    read_shard,
    unpack,
)


def chunk(packed: bytes, scheme: int, size: int) -> bytes:
    return b"\0" + len(packed).to_bytes(3, "little") + bytes([scheme]) + size.to_bytes(3, "little") + packed


def unpacked(xorb: bytes) -> list[bytes]:
    view = memoryview(xorb)
    return [unpack(view, found) for found in read_chunks(view)]


def grouped(data: bytes) -> bytes:
    return b"".join(data[start::4] for start in range(4))


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5), st.data())
def test_chunks_come_back_by_every_scheme(chunks, data):
    packed = []
    for content in chunks:
        scheme = data.draw(st.sampled_from([0, 1, 2]))
        body = {0: content, 1: lz4.frame.compress(content), 2: lz4.frame.compress(grouped(content))}[scheme]
        packed.append(chunk(body, scheme, len(content)))
    footer = data.draw(st.sampled_from([b"", b"XETBLOB\1and whatever follows"]))
    assert unpacked(b"".join(packed) + footer) == chunks


@pytest.mark.parametrize(
    "xorb",
    [
        b"",
        b"\0\0\0",
        b"\1" + chunk(b"a", 0, 1)[1:],
        chunk(b"a", 3, 1),
        chunk(b"a", 0, 2),
        chunk(b"a", 0, 1)[:-1],
        chunk(b"", 0, 0),
        chunk(b"no frame", 1, 8),
        chunk(lz4.frame.compress(bytes(10_000_000)), 1, MAX_CHUNK),  # a bomb
        chunk(lz4.frame.compress(bytes(MAX_CHUNK + 1)), 1, MAX_CHUNK + 1),
        chunk(lz4.frame.compress(b"short"), 1, 100),
        b"XETBLOB\1",
    ],
)
def test_bad_xorbs_are_refused(xorb):
    with pytest.raises(Refusal) as caught:
        unpacked(xorb)
    assert caught.value.status == 400


def shard(*records: bytes) -> bytes:
    return bytes(32) + struct.pack("<QQ", 2, 0) + b"".join(records)


def file_of(flags: int, *records: bytes, count: int | None = None) -> bytes:
    header = bytes(32) + struct.pack("<IIQ", flags, len(records) if count is None else count, 0)
    return header + b"".join(records)


TERM = bytes(range(32)) + struct.pack("<IIII", 0, 9, 0, 1)
SHA256 = bytes(range(32, 64)) + bytes(16)
END = b"\xff" * 32 + bytes(16)
METADATA, VERIFIED = 1 << 30, 1 << 31


def test_a_shard_tells_its_files():
    data = shard(
        file_of(METADATA, TERM, TERM) + SHA256,
        file_of(METADATA | VERIFIED, TERM) + bytes(48) + SHA256,
        END,
        b"what it says of xorbs",
    )
    first, second = read_shard(data)
    assert [len(first.terms), len(second.terms)] == [2, 1]
    assert second.terms[0].xorb == "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"
    assert first.sha256.hex() == hash_name(bytes(range(32, 64)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(48),
        shard(),
        shard(file_of(METADATA, TERM) + SHA256),  # no bookend
        shard(file_of(0, TERM), END),  # no sha256
        shard(file_of(METADATA, TERM, count=2**31) + SHA256, END),
        shard(file_of(METADATA, TERM[:32] + struct.pack("<IIII", 0, 9, 1, 1)) + SHA256, END),
    ],
)
def test_bad_shards_are_refused(data):
    with pytest.raises(Refusal) as caught:
        read_shard(data)
    assert caught.value.status == 400


@given(st.binary(max_size=400))
def test_other_bytes_are_read_or_refused(data):
    for read in (unpacked, lambda data: read_shard(shard(data))):
        with contextlib.suppress(Refusal):
            read(data)


def test_uploads_that_are_too_large_or_lie_are_refused(hub, client):
    answer = client(
        """
import struct
api.create_repo("xet/a")
url = f"{api.endpoint}/api/models/xet/a/xet-write-token/main"
asked = lambda token: get_session().get(url, headers=build_hf_headers(token=token))
token = asked(None).json()["accessToken"]
post = lambda path, body, token=token: get_session().post(
    api.endpoint + path, content=body, headers={"Authorization": "Bearer " + token})
xorb = "/v1/xorbs/default/" + "ab" * 32
chunk = b"\\0\\1\\0\\0\\0\\1\\0\\0x"
end = b"\\xff" * 32 + bytes(16)
term = bytes.fromhex("ab" * 32) + struct.pack("<IIII", 0, 1, 0, 1)
file = bytes(32) + struct.pack("<IIQ", 1 << 30, 1, 0) + term + bytes(48)
shard = bytes(32) + struct.pack("<QQ", 2, 0) + file + end
last = lambda response: json.loads(response.text.strip().splitlines()[-1])
answer = {
    "too large": post(xorb, bytes(given["limit"] + 1)).status_code,
    "garbage": post(xorb, b"garbage").status_code,
    "read only": asked(given["read_token"]).status_code,
    "another token": [post(xorb, chunk, other).status_code for other in (token + "0", given["read_token"])],
    "not a hash": post("/v1/xorbs/default/" + "x" * 64, chunk).status_code,
    "missing": [post("/v1/shards", shard).status_code, last(post("/v2/shards", shard))["type"]],
    "kept": [post(xorb, chunk).json(), post(xorb, chunk).json()],
    "wrong": [post("/v1/shards", shard).status_code, "sha256" in last(post("/v2/shards", shard))["message"]],
    "no shard": post("/v2/shards", b"garbage").status_code,
    "chunks": get_session().get(api.endpoint + "/v1/chunks/default-merkledb/" + "ab" * 32,
                                headers={"Authorization": "Bearer " + token}).status_code,
}
""",
        limit=MAX_XORB,
        read_token=hub.read_token,
    )
    assert answer == {
        "too large": 413,
        "garbage": 400,
        "read only": 403,
        "another token": [401, 401],
        "not a hash": 400,
        "missing": [400, "error"],
        "kept": [{"was_inserted": True}, {"was_inserted": False}],
        "wrong": [422, True],
        "no shard": 400,
        "chunks": 404,
    }
    assert not list((hub.root / "tmp").iterdir())
