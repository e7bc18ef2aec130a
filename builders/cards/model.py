"""The card of a model that was trained on a release, from a TOML file that says how.

- What is said of the training is what the file says; nothing of it is guessed. Names of datasets and models,
  and the licence also go into the YAML, where the Hub links by them.
- Results are read from files of verdicts and from nowhere else, as a report reads them. A model of which a
  verdict is missing has bounds and no mean, and the YAML, by which the Hub ranks, says nothing of it.
- A folder with such a file is a model that can be published: its card and its manifest are written into it,
  and the verdicts lie in it, so that anybody can make the results again and compare them.
- With the release itself at hand the card also says what exactly was trained on: pairs by theme, and the
  sha256 of the release's manifest, which covers every byte.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from sparkle._files import safe_join, write_atomic
from sparkle._folders import is_stray_link
from sparkle.builders.bench.resampling import RESAMPLES
from sparkle.builders.bench.tables import OVERALL, ModelTable
from sparkle.builders.bench.verdicts import read_verdicts
from sparkle.builders.cards.card import render
from sparkle.builders.cards.facts import read_facts
from sparkle.builders.cards.room import PLACE, furnish, words_of
from sparkle.builders.release.manifest import describe_file, dump_manifest, list_files, read_manifest
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


def is_model(folder: Path) -> bool:
    """Whether a folder says of itself that it is a model."""
    return (folder / layout.MODEL).is_file()


def render_model_card(file: Path, words: str = "") -> str:
    """The card of a model.

    Args:
        file: A TOML file with the fields of `ModelFacts`.
        words: What goes into the publisher's room (see `room`).

    Raises:
        ConfigError: the file cannot be read, lacks a field, or has one that is not what it should be.
        ReleaseError: the release that it names cannot be read, or lacks a theme; or a file of verdicts cannot
            be read, has lines that do not count, or is of another model than the others.
    """
    model = _read(file)
    release = _release_facts(file.parent / model.release, model) if model.release is not None else None
    results = _results([file.parent / name for name in model.verdicts])
    return furnish(_render(model, results, release), words)


def _render(model: ModelFacts, results: Sequence[ModelResult], release: dict[str, Any] | None) -> str:
    context = {
        "place": PLACE,
        "head": yaml.safe_dump(_head(model, results), sort_keys=False, allow_unicode=True, width=1000),
        "model": model,
        "release": release,
        "results": results,
    }
    return render(_TEMPLATE, context)


def write_model_card(folder: Path) -> None:
    """Write the card of a model and the manifest into its folder; words in the room of its card stay.

    Raises:
        ConfigError, ReleaseError: as `render_model_card` raises them; or verdicts are not in the folder, the
            card was edited outside its room, or the folder holds something that is no plain file.
        UnsafePathError: the path of verdicts leaves the folder.
    """
    others = (layout.CARD, layout.MANIFEST, ".git", ".gitignore")  # of a clone, git's own stays behind
    paths = [path for path in list_files(folder) if path.partition("/")[0] not in others]
    for path in paths:
        if is_stray_link(folder / path, folder) or not (folder / path).is_file():
            raise ReleaseError("no plain file, and a model is published as it is", where=folder / path)
    verdicts_beside(folder, paths)
    card, listed = folder / layout.CARD, None
    if (folder / layout.MANIFEST).is_file():
        listed = {entry.path: entry for entry in read_manifest(folder)}.get(layout.CARD)
    words = words_of(card.read_bytes(), listed, card) if card.is_file() else ""
    text = render_model_card(folder / layout.MODEL, words)
    write_atomic(card, text.encode())
    entries = [describe_file(folder, path) for path in sorted([*paths, layout.CARD])]
    write_atomic(folder / layout.MANIFEST, dump_manifest(entries))


def verdicts_beside(folder: Path, listed: Collection[str]) -> list[str]:
    """The files of verdicts of the model in a folder, which must be among the files that are listed.

    Raises:
        ConfigError: what is said of the model cannot be read.
        ReleaseError: verdicts are not listed.
        UnsafePathError: the path of verdicts leaves the folder.
    """
    names = _read(folder / layout.MODEL).verdicts
    for name in names:
        safe_join(folder, name)
        if name not in listed:
            raise ReleaseError(
                "verdicts that the model's results are made of are not beside its card",
                got=name,
                wanted="a file of the model's folder",
                where=folder / layout.MODEL,
            )
    return [*names]


def results_differ(folder: Path, listed: Collection[str]) -> bool:
    """Whether the card in a model's folder shows other results than its verdicts give.

    Compared are the YAML, by which the Hub ranks, and the section of results.

    Raises:
        ConfigError, ReleaseError, UnsafePathError: as `verdicts_beside` and `render_model_card` raise them.
    """
    paths = [folder / name for name in verdicts_beside(folder, listed)]
    wanted = _render(_read(folder / layout.MODEL), _results(paths), None)
    return _shown((folder / layout.CARD).read_text("utf-8", "replace")) != _shown(wanted)


def _shown(card: str) -> tuple[str, list[str]]:
    """The YAML of a card, and its sections of results."""
    head, _, rest = card.replace("\r\n", "\n").partition("\n---\n")
    sections = re.split(r"^## ", rest, flags=re.MULTILINE)
    return head, [section.strip() for section in sections if section.startswith("Results\n")]


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
