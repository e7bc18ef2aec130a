"""The card of a model that was trained on a release, from a TOML file that says how.

- What is said of the training is what the file says; nothing of it is guessed. Names of datasets and models,
  the licence and the results also go into the YAML, where the Hub links and ranks by them.
- With the release itself at hand the card also says what exactly was trained on: pairs by theme, and the
  sha256 of the release's manifest, which covers every byte.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from sparkle.builders.cards.card import render
from sparkle.builders.cards.facts import read_facts
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ConfigError, RecordError, ReleaseError
from sparkle.schemas.load import load

_TEMPLATE = "model_card.md"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


class ModelFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """What a file says of a model.

    Attributes:
        name: What it is called.
        license: The Hub's name of its licence.
        base_model: What was trained further, as `owner/name` on the Hub.
        dataset: The release that it was trained on, as `owner/name` on the Hub.
        revision: The commit or tag of it.
        themes: The themes that it was trained on; none for all.
        release: The release's folder, from the file's own; None where it is not at hand.
        training: How it was trained, as names and values in the order in which they are shown.
        results: Name of a bench to names and values of metrics.
    """

    name: str
    license: str
    base_model: str
    dataset: str
    revision: str
    themes: tuple[str, ...] = ()
    release: str | None = None
    training: dict[str, Any] = {}
    results: dict[str, dict[str, float]] = {}


def render_model_card(file: Path) -> str:
    """The card of a model.

    Args:
        file: A TOML file with the fields of `ModelFacts`.

    Raises:
        ConfigError: the file cannot be read, lacks a field, or has one that is not what it should be.
        ReleaseError: the release that it names cannot be read, or lacks a theme.
    """
    model = _read(file)
    release = _release_facts(file.parent / model.release, model) if model.release is not None else None
    context = {
        "head": yaml.safe_dump(_head(model), sort_keys=False, allow_unicode=True, width=1000),
        "model": model,
        "release": release,
    }
    return render(_TEMPLATE, context)


def _read(file: Path) -> ModelFacts:
    try:
        model = load(ModelFacts, tomllib.loads(file.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError("what is said of the model cannot be read", got=error, where=file) from None
    except RecordError as error:
        where = f"{file}: {error.where}"
        raise ConfigError(error.problem, got=error.got, wanted=error.wanted, where=where) from None
    for name in ("base_model", "dataset"):
        if not _REPOSITORY.fullmatch(getattr(model, name)):
            wanted = "owner/name of a repository on the Hub"
            raise ConfigError(f"{name} is no repository", got=getattr(model, name), wanted=wanted, where=file)
    for name, value in model.training.items():
        if isinstance(value, dict | list):
            raise ConfigError("a value of training is no plain one", got=f"{name} = {value}", where=file)
    return model


def _release_facts(folder: Path, model: ModelFacts) -> dict[str, Any]:
    """What the release holds of what was trained on."""
    pairs = {theme.name: theme.pairs for theme in read_facts(folder).themes}
    for theme in model.themes:
        if theme not in pairs:
            raise ReleaseError("no such theme", got=theme, wanted=f"one of {', '.join(pairs)}", where=folder)
    manifest = folder / layout.MANIFEST
    if not manifest.is_file():
        raise ReleaseError("not a release", got=folder, wanted=f"a folder with {layout.MANIFEST}")
    chosen = {theme: count for theme, count in pairs.items() if not model.themes or theme in model.themes}
    return {"pairs": chosen, "total": sum(chosen.values()), "manifest": sha256_file(manifest)}


def _head(model: ModelFacts) -> dict[str, Any]:
    """The YAML of the card."""
    head: dict[str, Any] = {
        "license": model.license,
        "base_model": model.base_model,
        "datasets": [model.dataset],
        "pipeline_tag": "video-to-video",
        "tags": ["video-editing", "background-replacement", "instruction-guided-editing"],
    }
    if model.results:
        head["model-index"] = [
            {
                "name": model.name,
                "results": [_result(bench, metrics) for bench, metrics in model.results.items()],
            }
        ]
    return head


def _result(bench: str, metrics: Mapping[str, float]) -> dict[str, Any]:
    return {
        "task": {"type": "video-to-video"},
        "dataset": {"type": bench, "name": bench},
        "metrics": [{"type": name, "value": value} for name, value in metrics.items()],
    }
