"""Where things that can be made again are kept between commands: `$SPARKLE_CACHE`, else the user's cache."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The cache folder of this package: `$SPARKLE_CACHE`, `$XDG_CACHE_HOME/sparkle` or `~/.cache/sparkle`.

    Raises:
        RuntimeError: the user has no home.
    """
    if named := os.environ.get("SPARKLE_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sparkle"
