"""croissant.json: the release's tables and tars for machines, in MLCommons' Croissant 1.0.

How it works
- Every table and tar is a file with its sha256; the tables of a theme are one file set and one record set,
  the members of a kind's tars another file set. Loose files, text and pictures are not described.
- A record set has the columns that its tables have without a null: readers of Croissant know no nulls.
  Previews and hashes are left out: its types have no bytes.
- It follows from the release's tables and the list of its files: no path, host or time is in it. A reader
  needs this file and the release beside it, and no network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa

from sparkle.builders.cards.card import licence_of
from sparkle.builders.release.about import About, license_address
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.read_tables import TableFile
from sparkle.builders.release.removed import read_provenance
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.ids import THEMES
from sparkle.schemas.layout import KINDS, PROVENANCE, Kind, What, data_folder, parse, tables_of

_CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_NAME = "sparkle-pairs"
_DESCRIPTION = (
    "Pairs of videos for instruction-guided video background replacement, with every intermediate of the "
    "pipeline that made them, in the layout of the public Sparkle release."
)
_UNLICENSED = (
    "unknown",
    "other",
)  # the Hub's names for a licence that is not known, and for one that has another name
_TYPES = {
    pa.string(): "sc:Text",
    pa.int32(): "sc:Integer",
    pa.int64(): "sc:Integer",
    pa.float64(): "sc:Float",
}
_FORMATS = {".mp4": "video/mp4", ".png": "image/png", ".npz": "application/zip"}

# The context that the Croissant 1.0 specification gives, appendix 1; readers compare its keys.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def dump_croissant(folder: Path, entries: Iterable[FileEntry], card: str) -> bytes:
    """The bytes of croissant.json.

    Args:
        folder: The release, whose tables and provenance are written.
        entries: Its files.
        card: Its card, whose licence it has.

    Raises:
        ReleaseError: a table or the provenance cannot be read.
    """
    about = read_provenance(folder / PROVENANCE).about
    files = {entry.path: entry for entry in sorted(entries, key=lambda entry: entry.path)}
    tables = {theme: paths for theme in THEMES if (paths := tables_of(theme, files))}
    located = {path: parse(path) for path in files}
    tars = {
        (theme, kind): paths
        for theme in tables
        for kind in KINDS
        if (
            paths := [
                path
                for path, at in located.items()
                if (at.what, at.theme, at.kind) == (What.TAR, theme, kind)
            ]
        )
    }
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS_TO,
        "name": about.title or _NAME,
        "description": about.description or _DESCRIPTION,
        **_licence(about, card),
        **(
            {"creator": [{"@type": "sc:Person", "name": name} for name in about.authors]}
            if about.authors
            else {}
        ),
        "citeAs": about.citation or _citation(),
        "keywords": ["video editing", "background replacement", "instruction-guided editing"],
        "distribution": [*_distribution(files, tables, tars)],
        "recordSet": [_record_set(folder, theme, paths) for theme, paths in tables.items()],
    }
    return dump_document(document)


def _licence(about: About, card: str) -> dict[str, str]:
    """The licence as a page on the web, else its name; nothing where nobody gave one."""
    found = licence_of(card)
    name = about.license_name or (None if found in _UNLICENSED else found)
    licence = about.license_link or license_address(name) or name
    return {"license": licence} if licence else {}


def _distribution(
    files: Mapping[str, FileEntry],
    tables: Mapping[str, Sequence[str]],
    tars: Mapping[tuple[str, Kind], Sequence[str]],
) -> Iterator[dict[str, Any]]:
    """Yield the files, then the sets that they make up or hold."""
    for paths in tables.values():
        yield from (_file(files[path], "application/x-parquet") for path in paths)
    for paths in tars.values():
        yield from (_file(files[path], "application/x-tar") for path in paths)
    for theme in tables:
        yield {
            "@type": "cr:FileSet",
            "@id": _table_set(theme),
            "name": _table_set(theme),
            "description": f"The pairs of theme {theme}, one a row.",
            "encodingFormat": "application/x-parquet",
            "includes": f"{data_folder(theme)}/*.parquet",
        }
    for (theme, kind), paths in tars.items():
        yield {
            "@type": "cr:FileSet",
            "@id": f"{theme}-{kind.name}",
            "name": f"{theme}-{kind.name}",
            "description": f"{kind.name} of theme {theme}, a file a pair.",
            "containedIn": [{"@id": path} for path in paths],
            "encodingFormat": _FORMATS[kind.suffix],
            "includes": f"{theme}/{kind.name}/*{kind.suffix}",
        }


def _file(entry: FileEntry, encoding: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": entry.path,
        "name": entry.path,
        "contentUrl": entry.path,
        "contentSize": f"{entry.size} B",
        "encodingFormat": encoding,
        "sha256": entry.sha256,
    }


def _table_set(theme: str) -> str:
    return f"{theme}-tables"


def _record_set(folder: Path, theme: str, paths: Sequence[str]) -> dict[str, Any]:
    """The rows of a theme; its columns are those that no row lacks."""
    columns = _columns([folder / path for path in paths])
    return {
        "@type": "cr:RecordSet",
        "@id": theme,
        "name": theme,
        "key": {"@id": f"{theme}/task"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{theme}/{name}",
                "name": f"{theme}/{name}",
                "dataType": _TYPES[dtype],
                "source": {"fileSet": {"@id": _table_set(theme)}, "extract": {"column": name}},
            }
            for name, dtype in columns.items()
        ],
    }


def _columns(paths: Sequence[Path]) -> dict[str, pa.DataType]:
    """Columns that are of a type Croissant has, and that have no null, by the statistics of the files."""
    found: dict[str, pa.DataType] = {}
    nulls: set[str] = set()
    for path in paths:
        file = TableFile(path)
        found |= {field.name: field.type for field in file.schema if field.type in _TYPES}
        nulls |= {chunk.path for group in file.groups for chunk in group.chunks if chunk.nulls != 0}
    return {name: dtype for name, dtype in found.items() if name not in nulls}


def _citation() -> str:
    """The BibTeX of the cards."""
    text = (
        resources.files("sparkle.builders.cards").joinpath("templates", "card_citation.md").read_text("utf-8")
    )
    return text.removeprefix("```bibtex\n").removesuffix("```\n")
