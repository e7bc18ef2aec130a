"""A run's configuration: TOML in, frozen Structs out, closed at every level.

- `resolve_config` puts the layers of a configuration together (see `sparkle.generation.layers`); an unknown
  table or key, a wrong type or an unknown capability is a `ConfigError` that names file, line and key.
- `plain` of a configuration is what goes to `run.toml`, to fingerprints and to the provenance.
- Only `thresholds` may change without anything being made again: a verdict is taken from what was
  measured (see `sparkle.schemas.rules`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct, field, structs

from sparkle.generation.layers import (
    BASE,
    DROP,
    Key,
    Layer,
    file_layers,
    has_key,
    merge,
    moved,
    parse_table,
    settings_layer,
)
from sparkle.media.encode import Encoding
from sparkle.media.normalise import SourceSpec
from sparkle.schemas.errors import ConfigError, RecordError, did_you_mean
from sparkle.schemas.load import load
from sparkle.schemas.rules import Thresholds

DEFAULT_CONFIG = "classical"

_FILE_NAME = "the file's name"
_MISSING = "a table [backends.<capability>] with a name is needed for each capability"

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


@dataclass(frozen=True)
class Resolved:
    """A configuration, and where its values come from.

    Args:
        config: The configuration.
        layers: What it is put together from, the later over the earlier.
        origins: By key the label of the layer that a value is from; a key that is not here has its default.
    """

    config: RunConfig
    layers: tuple[Layer, ...]
    origins: dict[Key, str]

    def place(self, key: Key) -> str:
        """Return file and line, or the setting, of what is said about a key."""
        return _place(self.layers, key)


def load_config(chosen: str | Path | None, settings: Sequence[str] = ()) -> RunConfig:
    """Return a configuration; see `resolve_config`."""
    return resolve_config(chosen, settings).config


def resolve_config(chosen: str | Path | None, settings: Sequence[str] = ()) -> Resolved:
    """Put a configuration together: a file, the files that it is based on, and settings.

    Args:
        chosen: A name of the package or a path of a file; None is `classical`.
        settings: What differs, of the form KEY=VALUE.

    Raises:
        ConfigError: something cannot be read, a key is unknown or missing, or a value is wrong.
    """
    *bases, file = file_layers(DEFAULT_CONFIG if chosen is None else chosen)
    if bases:  # whose names are their own
        bases.append(Layer(_FILE_NAME, file.where, {"name": Path(file.where).stem}))
    return _resolve([*bases, file, *([settings_layer(settings)] if settings else [])])


def parse_config(text: str, *, where: str) -> RunConfig:
    """Return a configuration from the text of a complete file.

    Raises:
        ConfigError: as `resolve_config`.
    """
    return _resolve([Layer(where, where, parse_table(text, where), text)]).config


def _resolve(layers: Sequence[Layer]) -> Resolved:
    table, origins = merge(layers)
    try:
        for part in structs.fields(RunConfig):
            if part.name in table and isinstance(part.type, type) and issubclass(part.type, Struct):
                _check_table(part.type, part.name, table[part.name])
        config = load(RunConfig, table)
        _check_capabilities(config)
    except (RecordError, ConfigError) as error:
        raise _located(error, layers) from None
    return Resolved(config, tuple(layers), origins)


def _check_table(kind: type[Struct], name: str, table: Any) -> None:
    """Raise an error with the table's name, which one about several of its keys has not by itself."""
    try:
        load(kind, table, where=f"/{name}")
    except ConfigError as error:
        raise moved(error, f"/{name}") from None


def _check_capabilities(config: RunConfig) -> None:
    for capability in config.backends:
        if capability not in CAPABILITIES:
            where = f"/backends/{capability}"
            raise ConfigError("unknown key", got=capability, wanted=", ".join(CAPABILITIES), where=where)
    missing = [name for name in CAPABILITIES if "name" not in config.backends.get(name, {})]
    if missing:
        raise ConfigError(
            _MISSING, got=f"missing {', '.join(missing)}", wanted=", ".join(CAPABILITIES), where="/"
        )


def _located(error: RecordError | ConfigError, layers: Sequence[Layer]) -> ConfigError:
    """Return the error with file and line in place of a pointer, and what to do where that is known."""
    key = tuple(part.replace("~1", "/").replace("~0", "~") for part in (error.where or "").split("/") if part)
    wanted, fix = "table" if error.wanted == "object" else error.wanted, None  # in TOML's words
    if error.problem == "unknown key":
        known = [*(wanted or "").split(", "), *((BASE, DROP) if len(key) == 1 else ())]
        wanted, fix = ", ".join(known), did_you_mean(key[-1], known)
    elif error.problem in (_MISSING, "missing key") and len(layers) == 1:
        fix = f'a file that says only what differs begins with a line such as `{BASE} = "{DEFAULT_CONFIG}"`'
    return ConfigError(error.problem, got=error.got, wanted=wanted, where=_place(layers, key), fix=fix)


def _place(layers: Sequence[Layer], key: Key) -> str:
    file = next(layer for layer in reversed(layers) if layer.text is not None)
    if not key:
        return file.where
    said = next((layer for layer in reversed(layers) if has_key(layer.table, key)), file)
    return said.place(key)
