"""How a run uses a Ray cluster: what `--cluster FILE` says.

It is no part of a run's configuration: which machines do the work changes no byte of a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparkle.generation.backend import require_choice
from sparkle.generation.config import RunConfig
from sparkle.generation.layers import moved, parse_table
from sparkle.generation.run.placement import place
from sparkle.generation.run.plan import workload
from sparkle.generation.run.schedule import PER_GPU, Schedule, Streaming
from sparkle.schemas.errors import ConfigError, RecordError
from sparkle.schemas.load import load
