from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkle.builders.release.assign import assign, data_offsets
from sparkle.builders.release.tar import (
    MAX_MEMBER_BYTES,
    Member,
    Shard,
    check_tar,
    header,
    list_tar,
    write_tar,
)
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import SOURCE_VIDEO


def silent(done: int = 1) -> None:
    pass


Members = list[tuple[str, Artifact]]
ID = "Sparkle_location_000000"


def recorded(path: Path, data: bytes, offset: int = 0) -> Artifact:
    """What is recorded of a file, whatever it holds."""
    digest = hashlib.sha256(data).digest()
    return Artifact(ID, SOURCE_VIDEO, str(path), offset, len(data), digest)


def listed(folder: Path, files: Sequence[bytes]) -> Members:
    """Files in a folder, as the members of a tar."""
    contents = []
    for index, data in enumerate(files):
        path = folder / f"{index:03d}.bin"
        path.write_bytes(data)
        contents.append((f"theme/kind/{path.name}", recorded(path, data)))
    return contents


def pack(folder: Path, files: Sequence[bytes], name: str = "a.tar") -> Shard:
    return write_tar(folder / name, listed(folder, files), silent)


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=12),
    st.integers(1, 9000),
    st.randoms(),
    st.sampled_from([1, 2]),
)
def test_gnu_tar_reads_parts_in_order_and_extracts_the_same_bytes(
    lengths: list[int], cap: int, random: object, threads: int
) -> None:
    files = {f"{index:03d}": random.randbytes(size) for index, size in enumerate(lengths)}  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        listed = []
        for part in assign([(key, len(data)) for key, data in files.items()], cap):
            target, ids = folder / f"part{part.number:02d}.tar", part.ids
            contents = []
            for key in ids:
                (folder / key).write_bytes(files[key])
                contents.append((f"theme/kind/{key}.bin", recorded(folder / key, files[key])))
            shard = write_tar(target, contents, silent, threads=threads)
            assert check_tar(target, contents, silent) == shard
            data = target.read_bytes()
            assert (shard.size, shard.sha256) == (len(data), hashlib.sha256(data).hexdigest())
            assert len(ids) == 1 or len(data) <= cap
            members = list(list_tar(target))
            assert [data[m.offset : m.offset + m.size] for m in members] == [files[key] for key in ids]
            assert [m.offset for m in members] == list(data_offsets([len(files[key]) for key in ids]))
            out = subprocess.run(["tar", "-tf", target], capture_output=True, text=True, check=True).stdout
            listed += out.split()
            subprocess.run(["tar", "-xf", target, "-C", folder], check=True)
        assert listed == [f"theme/kind/{key}.bin" for key in files]
        extracted = {path.stem: path.read_bytes() for path in (folder / "theme/kind").iterdir()}
        assert extracted == files


# sha256 of the tar below, as Python 3.11's tarfile wrote it. Every published tar depends on these bytes: a
# version that writes others is a breaking change (SHARD BYTES), whatever a newer tarfile does.
GOLDEN = "4e0f96998bb95246693d9f4080975dc5c330a65e8f0ae14099fb40948ccd2714"


@pytest.fixture
def golden(tmp_path: Path) -> Members:
    """Members with every kind of end: none, within a block, at a block, larger than a buffer."""
    folder = tmp_path / "location" / "source_video"
    folder.mkdir(parents=True)
    contents = []
    for index, data in enumerate([b"one", b"", bytes(range(256)) * 2, b"x" * 511, b"y" * 3_000_000]):
        path = folder / f"Sparkle_location_{index:06d}.mp4"
        path.write_bytes(data)
        name = f"location/source_video/{path.name}"
        contents.append((name, recorded(path, data)))
    return contents


def test_the_bytes_are_those_of_tarfile_and_pinned(golden: Members, tmp_path: Path) -> None:
    shard = write_tar(tmp_path / "ours.tar", golden, silent)
    theirs = io.BytesIO()
    with tarfile.open(fileobj=theirs, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for member, artifact in golden:
            info = tarfile.TarInfo(member)
            info.size = artifact.size
            tar.addfile(info, io.BytesIO(Path(artifact.file).read_bytes()))
        end = tar.offset + 1024  # what follows pads the file to records of 10 kB
    assert (tmp_path / "ours.tar").read_bytes() == theirs.getvalue()[:end]
    assert shard.sha256 == GOLDEN


def test_the_bytes_are_those_of_gnu_tar_but_for_device_numbers(golden: Members, tmp_path: Path) -> None:
    write_tar(tmp_path / "ours.tar", golden, silent)
    options = [
        "--format=ustar",
        "--owner=:0",
        "--group=:0",
        "--numeric-owner",
        "--mtime=@0",
        "--mode=0644",
        "-b",
        "1",
    ]
    names = [member for member, _ in golden]
    command = ["tar", *options, "-cf", "-", "-C", str(tmp_path), *names]
    theirs = bytearray(subprocess.run(command, capture_output=True, check=True).stdout)
    for member in list_tar(tmp_path / "ours.tar"):
        # A plain file has no device: GNU tar writes two zeros in octal there, tarfile leaves them empty.
        start = member.offset - 512
        assert theirs[start + 329 : start + 345] == b"0000000\0" * 2
        theirs[start + 329 : start + 345] = bytes(16)
        checksum = int(theirs[start + 148 : start + 154], 8) - 14 * ord("0")
        theirs[start + 148 : start + 154] = b"%06o" % checksum
    assert (tmp_path / "ours.tar").read_bytes() == bytes(theirs)


@given(
    st.lists(st.text("abcXYZ019_-.", min_size=1, max_size=60), min_size=1, max_size=3).map("/".join),
    st.integers(0, MAX_MEMBER_BYTES),
)
def test_headers_are_those_of_tarfile(name: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    assert header(name, size) == info.tobuf(format=tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("damage", ["bit", "cut", "longer", "header", "padding", "end", "swapped"])
def test_an_old_tar_with_other_bytes_is_not_taken(tmp_path: Path, damage: str) -> None:
    contents = listed(tmp_path, [b"one", b"two"])
    write_tar(tmp_path / "a.tar", contents, silent)
    data = bytearray((tmp_path / "a.tar").read_bytes())
    place = {"bit": 512, "header": 136, "padding": 600, "end": len(data) - 1}
    if damage in place:
        data[place[damage]] ^= 1
    elif damage == "cut":
        del data[-512:]
    elif damage == "longer":
        data += bytes(512)
    else:
        contents.reverse()
    (tmp_path / "a.tar").write_bytes(data)
    assert check_tar(tmp_path / "a.tar", contents, silent) is None


def test_a_member_can_come_out_of_another_tar(tmp_path: Path) -> None:
    files = [b"one", b"two" * 1000, b""]
    contents = listed(tmp_path, files)
    shard = write_tar(tmp_path / "a.tar", contents, silent)
    inside = [
        (member.name, recorded(tmp_path / "a.tar", data, member.offset))
        for data, member in zip(files, list_tar(tmp_path / "a.tar"), strict=True)
    ]
    assert write_tar(tmp_path / "b.tar", inside, silent) == shard
    wrong = ("theme/kind/000.bin", recorded(tmp_path / "a.tar", files[0], 513))
    with pytest.raises(ReleaseError, match="does not hold what the run recorded") as caught:
        write_tar(tmp_path / "c.tar", [wrong], silent)
    assert f"at 513 ({SOURCE_VIDEO.member(ID)})" in str(caught.value.where)


@pytest.mark.parametrize("threads", [1, 2])
def test_data_in_memory_is_written_like_that_of_a_file(tmp_path: Path, threads: int) -> None:
    files = [b"one", b"", b"two" * 1_000_000]
    contents = listed(tmp_path, files)
    shard = write_tar(tmp_path / "a.tar", contents, silent)
    mixed = [(name, files[at] if at else artifact) for at, (name, artifact) in enumerate(contents)]
    assert write_tar(tmp_path / "b.tar", mixed, silent, threads=threads) == shard
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_headers_say_nothing_of_who_and_when(tmp_path: Path) -> None:
    pack(tmp_path, [b"one", b""])
    with tarfile.open(tmp_path / "a.tar") as tar:
        for info in tar:
            assert (info.uid, info.gid, info.mtime, info.mode, info.uname, info.gname) == (
                0,
                0,
                0,
                0o644,
                "",
                "",
            )
    assert (tmp_path / "a.tar").read_bytes().endswith(bytes(1024))


def test_bytes_do_not_depend_on_the_files_themselves(tmp_path: Path) -> None:
    first = pack(tmp_path, [b"one", b"two"])
    (tmp_path / "000.bin").chmod(0o600)
    assert pack(tmp_path, [b"one", b"two"]) == first


@pytest.mark.parametrize("wrong", [b"ona", b"on", b"ones", b""])
def test_a_file_that_is_not_what_was_recorded_leaves_no_tar(tmp_path: Path, wrong: bytes) -> None:
    path = tmp_path / "one.bin"
    path.write_bytes(wrong)
    content = ("theme/kind/one.bin", recorded(path, b"one"))
    with pytest.raises(ReleaseError, match="not what the run recorded") as caught:
        write_tar(tmp_path / "a.tar", [content], silent)
    assert sha256_bytes(wrong) in str(caught.value)
    assert sha256_bytes(b"one") in str(caught.value)
    assert caught.value.where == str(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["one.bin"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    content = ("theme/kind/one.bin", recorded(tmp_path / "gone", b""))
    with pytest.raises(ReleaseError, match="cannot be read") as caught:
        write_tar(tmp_path / "a.tar", [content], silent)
    assert "gone" in str(caught.value.where)


def test_a_member_of_eight_gib_is_refused(tmp_path: Path) -> None:
    large = Artifact(ID, SOURCE_VIDEO, str(tmp_path / "large"), 0, 8 << 30, bytes(32))
    content = ("theme/kind/large.bin", large)
    with pytest.raises(ReleaseError, match="too large"):
        write_tar(tmp_path / "a.tar", [content], silent)


@pytest.mark.parametrize("length", [100, 512, 1030, 1536, 2047, 2049, 3000])
def test_a_tar_of_another_length_is_found(tmp_path: Path, length: int) -> None:
    pack(tmp_path, [b"one"])
    path = tmp_path / "a.tar"
    data = path.read_bytes()
    assert len(data) == 2048
    path.write_bytes(data[:length].ljust(length, b"\0"))
    with pytest.raises(ReleaseError):
        list(list_tar(path))


def test_a_tar_made_by_others_is_found(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("one.bin")
        info.size, info.mtime = 3, 1
        tar.addfile(info, io.BytesIO(b"one"))
    with pytest.raises(ReleaseError, match="not as this version writes it") as caught:
        list(list_tar(tmp_path / "a.tar"))
    assert caught.value.where == "one.bin"


def test_listing_says_where_data_is(tmp_path: Path) -> None:
    pack(tmp_path, [b"one", b"two"])
    assert list(list_tar(tmp_path / "a.tar")) == [
        Member("theme/kind/000.bin", 512, 3),
        Member("theme/kind/001.bin", 1536, 3),
    ]
