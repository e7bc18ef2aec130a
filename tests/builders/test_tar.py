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

from sparkle.builders.assign import assign
from sparkle.builders.tar import Content, Member, Shard, list_tar, write_tar
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.records import ArtifactRef


def silent(done: int = 1) -> None:
    pass


def pack(folder: Path, files: Sequence[bytes], name: str = "a.tar") -> Shard:
    contents = []
    for index, data in enumerate(files):
        path = folder / f"{index:03d}.bin"
        path.write_bytes(data)
        contents.append(Content(f"theme/kind/{path.name}", path, ArtifactRef(sha256_bytes(data), len(data))))
    return write_tar(folder / name, contents, silent)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=12), st.integers(1, 9000), st.randoms())
def test_gnu_tar_reads_parts_in_order_and_extracts_the_same_bytes(
    lengths: list[int], cap: int, random: object
) -> None:
    files = {f"{index:03d}": random.randbytes(size) for index, size in enumerate(lengths)}  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        listed = []
        for part, ids in enumerate(assign([(key, len(data)) for key, data in files.items()], cap)):
            target = folder / f"part{part:02d}.tar"
            contents = []
            for key in ids:
                (folder / key).write_bytes(files[key])
                ref = ArtifactRef(sha256_bytes(files[key]), len(files[key]))
                contents.append(Content(f"theme/kind/{key}.bin", folder / key, ref))
            shard = write_tar(target, contents, silent)
            data = target.read_bytes()
            assert (shard.size, shard.sha256) == (len(data), hashlib.sha256(data).hexdigest())
            assert len(ids) == 1 or len(data) <= cap
            assert [data[m.offset : m.offset + m.size] for m in shard.members] == [files[key] for key in ids]
            assert tuple(list_tar(target)) == shard.members
            out = subprocess.run(["tar", "-tf", target], capture_output=True, text=True, check=True).stdout
            listed += out.split()
            subprocess.run(["tar", "-xf", target, "-C", folder], check=True)
        assert listed == [f"theme/kind/{key}.bin" for key in files]
        extracted = {path.stem: path.read_bytes() for path in (folder / "theme/kind").iterdir()}
        assert extracted == files


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
    content = Content("theme/kind/one.bin", path, ArtifactRef(sha256_bytes(b"one"), 3))
    with pytest.raises(ReleaseError, match="not what the run recorded") as caught:
        write_tar(tmp_path / "a.tar", [content], silent)
    assert sha256_bytes(wrong) in str(caught.value)
    assert sha256_bytes(b"one") in str(caught.value)
    assert caught.value.where == str(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["one.bin"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    content = Content("theme/kind/one.bin", tmp_path / "gone", ArtifactRef(sha256_bytes(b""), 0))
    with pytest.raises(ReleaseError, match="cannot be read") as caught:
        write_tar(tmp_path / "a.tar", [content], silent)
    assert "gone" in str(caught.value.where)


def test_a_member_of_eight_gib_is_refused(tmp_path: Path) -> None:
    content = Content("theme/kind/large.bin", tmp_path / "large", ArtifactRef("0" * 64, 8 << 30))
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
