"""Backends: from a name in the configuration to a class.

Each model has a folder or a file here. `_MODULES` says which name of which capability means which module; it
has a dataclass `Backend` whose fields are its options in the configuration, with the methods of its
capability (see `sparkle.generation.backend`).
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

from msgspec.structs import replace

from sparkle.generation.backend import Drawing, Pinnable
from sparkle.generation.config import CAPABILITIES, Resolved, RunConfig
from sparkle.generation.layers import moved
from sparkle.schemas.errors import ConfigError, RecordError, did_you_mean
from sparkle.schemas.load import load

# Capability -> name in the configuration -> module below this package.
_MODULES: dict[str, dict[str, str]] = {
    "flow": {"classical": "classical.flow", "raft": "raft"},
    "vlm": {
        "classical": "classical.vlm",
        "u2netp": "u2netp.vlm",
        "openai": "vlm.openai",
        "qwen3-vl": "vlm.qwen3_vl",
    },
    "image_editor": {
        "classical": "classical.image_editor",
        "u2netp": "u2netp.image_editor",
        "flux2-klein": "diffusion.flux2_klein",
    },
    "image_scorer": {
        "classical": "classical.image_scorer",
        "u2netp": "u2netp.image_scorer",
        "editscore": "editscore.local",
        "editscore-openai": "editscore.openai",
    },
    "image_to_video": {"classical": "classical.image_to_video", "wan22-i2v": "diffusion.wan_i2v"},
    "tracker": {"classical": "classical.tracker", "u2netp": "u2netp.tracker", "sam3": "sam3"},
    "control_to_video": {
        "classical": "classical.control_to_video",
        "copy-paste": "classical.copy_paste",
        "wan-vace": "diffusion.wan_vace",
        "wan22-fun-control": "diffusion.wan_fun_control",
    },
}


def backend_names(capability: str) -> tuple[str, ...]:
    """Return the names that a configuration may give a capability's backend."""
    return tuple(_MODULES[capability])


def backend_class(capability: str, name: str) -> Any:
    """Return the class of a backend, a dataclass whose fields are its options."""
    return importlib.import_module(f"{__name__}.{_MODULES[capability][name]}").Backend


def make_backend(config: RunConfig, capability: str) -> Any:
    """Return the backend that a configuration names, with its options; nothing is loaded yet.

    Raises:
        ConfigError: no such backend, or an option that it does not have.
    """
    try:
        return _make(capability, config.backend_table(capability))
    except ConfigError as error:
        raise moved(error, f"[backends.{capability}] {error.where or ''}".rstrip()) from None


def check_backends(resolved: Resolved) -> None:
    """Make every backend of a configuration; nothing is loaded.

    Raises:
        ConfigError: no such backend, or an option that it does not have, with file and line.
    """
    made = {}
    for capability, table in resolved.config.backends.items():
        try:
            made[capability] = _make(capability, table)
        except ConfigError as error:
            option = tuple(part for part in (error.where or "").split("/") if part)
            raise moved(error, resolved.place(("backends", capability, *option))) from None
    compares = bool(resolved.config.backend_table("image_scorer").get("drawn"))
    if compares and not isinstance(made["image_editor"], Drawing):
        raise ConfigError(
            "the scorer compares scenes with their recipes, and this editor draws by none",
            got=f"image_editor {resolved.config.backend_table('image_editor')['name']}",
            where=resolved.place(("backends", "image_scorer", "drawn")),
            fix="with this editor set backends.image_scorer.drawn=false",
        )


def _make(capability: str, table: dict[str, Any]) -> Any:
    """Return a backend; raises ConfigError with the pointer to what is wrong in its table, if to one."""
    options = dict(table)
    name, names = options.pop("name"), backend_names(capability)
    if name not in names:
        fix = did_you_mean(str(name), names)
        raise ConfigError("no such backend", got=name, wanted=", ".join(names), where="/name", fix=fix)
    kind = backend_class(capability, name)
    try:
        return load(kind, options)
    except RecordError as error:
        known = [field.name for field in dataclasses.fields(kind)]
        wanted, fix = ", ".join(known) or "no options", None
        if error.problem == "unknown key":
            others = f"these are the options of {name}; backends.{capability}.name says which backend it is"
            fix = did_you_mean(str(error.got), known) or others
        elif error.problem != "missing key":
            wanted = error.wanted or wanted
        got = error.got or f"no {error.wanted}"  # a missing key is named by what was wanted
        raise ConfigError(error.problem, got=got, wanted=wanted, where=error.where, fix=fix) from None
    except ConfigError as error:  # about several options, or a value among them
        raise moved(error, None) from None


def pin_models(config: RunConfig) -> RunConfig:
    """Return the configuration with branches and tags of models as the commits that they name now.

    What a run's workers load, its fingerprints and what is recorded to make it again are then the same.

    Raises:
        ConfigError: no such backend or option, or a model that cannot be had.
    """
    tables = dict(config.backends)
    for capability in CAPABILITIES:
        backend = make_backend(config, capability)
        if isinstance(backend, Pinnable):
            tables[capability] = {**tables[capability], **backend.pinned()}
    return replace(config, backends=tables)


def list_models(config: RunConfig) -> list[dict[str, str]]:
    """Return what makes the samples of a configuration, for run.toml and the provenance."""
    models = []
    for capability in CAPABILITIES:
        identity = make_backend(config, capability).identity
        name = str(config.backend_table(capability)["name"])
        models.append({"capability": capability, "backend": name, **dataclasses.asdict(identity)})
    return models
