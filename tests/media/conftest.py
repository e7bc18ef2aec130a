"""Files that are no whole video."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import videos


@pytest.fixture(params=videos.BAD_VIDEOS)
def bad_video(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Each kind of file that is no whole video."""
    return videos.write_bad_video(request.param, tmp_path)
