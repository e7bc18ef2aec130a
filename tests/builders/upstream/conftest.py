"""A folder in upstream's layout and its import; whoever changes the folder works on a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness import factories, upstream_folder
from sparkle.builders.upstream.import_ import ImportSummary, import_upstream
from sparkle.schemas.layout import KINDS


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for sample_id in (*upstream_folder.IDS, upstream_folder.STRANGER):
        for kind in KINDS:
            factories.write_artifact(folder, kind, sample_id)
    return folder


@pytest.fixture(scope="session")
def pristine(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upstream") / "folder"
    upstream_folder.write_folder(folder, media)
    return folder


@pytest.fixture(scope="session")
def imported(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> ImportSummary:
    return import_upstream(pristine, tmp_path_factory.mktemp("imported") / "release")


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """A copy of the folder, to be changed."""
    return Path(shutil.copytree(pristine, tmp_path / "folder"))
