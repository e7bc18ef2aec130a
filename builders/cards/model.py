"""The card of a model that was trained on a release, from a TOML file that says how.

- What is said of the training is what the file says; nothing of it is guessed. Names of datasets and models,
  and the licence also go into the YAML, where the Hub links by them.
- Results are read from files of verdicts and from nowhere else, as a report reads them. A model of which a
  verdict is missing has bounds and no mean, and the YAML, by which the Hub ranks, says nothing of it.
- With the release itself at hand the card also says what exactly was trained on: pairs by theme, and the
  sha256 of the release's manifest, which covers every byte.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from sparkle.builders.bench.resampling import RESAMPLES
from sparkle.builders.bench.tables import OVERALL, ModelTable
from sparkle.builders.bench.verdicts import read_verdicts
from sparkle.builders.cards.card import render
from sparkle.builders.cards.facts import read_facts
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ConfigError, RecordError, ReleaseError
from sparkle.schemas.load import load
from sparkle.schemas.verdicts import VerdictsHead

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
        train: The command that trained it.
        infer: The command that edits a video with it.
        verdicts: Files of verdicts on its edits of benches, from the file's own.
    """

    name: str
    license: str
    base_model: str
    dataset: str
    revision: str
    themes: tuple[str, ...] = ()
    release: str | None = None
    training: dict[str, Any] = {}
    train: str | None = None
    infer: str | None = None
    verdicts: tuple[str, ...] = ()


def render_model_card(file: Path) -> str:
    """The card of a model.

    Args:
        file: A TOML file with the fields of `ModelFacts`.

    Raises:
        ConfigError: the file cannot be read, lacks a field, or has one that is not what it should be.
        ReleaseError: the release that it names cannot be read, or lacks a theme; or a file of verdicts cannot
            be read, has lines that do not count, or is of another model than the others.
    """
    model = _read(file)
    results = _results([file.parent / name for name in model.verdicts])
    release = _release_facts(file.parent / model.release, model) if model.release is not None else None
    context = {
        "head": yaml.safe_dump(_head(model, results), sort_keys=False, allow_unicode=True, width=1000),
        "model": model,
        "release": release,
        "results": results,
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
    for name in ("train", "infer"):
        if "```" in (getattr(model, name) or ""):
            raise ConfigError("a command that ends its block of code", got="```", where=f"{file}: {name}")
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


@dataclass(frozen=True)
class ModelResult:
    """What one judge gave a model on a bench.

    Attributes:
        head: Who judged what, and by which rubric.
        sha256: Of the file of verdicts.
        judged: How many of the bench's samples have scores, and how many there are.
        means: Macro means by key, Overall first; None of a row that is not whole.
        cells: The same for people, with their intervals, or bounds.
    """

    head: VerdictsHead
    sha256: str
    judged: tuple[int, int]
    means: dict[str, float | None] | None
    cells: tuple[str, ...]


def _results(paths: Sequence[Path]) -> list[ModelResult]:
    files = [read_verdicts(path) for path in paths]
    for file in files:
        for finding in file.findings:
            raise ReleaseError("a line of the verdicts does not count", got=str(finding), where=file.name)
        if file.head.model != files[0].head.model:
            got, wanted = file.head.model, files[0].head.model
            raise ReleaseError("verdicts on another model", got=got, wanted=wanted, where=file.name)
    tables = [ModelTable([file], lowest=False, resamples=RESAMPLES) for file in files]
    tables.sort(key=lambda table: (table.head.bench.name, table.head.judge.name, table.head.table()))
    return [_result(table) for table in tables]


def _result(table: ModelTable) -> ModelResult:
    (row,) = table.rows_json()
    cells = tuple(_cell(row, key) for key in table.keys)
    return ModelResult(table.head, row["verdicts"], (row["n"], row["expected"]), row["macro"], cells)


def _cell(row: Mapping[str, Any], key: str) -> str:
    mean, span = (row["macro"] or {}).get(key), (row["interval"] or {}).get(key) or (None, None)
    if row["macro"] is None:
        low, high = row["bounds"][key]
        return "-" if low is None or high is None else f"{low:.2f} to {high:.2f}"
    if mean is None:
        return "-"
    return f"{mean:.2f}" if span[0] is None else f"{mean:.2f} ({span[0]:.2f} to {span[1]:.2f})"


def _head(model: ModelFacts, results: Sequence[ModelResult]) -> dict[str, Any]:
    """The YAML of the card."""
    head: dict[str, Any] = {
        "license": model.license,
        "base_model": model.base_model,
        "datasets": [model.dataset],
        "pipeline_tag": "video-to-video",
        "tags": ["video-editing", "background-replacement", "instruction-guided-editing"],
    }
    if whole := [result for result in results if result.means is not None]:
        head["model-index"] = [{"name": model.name, "results": [_metrics(result) for result in whole]}]
    return head


def _metrics(result: ModelResult) -> dict[str, Any]:
    headings = {OVERALL: "Overall"}
    headings |= {dimension.key: dimension.heading for dimension in result.head.rubric.dimensions}
    return {
        "task": {"type": "video-to-video"},
        "dataset": {"type": result.head.bench.name, "name": result.head.bench.name},
        "metrics": [
            {
                "type": key,
                "name": f"{headings[key]}, judged by {result.head.judge.name}",
                "value": round(mean, 4),
            }
            for key, mean in (result.means or {}).items()
            if mean is not None
        ],
    }
