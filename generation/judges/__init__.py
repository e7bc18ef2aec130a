"""Judges: from a file to somebody who judges edits.

- A judge's file is TOML: `kind`, and the options of that kind. Those of the package have names; a file may
  be based on one (`base = "qwen3-vl-32b"`), as configurations of runs are.
- `_MODULES` says which kind is which class below this package.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sparkle.generation.backend import Pinnable
from sparkle.generation.judges.judge import Judge
from sparkle.generation.layers import file_layers, merge, moved, settings_layer, shipped
from sparkle.schemas.errors import ConfigError, RecordError, did_you_mean
from sparkle.schemas.load import load

JUDGES = "sparkle.configs.judges"

# Kind in a judge's file -> module below this package and class.
_MODULES: dict[str, tuple[str, str]] = {
    "openai": ("openai", "ChatJudge"),
    "gemini": ("gemini", "GeminiJudge"),
    "upstream": ("upstream", "UpstreamJudge"),
    "qwen3-vl": ("qwen3_vl", "QwenJudge"),
    "classical": ("classical", "ClassicalJudge"),
    "human": ("human", "HumanJudge"),
}


def judge_names() -> list[str]:
    """Return the names of the judges that come with the package."""
    return list(shipped(JUDGES))


def load_judge(chosen: str | Path, settings: Sequence[str] = (), *, accept_model: str | None = None) -> Judge:
    """Return a judge; nothing is loaded or asked yet.

    Args:
        chosen: A name of the package, or the path of a file.
        settings: What differs, of the form KEY=VALUE.
        accept_model: The name of the model that may answer in place of the one that is asked.

    Raises:
        ConfigError: it cannot be read, there is no such kind, or an option is wrong.
    """
    layers = file_layers(chosen, JUDGES)
    if settings:
        layers.append(settings_layer(settings))
    table, _ = merge(layers)
    where = next(layer.where for layer in reversed(layers) if layer.text is not None)
    kind = table.pop("kind", None)
    if kind not in _MODULES:
        fix = did_you_mean(str(kind), _MODULES)
        raise ConfigError("no such kind of judge", got=kind, wanted=", ".join(_MODULES), where=where, fix=fix)
    module, name = _MODULES[kind]
    made = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    try:
        judge: Judge = load(made, table)
        if isinstance(judge, Pinnable):
            judge = load(made, {**table, **judge.pinned()})
    except RecordError as error:
        raise _wrong(error, made, where) from None
    except ConfigError as error:
        raise moved(error, error.where or where) from None
    if accept_model is not None:
        judge.accept(accept_model)
    return judge


def _wrong(error: RecordError, made: Any, where: str) -> ConfigError:
    known = [field.name for field in dataclasses.fields(made)]
    unknown = error.problem == "unknown key"
    got, wanted = error.got or f"no {error.wanted}", ", ".join(known) if unknown else error.wanted
    fix = did_you_mean(str(error.got), known) if unknown else None
    place = f"{where} {(error.where or '').strip('/')}".rstrip()
    return ConfigError(error.problem, got=got, wanted=wanted, where=place, fix=fix)
