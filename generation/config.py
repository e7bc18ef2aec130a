"""A run's configuration: TOML in, frozen Structs out, closed at every level.

- `load_config` reads a file (or the packaged `classical`); an unknown table or key, a wrong type or
  an unknown backend is a `ConfigError` that names it.
- `plain` of a configuration is what goes to `run.toml`, to fingerprints and to the provenance.
- Only `thresholds` may change without anything being made again: a verdict is taken from what was
  measured (see `sparkle.schemas.rules`).
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from sparkle.media.encode import Encoding
from sparkle.media.normalise import SourceSpec
from sparkle.schemas.errors import ConfigError, RecordError
from sparkle.schemas.load import load
from sparkle.schemas.rules import Thresholds

DEFAULT_CONFIG = "classical"

CAPABILITIES: tuple[str, ...] = (
    "flow",
    "vlm",
    "image_editor",
    "image_scorer",
    "image_to_video",
    "tracker",
    "control_to_video",
)


ALL_PASSES, FIRST_PASS = "all", "first"


class TrackSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """How tracking passes become a mask, whichever tracker makes them.

    Attributes:
        passes: "all": one pass an anchor, and the majority (BAIT); "first": the pass of the first anchor
            that speaks alone, the paper's ablation.
    """

    passes: str = ALL_PASSES

    def __post_init__(self) -> None:
        if self.passes not in (ALL_PASSES, FIRST_PASS):
            wanted = f"{ALL_PASSES} or {FIRST_PASS}"
            raise ConfigError("no such choice of tracking passes", got=self.passes, wanted=wanted)


DECOUPLED, FOREGROUND_ONLY = "decoupled", "foreground_only"


class GuidanceSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """What the guidance of stage 5 speaks of, whichever backend follows it.

    Attributes:
        scope: "decoupled": the subject of the source and the animated background; "foreground_only": the
            subject alone, the paper's ablation. Edges stop at the mask, and of the background a backend
            gets the edited first frame and no video.
    """

    scope: str = DECOUPLED

    def __post_init__(self) -> None:
        if self.scope not in (DECOUPLED, FOREGROUND_ONLY):
            wanted = f"{DECOUPLED} or {FOREGROUND_ONLY}"
            raise ConfigError("no such scope of the guidance", got=self.scope, wanted=wanted)

    @property
    def foreground_only(self) -> bool:
        """Whether the guidance is silent about the background."""
        return self.scope == FOREGROUND_ONLY


class RunConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that decides what a run makes.

    Args:
        name: What the configuration is called in cards and provenance.
        seed: The run's seed; every other seed is derived from it.
        source: The form that sources are brought to.
        encoding: How videos are encoded.
        track: How tracking passes become a mask.
        guidance: What the guidance of stage 5 speaks of.
        backends: For each capability its table: `name` and the backend's own options.
        thresholds: What a sample must reach.
    """

    name: str
    seed: int = 0
    source: SourceSpec = field(default_factory=SourceSpec)
    encoding: Encoding = field(default_factory=Encoding)
    track: TrackSpec = field(default_factory=TrackSpec)
    guidance: GuidanceSpec = field(default_factory=GuidanceSpec)
    backends: dict[str, dict[str, Any]] = field(default_factory=dict)
    thresholds: Thresholds = field(default_factory=Thresholds)

    def backend_table(self, capability: str) -> dict[str, Any]:
        """Return the table of a capability: `name` and options."""
        return self.backends[capability]


def load_config(path: Path | None) -> RunConfig:
    """Read a configuration file; None is the packaged classical one."""
    if path is None:
        resource = resources.files("sparkle.configs").joinpath(f"{DEFAULT_CONFIG}.toml")
        return parse_config(resource.read_text("utf-8"), where=f"configs/{DEFAULT_CONFIG}.toml")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the configuration cannot be read", got=error, where=path) from None
    return parse_config(text, where=str(path))


def parse_config(text: str, *, where: str) -> RunConfig:
    """Return a configuration from TOML text; raises ConfigError that names the table and key."""
    try:
        table = tomllib.loads(text)
        config = load(RunConfig, table)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("not TOML", got=error, where=where) from None
    except (RecordError, ConfigError) as error:
        place = f"{where} {(error.where or '').strip('/').replace('/', '.')}".rstrip()
        raise ConfigError(error.problem, got=error.got, wanted=error.wanted, where=place) from None
    _check_backends(config, where)
    return config


def _check_backends(config: RunConfig, where: str) -> None:
    missing = [name for name in CAPABILITIES if "name" not in config.backends.get(name, {})]
    unknown = [name for name in config.backends if name not in CAPABILITIES]
    if missing or unknown:
        raise ConfigError(
            "a table [backends.<capability>] with a name is needed for each capability and no other",
            got=f"missing {missing}, unknown {unknown}",
            wanted=", ".join(CAPABILITIES),
            where=where,
        )
