"""Mend a release's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sparkle.builders.progress import Progress
from sparkle.hub.remotes.remote import Remote


def repair_folder(
    folder: Path, origin: Remote, progress: Progress, say: Callable[[str], None]
) -> tuple[str, ...]:
    """Mend."""
    return ()
