"""What only reads takes much older packages than what makes and publishes, which says so when it begins."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from drawn_clips.synthetic import draw_clip
from sparkle._extras import require
from sparkle.commands import main
from sparkle.schemas.errors import ConfigError


def test_an_old_package_is_named_with_what_to_install() -> None:
    with pytest.raises(ConfigError, match="numpy is too old for making pairs") as caught:
        require("numpy", "1000.0", extra="generate", whom="making pairs")
    assert caught.value.got == version("numpy")
    assert "pip install 'av>=18'" in str(caught.value.fix)


def test_a_package_that_is_missing_is_named_with_what_to_install() -> None:
    with pytest.raises(ConfigError, match="a package is not installed") as caught:
        require("no-such-package", "1.0", extra="generate", whom="making pairs")
    assert caught.value.wanted == "no-such-package 1.0 or newer, for making pairs"
    assert "pip install 'av>=18'" in str(caught.value.fix)


@pytest.mark.parametrize("least", ["0.9", "1", version("numpy")])
def test_one_that_is_new_enough_is_taken(least: str) -> None:
    require("numpy", least, extra="generate", whom="making pairs")


def _is_old(package: str, least: int) -> bool:
    return int(version(package).split(".")[0]) < least


@pytest.mark.skipif(not _is_old("av", 18), reason="PyAV is new enough here")
def test_nothing_is_made_beside_an_old_pyav(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    draw_clip(clips / "a.mp4", seed=1, width=160, height=96, frames=5)
    words = ["generate", "--sources", clips, "--out", tmp_path / "run", "--theme", "location"]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 2
    assert "av is too old for making pairs" in result.output
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not _is_old("huggingface_hub", 1), reason="huggingface_hub is new enough here")
def test_nothing_is_published_beside_an_old_client(tmp_path: Path) -> None:
    from sparkle.hub.targets.opening import open_target

    with pytest.raises(ConfigError, match="huggingface_hub is too old for publishing to a Hub"):
        open_target("me/sparkle")
