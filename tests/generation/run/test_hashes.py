"""Hashes of sources in a file: as sha256sum writes it, for runs and for shards that share it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from sparkle.commands import main
from sparkle.generation.run.hashes import open_hashes
from sparkle.media.decode import decode
from sparkle.media.encode import encode
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import SourceListError

ODD = ("a b.mp4", "ü ☃.mp4", "back\\slash.mp4", "new\nline.mp4", "\\n.mp4")


def generate(sources, out, *words):
    command = ["generate", "--sources", sources, "--out", out, "--workers", 1, "--json", *words]
    return CliRunner().invoke(main, [*map(str, command)])


def named(path: Path, places: list[str]) -> dict[str, str]:
    with open_hashes(path) as file:
        return file.find(places)


def test_a_file_of_sha256sum_is_read_and_one_of_ours_is_checked_by_it(tmp_path):
    for name in ODD:
        (tmp_path / name).write_text(name)
    places = [str(tmp_path / name) for name in ODD]
    wanted = {place: sha256_file(Path(place)) for place in places}
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    with theirs.open("wb") as file:
        subprocess.run(["sha256sum", *ODD[:3]], cwd=tmp_path, stdout=file, check=True)
        subprocess.run(["sha256sum", "--binary", *places[3:]], stdout=file, check=True)
    assert named(theirs, places) == wanted
    with open_hashes(ours) as file:
        assert file.find(places) == {}
        file.add(dict(list(wanted.items())[:2]))
        file.add(dict(list(wanted.items())[2:]))
    assert named(ours, places) == wanted
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", ours], cwd="/", check=True)


def test_a_line_without_an_end_is_kept_when_others_follow(tmp_path):
    (tmp_path / "hashes").write_text(f"{'1' * 64}  {tmp_path / 'gone.mp4'}")
    (tmp_path / "new.mp4").touch()
    with open_hashes(tmp_path / "hashes") as file:
        file.add({str(tmp_path / "new.mp4"): "2" * 64})
    assert len((tmp_path / "hashes").read_text().splitlines()) == 2
    assert named(tmp_path / "hashes", [str(tmp_path / "new.mp4")]) == {str(tmp_path / "new.mp4"): "2" * 64}
    assert named(tmp_path / "hashes", [str(tmp_path / "gone.mp4")]) == {}  # what cannot be read is not known


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"{'1' * 64}  c.mp4\n\n", "not a line of sha256sum"),
        (f"{'1' * 63}  c.mp4\n", "not a line of sha256sum"),
        ("x" * 200_000, "not a line of sha256sum"),
        (f"{'1' * 64}  c.mp4\n{'2' * 64}  ./c.mp4\n", "two hashes of the same file"),
    ],
)
def test_a_bad_line_starts_nothing(tmp_path, text, problem):
    (tmp_path / "c.mp4").touch()
    (tmp_path / "hashes").write_text(text)
    with pytest.raises(SourceListError, match=problem) as caught:
        named(tmp_path / "hashes", [str(tmp_path / "c.mp4")])
    assert caught.value.where.startswith(str(tmp_path / "hashes:"))
    assert (tmp_path / "hashes").read_text() == text


@pytest.fixture
def short(clips, tmp_path):
    folder = tmp_path / "short"
    folder.mkdir()
    for name, clip in clips.items():
        encode(decode(clip.path)[:5], folder / f"{name}.mp4")
    return folder


@pytest.mark.slow
def test_shards_that_share_a_file_have_the_hashes_of_the_first(short, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for index in range(2):  # each as on a machine of its own
        monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / f"cache{index}"))
        done = generate("short", f"run{index}", "--shard", f"{index}/2", "--hashes", "hashes")
        assert done.exit_code == 0, done.output
    lines = (tmp_path / "hashes").read_text().splitlines()
    assert sorted(lines) == sorted(f"{sha256_file(path)}  {path}" for path in short.iterdir())
    assert generate("short", "whole").exit_code == 0
    halves = [(tmp_path / f"run{index}" / layout.CANDIDATES).read_text() for index in range(2)]
    assert sorted("".join(halves).splitlines()) == sorted(
        (tmp_path / "whole" / layout.CANDIDATES).read_text().splitlines()
    )


@pytest.mark.slow
def test_what_the_file_says_is_not_hashed_and_a_source_that_changed_since_fails(short, tmp_path):
    hashes = tmp_path / "hashes"
    with hashes.open("wb") as file:
        subprocess.run(["sha256sum", *sorted(short.iterdir())], stdout=file, check=True)
    before = hashes.read_bytes()
    shutil.copy(short / "first.mp4", short / "second.mp4")
    os.chmod(hashes, 0o444)
    done = generate(short, tmp_path / "run", "--hashes", hashes)
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    assert said["funnel"]["candidates"] == 3
    [failure] = said["failures"]
    assert "second.mp4" in failure
    assert "changed since" in failure
    assert hashes.read_bytes() == before
