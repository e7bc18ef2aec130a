"""Camera motion by DIS optical flow and RANSAC, over near and far frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sparkle.generation.capabilities import Identity
from sparkle.generation.classical.camera import camera_motion
from sparkle.generation.classical.working import read_working
from sparkle.schemas import records as r


@dataclass
class Backend:
    """The classical `flow`."""

    identity: ClassVar[Identity] = Identity("opencv/DIS+RANSAC", "1")

    def setup(self) -> None:
        """Nothing to load."""

    def camera_motion(self, clip: Path) -> r.FlowRecord:
        """Median corner displacement in px a frame at 720p; see `camera_motion`."""
        motion = camera_motion(read_working(clip))
        return r.FlowRecord(short=round(motion.short, 4), long=round(motion.long, 4))
