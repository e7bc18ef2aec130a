"""The files of a release, as its manifest lists them."""

from __future__ import annotations

from sparkle.builders.release.manifest import FileEntry


def test_a_file_is_the_same_where_path_size_and_hash_are() -> None:
    one, told = FileEntry("a.csv", 3, "0" * 64), FileEntry("a.csv", 3, "0" * 64, git_sha1="1" * 40)
    assert one == told
    assert not one != told  # noqa: SIM202  # both operators are asked
    assert len({one, told}) == 1
    for other in (
        FileEntry("b.csv", 3, "0" * 64),
        FileEntry("a.csv", 4, "0" * 64),
        FileEntry("a.csv", 3, "1" * 64),
    ):
        assert one != other
        assert not one == other  # noqa: SIM201
