"""Everything that can be wrong with a tar is found at its member, and reading goes on behind it."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.agree import agree
from sparkle.builders.checks.members import TarJob
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.release.tar import header
from sparkle.schemas import layout
from sparkle.schemas.layout import Kind
from sparkle.schemas.validate import Finding

BLOCK = 512
Members = list[tuple[str, bytes]]
KIND = layout.EDITED_FRAME0
FIRST, SECOND = (KIND.member(f"Sparkle_location_{index:06d}") for index in (0, 3))


def pack(members: Members, end: bytes = bytes(2 * BLOCK)) -> bytes:
    """A tar as we write it."""
    padded = (header(name, len(data)) + data + bytes(-len(data) % BLOCK) for name, data in members)
    return b"".join(padded) + end


def unpack(path: Path) -> Members:
    with tarfile.open(path) as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


def foreign(name: str, kind: bytes, target: str = "", **fields: object) -> bytes:
    """A header of another kind of member."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.USTAR_FORMAT)


def read(path: Path) -> list[Finding]:
    return TarJob(FolderPlace(path.parent), path.name, "location", KIND.name)().findings


@pytest.fixture
def release(whole_release: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_release, tmp_path / "release"))


@pytest.fixture(scope="module")
def image(whole_release: Path) -> bytes:
    return (whole_release / KIND.path("Sparkle_location_000000")).read_bytes()


BAD: dict[str, tuple[Callable[[bytes], bytes], tuple[str, str]]] = {
    "parent": (lambda png: pack([("location/../up.png", png)]), ("location/../up.png", "leaves its folder")),
    "absolute": (lambda png: pack([("/etc/up.png", png)]), ("/etc/up.png", "leaves its folder")),
    "another folder": (
        lambda png: pack([(FIRST.replace("location/", ""), png)]),
        ("edited_frame0/Sparkle_location_000000.png", "not a member of this tar"),
    ),
    "no id": (
        lambda png: pack([("location/edited_frame0/cat.png", png)]),
        ("cat.png", "not a member of this tar"),
    ),
    "another theme": (
        lambda png: pack([(FIRST.replace("location", "time"), png)]),
        ("Sparkle_time_000000.png", "not a member of this tar"),
    ),
    "link": (
        lambda png: foreign(FIRST, tarfile.SYMTYPE, "/etc/passwd") + pack([]),
        (FIRST, "a symbolic link"),
    ),
    "hard link": (lambda png: foreign(FIRST, tarfile.LNKTYPE, SECOND) + pack([]), (FIRST, "a hard link")),
    "device": (lambda png: foreign(FIRST, tarfile.CHRTYPE) + pack([]), (FIRST, "a member is a device")),
    "folder": (lambda png: foreign("location", tarfile.DIRTYPE) + pack([]), ("location", "a folder")),
    "pipe": (lambda png: foreign(FIRST, tarfile.FIFOTYPE) + pack([]), (FIRST, "a pipe")),
    "sparse": (lambda png: foreign(FIRST, tarfile.GNUTYPE_SPARSE) + pack([]), (FIRST, "a sparse file")),
    "long name": (
        lambda png: (
            foreign("x", tarfile.GNUTYPE_LONGNAME, size=9) + b"location\0".ljust(BLOCK, b"\0") + pack([])
        ),
        ("x", "not as this version writes"),
    ),
    "owner": (
        lambda png: (
            foreign(FIRST, tarfile.REGTYPE, uid=7, size=len(png))
            + png.ljust(-(-len(png) // BLOCK) * BLOCK, b"\0")
            + pack([])
        ),
        (FIRST, "not as this version writes"),
    ),
    "huge": (lambda png: foreign(FIRST, tarfile.REGTYPE, size=8**11 - 1) + pack([]), (FIRST, "ends inside")),
    "cut in data": (lambda png: pack([(FIRST, png)])[: BLOCK + 10], (FIRST, "ends inside")),
    "cut in header": (lambda png: pack([(FIRST, png)])[:100], ("byte 0", "ends inside a header")),
    "cut before the end": (lambda png: pack([(FIRST, png)], b""), ("", "two zero blocks and nothing else")),
    "one zero block": (lambda png: pack([], bytes(BLOCK)), ("", "two zero blocks and nothing else")),
    "goes on": (lambda png: pack([], bytes(3 * BLOCK)), ("", "two zero blocks and nothing else")),
    "empty": (lambda png: b"", ("", "two zero blocks and nothing else")),
    "no tar": (lambda png: b"PK".ljust(2048, b"x"), ("byte 0", "not a tar header")),
    "padding": (
        lambda png: pack([(FIRST, png[:-1])])[: -2 * BLOCK - 1] + b"\1" + bytes(2 * BLOCK),
        (FIRST, "padding"),
    ),
    "no image": (lambda png: pack([(FIRST, b"GIF89a")]), (FIRST, "not a PNG image")),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_member_is_found_where_it_is(tmp_path: Path, image: bytes, name: str) -> None:
    make, (pointer, problem) = BAD[name]
    path = tmp_path / "bad.tar"
    path.write_bytes(make(image))
    found = read(path)
    assert any(pointer in finding.pointer and problem in finding.problem for finding in found), found
    assert {finding.file for finding in found} == {"bad.tar"}


def test_reading_goes_on_behind_what_is_bad(tmp_path: Path, image: bytes) -> None:
    path = tmp_path / "mixed.tar"
    path.write_bytes(
        foreign("location/x", tarfile.SYMTYPE, "y") + foreign("z", tarfile.BLKTYPE) + pack([(SECOND, image)])
    )
    members = TarJob(FolderPlace(tmp_path), path.name, "location", KIND.name)()
    assert [finding.pointer for finding in members.findings] == ["location/x", "z"]
    assert len(members.keys) == 1
    assert members.columns["offset"].tolist() == [3 * BLOCK]
    assert [members.columns[name].item() for name in ("frames", "width", "height")] == [1, 64, 48]
    assert np.isnan(members.columns["fps"]).all()


def rewrite(edit: Callable[[Members], object]) -> Callable[[Path], None]:
    """Pack a tar of the release anew, with its members edited."""

    def mutate(tar: Path) -> None:
        members = unpack(tar)
        edit(members)
        tar.write_bytes(pack(members))

    return mutate


def first_tar(release: Path, kind: Kind, at_least: int = 2) -> Path:
    """The first tar of a kind with so many members."""
    tars = sorted(release.glob(kind.shard("location", 0).replace("part00", "part*")))
    return next(tar for tar in tars if len(unpack(tar)) >= at_least)


@pytest.mark.parametrize("kind", [layout.EDITED_FRAME0, layout.SOURCE_VIDEO_MASK], ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda members: members.pop(), "a sample is missing here"),
        (lambda members: members.append(members[-1]), "the id stands twice"),
        (lambda members: members.reverse(), "ids are not in order"),
        (lambda members: members.__setitem__(0, (members[0][0], members[1][1])), "another content"),
    ],
    ids=["missing", "duplicated", "out of order", "exchanged"],
)
def test_members_are_those_of_the_tables(
    release: Path, kind: Kind, edit: Callable[[Members], object], problem: str
) -> None:
    tar = first_tar(release, kind)
    rewrite(edit)(tar)
    agree(release)
    name = tar.relative_to(release).as_posix()
    found = [finding for finding in check_release(release).findings if finding.file == name]
    assert any(problem in finding.problem for finding in found), found


def test_one_bit_anywhere_is_found(whole_release: Path, tmp_path: Path) -> None:
    """In headers, data, padding and at the end: with the manifest made anew, so that only tables tell."""
    release = Path(shutil.copytree(whole_release, tmp_path / "release"))
    tar = first_tar(release, layout.SOURCE_VIDEO_MASK)
    good = tar.read_bytes()
    random = np.random.Generator(np.random.PCG64(0))
    for position in (0, 100, 124, 156, 257, BLOCK, len(good) - 1, *random.integers(0, len(good), 8).tolist()):
        bad = bytearray(good)
        bad[position] ^= 1 << int(random.integers(8))
        tar.write_bytes(bad)
        agree(release)
        found = {finding.file for finding in check_release(release).findings}
        assert tar.relative_to(release).as_posix() in found, position


@given(st.lists(st.binary(max_size=1100), max_size=4), st.data())
@settings(max_examples=30)
def test_any_tar_that_we_write_is_read_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, datas: list[bytes], data: st.DataObject
) -> None:
    members = [(KIND.member(f"Sparkle_location_{3 * index:06d}"), found) for index, found in enumerate(datas)]
    path = tmp_path_factory.mktemp("tar") / "some.tar"
    path.write_bytes(pack(members))
    found = TarJob(FolderPlace(path.parent), path.name, "location", KIND.name, contents=False)()
    assert found.findings == []
    whole = path.read_bytes()
    ends = zip(found.columns["offset"].tolist(), found.columns["size"].tolist(), strict=True)
    assert [whole[start : start + size] for start, size in ends] == datas
    at = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:at])
    assert TarJob(FolderPlace(path.parent), path.name, "location", KIND.name, contents=False)().findings


def mask_of(shape: tuple[int, ...], bits: int) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, mask=np.zeros(bits, np.uint8), shape=np.array(shape))
    return file.getvalue()


@pytest.mark.parametrize(
    ("shape", "bits", "problem"),
    [
        ((10**4, 10**4, 10**4), 10, "impossible shape"),
        ((9, 48, 64), 10, "do not fit each other"),
        ((9, 24, 64), 9 * 24 * 64 // 8, "does not fit its source video"),
        ((5, 48, 64), 5 * 48 * 64 // 8, "does not fit its source video"),
    ],
    ids=["10^12 bits", "too few bits", "another height", "other frames"],
)
def test_a_mask_that_does_not_fit_is_found(
    release: Path, shape: tuple[int, ...], bits: int, problem: str
) -> None:
    tar = first_tar(release, layout.SOURCE_VIDEO_MASK, 1)
    name = unpack(tar)[0][0]
    rewrite(lambda members: members.__setitem__(0, (name, mask_of(shape, bits))))(tar)
    agree(release)
    found = [finding for finding in check_release(release).findings if finding.pointer == name]
    assert any(problem in finding.problem for finding in found), found


def test_a_part_that_rows_name_is_missed(release: Path) -> None:
    tar = first_tar(release, layout.EDITED_FRAME0, 1)
    tar.unlink()
    agree(release)
    found = check_release(release, options=CheckOptions(contents=False)).findings
    name = tar.relative_to(release).as_posix()
    assert Finding(name, 0, "", "the tar is missing", wanted="rows name it") in found
