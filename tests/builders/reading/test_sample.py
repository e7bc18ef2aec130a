"""`sparkle show` of a release: a pair's row, and where its files are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sparkle.builders.reading.pairs import open_pairs
from sparkle.builders.reading.sample import read_samples
from sparkle.commands.show import show
from sparkle.schemas.errors import ReleaseError


def test_files_are_where_it_says(release: Path) -> None:
    name = open_pairs(release).ids[0]
    (found,) = read_samples(release, name)
    assert found.id == found.values["task"] == name
    assert {"source_video", "edited_video", "source_video_mask"} <= {file.kind.name for file in found.files}
    for file in found.files:
        data = (release / file.file).read_bytes()[file.offset : file.offset + file.size]
        assert hashlib.sha256(data).digest() == file.sha256


def test_a_pair_is_found_by_its_source(release: Path) -> None:
    everything = {name: read_samples(release, name)[0] for name in open_pairs(release).ids}
    for pair in everything.values():
        source = pair.values["source_sha256"]
        same = [other for other in everything.values() if other.values["source_sha256"] == source]
        assert read_samples(release, source[:8].upper()) == same


@pytest.mark.parametrize("name", ["Sparkle_location_999999", "0" * 8, "clip.mp4", ""])
def test_a_name_that_it_does_not_have_is_said(release: Path, name: str) -> None:
    with pytest.raises(ReleaseError, match=r"no such sample|has this name"):
        read_samples(release, name)


def test_the_command_reads_a_release_on_a_hub_as_one_in_a_folder(repo: Path, release: Path) -> None:
    name = open_pairs(release).ids[-1]

    def say(place: Any, *more: str) -> str:
        result = CliRunner().invoke(show, [str(place), name, *more])
        assert result.exit_code == 0, result.output
        return result.stdout

    (here,), (there,) = (json.loads(say(place, "--json"))["samples"] for place in (release, "me/sparkle"))
    assert here.pop("place") == str(release)
    assert there.pop("place").startswith("hf://datasets/me/sparkle@")
    assert here == there
    assert f"edited_video: {here['files']['edited_video']['file']} from byte " in say(release)
