"""What a verification is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sparkle.hub.verify.levels import LEVELS


@dataclass(frozen=True)
class VerifyOptions:
    """What a verification looks at.

    Attributes:
        levels: The levels to run.
        required: Whether a level that cannot be tried is an error: it was asked for by name.
        sample: How many samples are replayed, and read by each consumer.
        seed: Which samples: the same seed chooses the same ones.
        bench: A bench that must share no source with the release; None for none.
        workers: How many processes work; None is one a processor where there is enough to read.
        origin: Where broken members are fetched from before anything is verified, a folder or
            `owner/name[@revision]`; None repairs nothing.
        say: Told, a line at a time, what is about to be read.
    """

    levels: tuple[str, ...] = LEVELS
    required: bool = False
    sample: int = 4
    seed: int = 0
    bench: Path | None = None
    workers: int | None = None
    origin: str | None = None
    say: Callable[[str], None] = lambda text: None
