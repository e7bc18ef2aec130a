"""What the tests of datasets find in their repository and not in their sdist: see its neighbours too."""

from __future__ import annotations

import datasets
import pytest
from PIL import Image
from tests.fixtures.hub import *  # noqa: F403 - fixtures


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches of the tests' own, and no token unless a test gives one."""
    home = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(home))
    monkeypatch.setattr("datasets.config.DOWNLOADED_DATASETS_PATH", str(home / "downloads"))
    monkeypatch.setattr("datasets.config.EXTRACTED_DATASETS_PATH", str(home / "downloads/extracted"))
    monkeypatch.setattr("datasets.config.SAVE_ORIGINAL_SHARD_LENGTHS", True)
    monkeypatch.setattr("datasets.config.HF_UPDATE_DOWNLOAD_COUNTS", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", True)


@pytest.fixture(autouse=True, scope="session")
def pictures(request: pytest.FixtureRequest) -> None:
    datasets.disable_progress_bars()
    folder = request.config.rootpath / "tests/features/data"
    folder.mkdir(parents=True, exist_ok=True)
    Image.linear_gradient("L").resize((640, 480)).convert("RGB").save(folder / "test_image_rgb.jpg")


@pytest.fixture(scope="session")
def text_file_content() -> str:
    return "    Text data.\n    Second line of data."


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory, text_file_content: str):
    path = tmp_path_factory.mktemp("data") / "file.txt"
    path.write_text(text_file_content, encoding="utf-8")
    return path
