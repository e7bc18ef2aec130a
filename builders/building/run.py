"""A finished run folder, read.

- `read_run` reads what a run says of itself: configuration, candidates, sources, that it is finished.
  Outcomes, which are large, are read by `select`.
- A line that is not the record that it should be is an error with file and line, never skipped.
- Nothing is written: a run stays as generation left it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from sparkle._files import read_records
from sparkle._run_folder import Reclaimed
from sparkle.schemas import layout
from sparkle.schemas.canonical import canonical_json, plain
from sparkle.schemas.errors import RecordError, RunError, command
from sparkle.schemas.ids import theme_of
from sparkle.schemas.load import load
from sparkle.schemas.records import Candidate, SourceRecord
from sparkle.schemas.rules import Thresholds
from sparkle.schemas.validate import check

RUN_FORMAT, RUN_VERSION = "sparkle-run", 1
_OWN_PLACE = ("format", "version", "packages", "models")  # keys of run.toml that are not configuration


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """A model that made something: what for, which backend, which weights, what to know of it."""

    capability: str
    backend: str
    model: str
    revision: str
    note: str


@dataclass(frozen=True)
class Run:
    """What a finished run says of itself.

    Attributes:
        folder: Where it is.
        config: run.toml without its packages and models, as JSON values; thresholds complete.
        thresholds: What its samples had to reach.
        packages: Version by package name.
        models: What it was made with.
        candidates: By id.
        sources: By content sha256.
        reclaimed: Which artifacts stand in tars.
    """

    folder: Path
    config: Mapping[str, Any]
    thresholds: Thresholds
    packages: Mapping[str, str]
    models: tuple[Model, ...]
    candidates: Mapping[str, Candidate]
    sources: Mapping[str, SourceRecord]
    reclaimed: Reclaimed


def read_run(folder: Path) -> Run:
    """Read a finished run.

    Raises:
        RunError: the folder is not a run, the run is not finished, or its configuration cannot be used.
        RecordError: a line of the candidates or sources is bad; the error names file and line.
    """
    document = read_config(folder / layout.RUN_CONFIG)
    _check_finished(folder)
    where = folder / layout.RUN_CONFIG
    try:
        models = load(tuple[Model, ...], document.get("models", []), "/models")
        thresholds = load(Thresholds, document.get("thresholds", {}), "/thresholds")
    except RecordError as error:
        raise RunError(
            error.problem, got=error.got, wanted=error.wanted, where=f"{where} {error.where}"
        ) from None
    config = {key: value for key, value in document.items() if key not in _OWN_PLACE}
    return Run(
        folder=folder,
        config=config | {"thresholds": plain(thresholds)},
        thresholds=thresholds,
        packages=dict(document.get("packages", {})),
        models=models,
        candidates=_read_candidates(_file(folder, layout.CANDIDATES)),
        sources={
            source.sha256: source for _, source in read_records(_file(folder, layout.SOURCES), SourceRecord)
        },
        reclaimed=Reclaimed(folder),
    )


def read_config(path: Path) -> dict[str, Any]:
    """Read a run's run.toml; raises RunError where it is none that this version reads."""
    if not path.is_file():
        raise RunError(
            "not a run folder",
            got=path.parent,
            wanted=f"a folder with {layout.RUN_CONFIG}",
            fix="`sparkle generate ... --out RUN` makes one",
        )
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        canonical_json(document)  # dates, NaN and infinity have no place in a provenance
    except (tomllib.TOMLDecodeError, ValueError, TypeError) as error:
        raise RunError("the run's configuration cannot be read", got=error, where=path) from None
    found = (document.get("format"), document.get("version"))
    if found != (RUN_FORMAT, RUN_VERSION):
        raise RunError(
            "not a run that this version reads", got=found, wanted=(RUN_FORMAT, RUN_VERSION), where=path
        )
    if not isinstance(document.get("name"), str):
        raise RunError("the run has no name", got=document.get("name"), wanted="name = ...", where=path)
    return document


def _check_finished(folder: Path) -> None:
    path = folder / layout.FUNNEL
    if not path.is_file():
        raise RunError(
            "the run is not finished",
            got=f"no {layout.FUNNEL}",
            where=folder,
            fix=f"`sparkle generate ... {command('--out', folder)}` finishes it",
        )
    try:
        funnel = json.loads(path.read_bytes())
    except ValueError as error:
        raise RunError("the funnel cannot be read", got=error, where=path) from None
    check("funnel", funnel, where=str(path))


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise RunError("the run is missing a file", wanted=name, where=folder)
    return path


def _read_candidates(path: Path) -> dict[str, Candidate]:
    candidates: dict[str, Candidate] = {}
    for number, (_, candidate) in enumerate(read_records(path, Candidate), 1):
        where = f"{path}:{number}"
        if candidate.id in candidates:
            raise RecordError("an id was given twice", got=candidate.id, where=where)
        if theme_of(candidate.id) != candidate.theme:
            raise RecordError(
                "the theme is not the id's", got=candidate.theme, wanted=theme_of(candidate.id), where=where
            )
        candidates[candidate.id] = candidate
    return candidates
