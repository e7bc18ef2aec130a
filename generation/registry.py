"""From a configuration's table to a backend: `backends/<capability>/<name>.py` holds `Backend`."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from typing import Any

from sparkle.generation.capabilities import Pinnable
from sparkle.generation.config import CAPABILITIES, RunConfig
from sparkle.schemas.errors import ConfigError, RecordError
from sparkle.schemas.record import load_fields


def available(capability: str) -> tuple[str, ...]:
    """Names of a capability's backends, from the folder listing."""
    package = importlib.import_module(f"sparkle.generation.backends.{capability}")
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(package.__path__)))


def make_backend(config: RunConfig, capability: str) -> Any:
    """The backend that a configuration names, with its options; nothing is loaded yet.

    Raises:
        ConfigError: no such backend, or an option that it does not have.
    """
    table = dict(config.backend_table(capability))
    name = table.pop("name")
    where = f"[backends.{capability}]"
    if name not in available(capability):
        raise ConfigError("no such backend", got=name, wanted=", ".join(available(capability)), where=where)
    module = importlib.import_module(f"sparkle.generation.backends.{capability}.{name.replace('-', '_')}")
    try:
        return load_fields(module.Backend, table)
    except RecordError as error:
        wanted = ", ".join(field.name for field in dataclasses.fields(module.Backend)) or "no options"
        got = error.got or f"no {error.wanted}"  # a missing key is named by what was wanted
        raise ConfigError(error.problem, got=got, wanted=wanted, where=f"{where} {error.where}") from None
    except ConfigError as error:
        raise ConfigError(error.problem, got=error.got, wanted=error.wanted, where=where) from None


def pin_models(config: RunConfig) -> RunConfig:
    """The configuration with branches and tags of models as the commits that they name now.

    What a run's workers load, its fingerprints and what is recorded to make it again are then the same.

    Raises:
        ConfigError: no such backend or option, or a model that cannot be had.
    """
    tables = dict(config.backends)
    for capability in CAPABILITIES:
        backend = make_backend(config, capability)
        if isinstance(backend, Pinnable):
            tables[capability] = {**tables[capability], **backend.pinned()}
    return dataclasses.replace(config, backends=tables)


def list_models(config: RunConfig) -> list[dict[str, str]]:
    """What makes the samples of a configuration, for run.toml and the provenance."""
    models = []
    for capability in CAPABILITIES:
        identity = make_backend(config, capability).identity
        name = str(config.backend_table(capability)["name"])
        models.append({"capability": capability, "backend": name, **identity.to_json()})
    return models
