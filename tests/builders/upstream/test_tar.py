"""Tars read as a stream: whatever Python's tarfile writes and lists, and nothing but errors for the rest."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.builders.release.any_tar import TarStream, follow, plain_name
from sparkle.schemas.errors import ReleaseError

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0/", exclude_categories=["Cs"]),
    min_size=1,
    max_size=120,
).filter(lambda name: len(name.encode()) <= 250 and name not in (".", ".."))
MEMBERS = st.lists(st.tuples(NAMES, st.binary(max_size=1200)), max_size=5)
FORMATS = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


class Unseekable(io.RawIOBase):
    """A stream as a download gives it: short reads, no way back."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def read(self, size: int = -1) -> bytes:
        size = min(size, 1000)
        block, self._rest = self._rest[:size], self._rest[size:]
        return block


def written(members: list[tuple[str, bytes]], form: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uname = len(data), 1.5, "someone"
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


@given(MEMBERS, FORMATS, st.integers(0, 3))
def test_members_lie_where_tarfile_says_and_have_their_data(
    members: list[tuple[str, bytes]], form: int, skipped: int
) -> None:
    if form == tarfile.USTAR_FORMAT:
        members = [(name, data) for name, data in members if name.isascii() and len(name) <= 100]
    data = written(members, form)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        wanted = [(info.name, info.offset_data, info.size) for info in tar]
    stream = TarStream(Unseekable(data))  # type: ignore[arg-type]
    found = []
    for index, entry in enumerate(stream):
        found.append((entry.name, entry.offset, entry.size))
        if index != skipped:  # data that nobody reads is passed over
            assert b"".join(stream.data(entry)) == members[index][1]
    assert found == wanted
    assert stream.finish() == hashlib.sha256(data).hexdigest()
    assert stream.position == len(data)


@given(MEMBERS.filter(len), FORMATS, st.data())
def test_a_tar_that_was_cut_is_an_error_or_ends_between_members(
    members: list[tuple[str, bytes]], form: int, draw: st.DataObject
) -> None:
    members = [(f"{index}.bin", data) for index, (_, data) in enumerate(members)]
    data = written(members, form)
    cut = draw.draw(st.integers(1, len(data) - 1))
    stream = TarStream(io.BytesIO(data[:cut]))
    found = []
    try:
        for entry in stream:
            found.append((entry.name, b"".join(stream.data(entry))))
    except ReleaseError:
        pass
    else:  # without its end it is still a tar
        assert len(data[:cut].rstrip(b"\0")) <= cut
        assert cut % 512 == 0 or not data[cut - cut % 512 : cut].strip(b"\0")
    assert found == members[: len(found)]
    assert stream.finish() == hashlib.sha256(data[:cut]).hexdigest()


@given(st.binary(max_size=3000), MEMBERS, st.integers(0, 2000))
def test_bytes_of_any_kind_are_read_or_refused(
    noise: bytes, members: list[tuple[str, bytes]], place: int
) -> None:
    data = bytearray(
        written([(f"{index}", data) for index, (_, data) in enumerate(members)], tarfile.PAX_FORMAT)
    )
    data[place : place + len(noise)] = noise
    stream = TarStream(io.BytesIO(bytes(data)))
    try:
        for entry in stream:
            assert entry.size >= 0
            assert len(b"".join(stream.data(entry))) == entry.size
    except ReleaseError:
        pass
    assert stream.finish() == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("kind", "odd"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.DIRTYPE, "a folder"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
    ],
)
def test_what_is_no_plain_file_is_called_what_it_is(kind: bytes, odd: str) -> None:
    info = tarfile.TarInfo("name")
    info.type, info.linkname = kind, "elsewhere"
    (entry,) = TarStream(io.BytesIO(info.tobuf() + bytes(1024)))
    assert (entry.odd, entry.size) == (odd, 0)


@pytest.mark.parametrize("body", [b"9 path=\n", b"x path=a\n", b"99 path=a\n", b"5 ab\n", b"11 size=-1\n"])
def test_a_pax_header_that_is_none_is_refused(body: bytes) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(body)
    plain = tarfile.TarInfo("name").tobuf()
    data = info.tobuf() + body.ljust(512, b"\0") + plain + bytes(1024)
    with pytest.raises(ReleaseError):
        list(TarStream(io.BytesIO(data)))


def test_a_header_that_claims_gigabytes_allocates_nothing() -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**33 - 1
    with pytest.raises(ReleaseError, match="impossible size"):
        list(TarStream(io.BytesIO(info.tobuf(format=tarfile.GNU_FORMAT) + bytes(1024))))


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123456\n"
PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head>" + b"<p>text</p>" * 100 + b"</html>"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (POINTER, "a Git LFS pointer stands in place of the file"),
        (PAGE, "a page of HTML stands in place of the file"),
        (PAGE[:200], "a page of HTML stands in place of the file"),
        (b'{"error":"Repository not found"}', "a server's error message stands in place of the file"),
        (gzip.compress(written([("a", bytes(9000))], tarfile.USTAR_FORMAT)), "the file is packed with gzip"),
        (bz2.compress(bytes(9000)), "the file is packed with bzip2"),
        (lzma.compress(bytes(9000)), "the file is packed with xz"),
        (b"something else", "the tar ends inside a header"),
        (b"something else" * 50, "not a tar header"),
    ],
)
def test_what_is_no_tar_is_named_for_what_it_is(data: bytes, problem: str) -> None:
    with pytest.raises(ReleaseError, match=problem):
        list(TarStream(Unseekable(data)))  # type: ignore[arg-type]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_links_say_where_they_lead(form: int) -> None:
    long = "" if form == tarfile.USTAR_FORMAT else "long/" * 30
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for name, kind, target in (
            (f"{long}a/file", tarfile.REGTYPE, ""),
            (f"{long}b/hard", tarfile.LNKTYPE, f"{long}a/file"),
            (f"{long}b/symbolic", tarfile.SYMTYPE, "../a/file"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    file.seek(0)
    found = [(entry.odd, entry.target and plain_name(entry.target)) for entry in TarStream(file)]
    assert found == [
        (None, None),
        ("a hard link", f"{long}a/file"),
        ("a symbolic link", f"{long}a/file"),
    ]


def test_a_chain_of_links_is_followed_so_far_and_a_circle_not_for_ever() -> None:
    chain = {f"{index}": f"{index + 1}" for index in range(100)}
    assert follow("90", chain, {"100"}) == "100"
    assert follow("0", chain, {"100"}) is None
    assert follow("a", {"a": "b", "b": "a"}, {"c"}) is None
