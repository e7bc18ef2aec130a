"""The GPUs that this process may use, found without loading torch: the driver itself never opens one."""

from __future__ import annotations

import os
import subprocess

_LISTING = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
_PATIENCE = 60.0  # seconds; a machine of eight takes a few where persistence is off

VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus() -> tuple[str, ...]:
    """Names that `CUDA_VISIBLE_DEVICES` takes, one a GPU; none where there is no driver.

    What the variable says already counts, and as CUDA reads it: up to the first name that is negative.
    """
    allowed = os.environ.get(VISIBLE)
    if allowed is not None:
        names = [name.strip() for name in allowed.split(",")]
        ends = next((i for i, name in enumerate(names) if not name or name.startswith("-")), len(names))
        return tuple(names[:ends])
    try:
        listing = subprocess.run(_LISTING, capture_output=True, text=True, timeout=_PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in listing.stdout.splitlines() if line.strip())
