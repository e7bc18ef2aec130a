"""A folder and a repository are the same to whoever reads: a place."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.reading.hub import HubPlace
from sparkle.builders.reading.place import Place, fetch_listed, find, open_place, read_entries, read_exactly
from sparkle.builders.reading.repository import Repository
from sparkle.builders.release.manifest import FileEntry, list_files, read_manifest
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ConfigError, MissingFileError, ReleaseError, UnsafePathError
from sparkle.schemas.layout import SOURCE_VIDEO

COMMIT = "c0ffee" * 6 + "beef"
TAR = SOURCE_VIDEO.shard("location", 0)


@pytest.fixture(params=["folder", "hub"])
def place(request: pytest.FixtureRequest, hub: Any, repo: Path) -> Place:
    return FolderPlace(repo) if request.param == "folder" else open_place("me/sparkle")


def test_everything_is_listed_with_its_size(place: Place, repo: Path) -> None:
    listed = place.list()
    assert list(listed) == list_files(repo)
    assert all(entry.size == (repo / path).stat().st_size for path, entry in listed.items())
    known = {path: entry.sha256 for path, entry in listed.items() if entry.sha256}
    assert known == {path: sha256_file(repo / path) for path in known}
    assert bool(known) is (place.folder is None)  # a folder knows sizes only


def test_files_are_fetched_whole_under_their_names(place: Place, repo: Path) -> None:
    file = place.fetch(layout.MANIFEST)
    assert file.name == layout.MANIFEST
    assert file.read_bytes() == (repo / layout.MANIFEST).read_bytes()
    assert read_entries(place) == {entry.path: entry for entry in read_manifest(repo)}


@pytest.mark.parametrize(("start", "size"), [(0, 0), (0, 1), (512, 1000), (600, 600)])
def test_parts_of_files_are_read(place: Place, repo: Path, start: int, size: int) -> None:
    data = (repo / TAR).read_bytes()
    assert read_exactly(place, TAR, start, size) == data[start : start + size]


def test_a_file_is_read_once_from_front_to_back(place: Place, repo: Path) -> None:
    data = (repo / TAR).read_bytes()
    place.list()
    with place.open(TAR) as stream:
        assert stream.read(700) == data[:700]  # as many as were asked for
        assert stream.read() == data[700:]
        assert stream.read(1) == b""


def test_a_file_that_is_not_there_is_said(place: Place) -> None:
    place.list()
    assert find(place, "gone.json") is None

    def opened(path: str) -> None:
        with place.open(path):
            pass

    for ask in (place.fetch, lambda path: list(place.read(path, 0, 1)), opened):
        with pytest.raises(MissingFileError, match="no such file") as caught:
            ask("gone.json")
        assert "gone.json" in str(caught.value)


def test_a_place_without_a_release_is_said(place: Place, repo: Path) -> None:
    (repo / layout.MANIFEST).unlink()
    with pytest.raises(ReleaseError, match="not a release"):
        read_entries(place)


def test_a_file_that_is_not_the_listed_one_is_said(place: Place, repo: Path) -> None:
    entry = read_entries(place)[layout.PROVENANCE]
    assert fetch_listed(place, entry).read_bytes() == (repo / layout.PROVENANCE).read_bytes()
    for other in (FileEntry(entry.path, entry.size, "0" * 64), FileEntry(entry.path, 1, entry.sha256)):
        with pytest.raises(ReleaseError, match="not the one that the manifest lists"):
            fetch_listed(place, other)


def test_another_file_than_expected_is_not_read(place: Place, repo: Path) -> None:
    size = (repo / TAR).stat().st_size
    right = place.expecting([FileEntry(TAR, size, sha256_file(repo / TAR))], "ask somebody")
    wrong = place.expecting([FileEntry(TAR, size + 1, "0" * 64)], "ask somebody")
    assert read_exactly(right, TAR, 0, 600) == (repo / TAR).read_bytes()[:600]
    for found in (wrong, pickle.loads(pickle.dumps(wrong))):  # noqa: S301
        with pytest.raises(ReleaseError, match="tables speak of") as caught:
            list(found.read(TAR, 0, 600))
        assert caught.value.fix == "ask somebody"


def test_a_place_pickles(place: Place, repo: Path) -> None:
    list(place.read(TAR, 0, 1))
    other = pickle.loads(pickle.dumps(place))  # noqa: S301
    assert (other.name, other.where, other.folder, other.commit) == (
        place.name,
        place.where,
        place.folder,
        place.commit,
    )
    assert (other.requests, other.bytes_read) == (0, 0)
    assert read_exactly(other, TAR, 0, 600) == (repo / TAR).read_bytes()[:600]


def test_what_a_place_is_opened_by_leads_to_the_same_bytes(place: Place) -> None:
    again = open_place(place.where)
    assert (again.where, again.commit) == (place.where, place.commit)
    assert again.fetch(layout.MANIFEST).read_bytes() == place.fetch(layout.MANIFEST).read_bytes()


def test_a_stamp_changes_with_the_file(place: Place, repo: Path) -> None:
    place.list()
    before = place.stamp(TAR)
    assert before[0] == (repo / TAR).stat().st_size
    assert place.stamp(TAR) == before
    (repo / TAR).write_bytes((repo / TAR).read_bytes()[:-512] + b"x" * 512)
    now = FolderPlace(repo) if place.folder is not None else HubPlace("me/sparkle", COMMIT)
    now.list()
    assert now.stamp(TAR) != before


def test_reading_is_counted(place: Place) -> None:
    list(place.read(TAR, 0, 600))
    assert place.bytes_read == 600
    assert bool(place.requests) is (place.folder is None)


@pytest.mark.parametrize("path", ["../manifest.json", "/etc/passwd", "data\\x"])
def test_a_path_out_of_the_folder_is_refused(repo: Path, path: str) -> None:
    place = FolderPlace(repo)
    for ask in (place.fetch, lambda path: list(place.read(path, 0, 1))):
        with pytest.raises(UnsafePathError):
            ask(path)


@pytest.mark.parametrize(
    ("text", "name", "revision", "shown"),
    [
        ("me/x", "me/x", None, "me/x"),
        ("me/x@v1.0", "me/x", "v1.0", "me/x@v1.0"),
        ("hf://datasets/me/x@refs/pr/1", "me/x", "refs/pr/1", "me/x@refs/pr/1"),
        (f"me/x@{COMMIT}", "me/x", COMMIT, f"me/x@{COMMIT[:12]}"),
    ],
)
def test_a_repository_is_read(text: str, name: str, revision: str | None, shown: str) -> None:
    found = Repository.parse(text)
    assert (found.name, found.revision, str(found)) == (name, revision, shown)
    assert found.commit == (revision if revision == COMMIT else None)


@pytest.mark.parametrize("text", ["", "x", "a/b/c", "me/x@", "me/x@a@b", "me /x", "hf://datasets/x", "/me/x"])
def test_what_is_no_repository_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not the name of a repository"):
        Repository.parse(text)
