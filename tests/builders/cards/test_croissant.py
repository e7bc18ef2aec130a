"""croissant.json: MLCommons' own reader takes it, with the network shut, and reads the release's rows."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.cards.card import render_card
from sparkle.builders.cards.croissant import dump_croissant
from sparkle.builders.checks.release import check_release
from sparkle.builders.release.manifest import read_manifest
from sparkle.builders.upstream.import_ import import_upstream
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS

# Its reader warns of what it imports itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def mlcroissant() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        return pytest.importorskip("mlcroissant")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a reader of Croissant went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def open_croissant(mlcroissant: Any, folder: Path) -> Any:
    dataset = mlcroissant.Dataset(jsonld=str(folder / layout.CROISSANT))
    assert dataset.metadata.ctx.issues.errors == set()
    return dataset


def rows_of(dataset: Any, theme: str) -> list[dict[str, Any]]:
    """The rows as values of Python: its reader gives text as bytes."""
    start = f"{theme}/"
    return [
        {
            name.removeprefix(start): value.decode() if isinstance(value, bytes) else value
            for name, value in row.items()
        }
        for row in dataset.records(theme)
    ]


def tables(folder: Path, theme: str) -> list[dict[str, Any]]:
    return [
        row for path in sorted((folder / "data" / theme).iterdir()) for row in pq.read_table(path).to_pylist()
    ]


@pytest.mark.parametrize("theme", ["location", "openve3m"])
def test_its_records_are_the_rows_of_the_tables(mlcroissant: Any, shared_release: Path, theme: str) -> None:
    read = rows_of(open_croissant(mlcroissant, shared_release), theme)
    wanted = tables(shared_release, theme)
    assert len(read) == len(wanted)
    for row, found in zip(wanted, read, strict=True):
        assert found == {name: row[name] for name in found}
    columns = {
        "prompt",
        "task",
        "frames",
        "edited_video_score",
        "edited_video_shard",
        "edited_video_offset",
        "licence",
    }
    assert columns <= read[0].keys()
    assert ("scene" in read[0]) == (theme == "location")  # null where the prompts are free


def test_files_have_their_sizes_and_hashes(mlcroissant: Any, shared_release: Path) -> None:
    listed = {entry.path: entry for entry in read_manifest(shared_release)}
    dataset = open_croissant(mlcroissant, shared_release)
    objects = {node.id: node for node in dataset.metadata.distribution if node.name in listed}
    wanted = [path for path in listed if path.endswith(".tar") or path.startswith("data/")]
    assert sorted(objects) == sorted(wanted)
    for path, node in objects.items():
        assert (node.sha256, node.content_size) == (listed[path].sha256, f"{listed[path].size} B")


def test_every_kind_is_a_set_of_files_in_its_tars(mlcroissant: Any, shared_release: Path) -> None:
    document = json.loads((shared_release / layout.CROISSANT).read_text())
    sets = {node["@id"]: node for node in document["distribution"] if node["@type"] == "cr:FileSet"}
    for kind in KINDS:
        held = [part["@id"] for part in sets[f"location-{kind.name}"]["containedIn"]]
        parts = sorted(shared_release.glob(kind.shard("location", 0).replace("00", "*")))
        assert held == [path.relative_to(shared_release).as_posix() for path in parts]


def test_its_licence_is_the_cards(shared_release: Path) -> None:
    entries, card = read_manifest(shared_release), render_card(shared_release)
    for text, licence in (
        (card, None),
        (card.replace("license: unknown", "license: other"), None),
        (
            card.replace("license: unknown", "license: cc-by-nc-4.0"),
            "https://creativecommons.org/licenses/by-nc/4.0/",
        ),
        (card.replace("license: unknown", "license: odbl"), "odbl"),
    ):
        document = json.loads(dump_croissant(shared_release, entries, text))
        assert document.get("license") == licence
    assert "arXiv" in document["citeAs"]


def test_an_import_has_one_too(mlcroissant: Any, shared_release: Path, tmp_path: Path) -> None:
    folder = tmp_path / "downloaded"
    shutil.copytree(shared_release / "prompts", folder / "prompts")
    for path in shared_release.glob("location_*_video_part*.tar"):
        shutil.copy(path, folder)
    imported = import_upstream(folder, tmp_path / "imported").out
    read = rows_of(open_croissant(mlcroissant, imported), "location")
    assert [row["task"] for row in read] == [row["task"] for row in tables(imported, "location")]
    assert "source_sha256" not in read[0]  # null: nobody has published it
    assert "license" not in json.loads((imported / layout.CROISSANT).read_text())  # no card came with it


def test_it_is_listed_checked_and_the_same_every_time(
    shared_run: Path,
    shared_release: Path,
    options: ReleaseOptions,
    tmp_path: Path,
    contents: Callable[..., Any],
) -> None:
    assert layout.CROISSANT in [entry.path for entry in read_manifest(shared_release)]
    again = build_release([shared_run], tmp_path / "again", options).out
    assert (again / layout.CROISSANT).read_bytes() == (shared_release / layout.CROISSANT).read_bytes()
    assert b"/tmp" not in (again / layout.CROISSANT).read_bytes()
    (again / layout.CROISSANT).write_text("{}")
    assert layout.CROISSANT in {finding.file for finding in check_release(again).findings}


def test_a_table_that_cannot_be_read_is_named(release: Path) -> None:
    path = release / "data/location/train-00000-of-00002.parquet"
    path.write_bytes(b"no table")
    with pytest.raises(ReleaseError) as caught:
        dump_croissant(release, read_manifest(release), "")
    assert str(path) in str(caught.value)
