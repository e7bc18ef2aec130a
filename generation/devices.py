"""Is the device that a configuration names there?"""

from __future__ import annotations

import re

from sparkle.schemas.errors import ConfigError

_CUDA = re.compile(r"cuda(?::(\d+))?")


def require_device(device: str, *, table: str) -> None:
    """Raise ConfigError where a GPU is named that this process does not see.

    Args:
        device: `cuda`, `cuda:1`, or anything else, such as `cpu`, which is not looked at.
        table: Of the configuration, for the error.
    """
    import torch

    named = _CUDA.fullmatch(device)
    if named is None:
        return
    seen = torch.cuda.device_count()
    if int(named[1] or 0) < seen:
        return
    several = 'device = "cuda": each worker sees its own GPU as that; or --workers 1 to name one'
    raise ConfigError(
        "there is no such device",
        got=device,
        wanted=f"one of the {seen} GPUs that this process sees",
        where=table,
        fix=several if seen else 'device = "cpu"',
    )
