"""How a run uses a Ray cluster: what `--cluster FILE` says.

It is no part of a run's configuration: which machines do the work changes no byte of a run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkle._progress import parse_size
from sparkle.generation.config import RunConfig
from sparkle.generation.layers import moved, parse_table
from sparkle.generation.run.schedules import AUTO, SCHEDULES
from sparkle.schemas.errors import ConfigError, RecordError, did_you_mean
from sparkle.schemas.load import load

_SIZES = ("keep_free", "vram")


@dataclass(frozen=True)
class ClusterOptions:
    """How a run uses a Ray cluster.

    Args:
        address: Of its head, such as `10.0.0.1:6379`; `auto` is the cluster that this machine is in.
        schedule: One of SCHEDULES.
        window: Samples under way while they stream; 0 is enough that no worker waits.
        keep_free: Bytes that the disk of the run keeps: with less, no sample begins to stream.
        vram: Bytes of a GPU; 0 is what the GPUs say.
    """

    address: str = "auto"
    schedule: str = AUTO
    window: int = 0
    keep_free: int = 0
    vram: int = 0

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ConfigError(
                "no such schedule", got=self.schedule, wanted=", ".join(SCHEDULES), where="schedule"
            )
        if self.window < 0:
            raise ConfigError("invalid window", got=self.window, wanted="0 or more samples", where="window")


def read_cluster(path: Path) -> dict[str, Any]:
    """Return what a file says of a cluster: the fields of `ClusterOptions` that it has.

    Raises:
        ConfigError: it is not TOML, or a key or a value is wrong.
        OSError: it cannot be read.
    """
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8", got=error, where=path) from None
    table = parse_table(text, str(path))
    known = tuple(ClusterOptions.__dataclass_fields__)
    for key in table:
        if key not in known:
            fix = did_you_mean(key, known)
            raise ConfigError("unknown key", got=key, wanted=", ".join(known), where=path, fix=fix)
    try:
        for key in _SIZES:
            if isinstance(table.get(key), str):
                table[key] = parse_size(table[key])
        load(ClusterOptions, table)
    except (ConfigError, RecordError) as error:
        raise moved(error, f"{path}, {(error.where or key).strip('/')}") from None
    return table


def refuse_devices(config: RunConfig) -> None:
    """Raise ConfigError where a configuration names one of several GPUs: on a cluster a worker has one."""
    for capability, table in config.backends.items():
        device = str(table.get("device", ""))
        if re.fullmatch("cuda:[0-9]+", device):
            raise ConfigError(
                "a worker of a cluster sees one GPU",
                got=device,
                wanted="cuda",
                where=f"[backends.{capability}] device",
                fix=f"--set backends.{capability}.device=cuda",
            )
