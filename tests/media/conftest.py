"""The video files of `videos.py`, as fixtures (test modules cannot import each other)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

_PATH = Path(__file__).with_name("videos.py")
_SPEC = importlib.util.spec_from_file_location("media_test_videos", _PATH)
_VIDEOS = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_VIDEOS)


@pytest.fixture(scope="session")
def videos() -> ModuleType:
    """The module that makes videos of every awkward kind."""
    return _VIDEOS


@pytest.fixture(params=_VIDEOS.BAD_VIDEOS)
def bad_video(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Each kind of file that is no whole video."""
    return _VIDEOS.write_bad_video(request.param, tmp_path)
