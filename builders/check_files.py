"""A release's files against its manifest: all there, none extra, each with its size and content.

Contents of tars are left to `sparkle-hub verify`, which reads every byte; here their headers are read by
`check_tables`. A rerun reads everything again: nothing is cached.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sparkle.builders.manifest import FileEntry, list_files
from sparkle.builders.progress import Progress
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import RecordError, UnsafePathError
from sparkle.schemas.fsio import safe_join
from sparkle.schemas.strict_json import parse_strict
from sparkle.schemas.validate import Finding, findings_of

_ALWAYS = (layout.CARD, layout.PROVENANCE)


def check_document(folder: Path, name: str, schema: str) -> tuple[Any, list[Finding]]:
    """A JSON document of a release, None when it cannot be used, and what is wrong with it."""
    try:
        value = parse_strict((folder / name).read_bytes())
    except OSError as error:
        return None, [Finding(name, 0, "", "the file cannot be read", got=error.strerror)]
    except RecordError as error:
        return None, [Finding(name, 0, "", error.problem, got=error.got, wanted=error.wanted)]
    findings = list(findings_of(schema, value, file=name))
    return (None if findings else value), findings


def check_files(folder: Path, entries: Sequence[FileEntry], progress: Progress) -> Iterator[Finding]:
    """Everything in which the folder differs from its manifest."""
    yield from _check_order(entries)
    listed = {entry.path for entry in entries}
    for name in _ALWAYS:
        if name not in listed:
            yield Finding(layout.MANIFEST, 0, "/files", "a file of every release is not listed", wanted=name)
    for path in list_files(folder):
        if path not in listed and path != layout.MANIFEST:
            yield Finding(path, 0, "", "the manifest does not list this file")
    with progress("comparing files", len(entries)) as advance:
        for entry in entries:
            yield from _check_file(folder, entry)
            advance()


def _check_order(entries: Sequence[FileEntry]) -> Iterator[Finding]:
    for index in range(1, len(entries)):
        if entries[index].path <= entries[index - 1].path:
            pointer = f"/files/{index}/path"
            yield Finding(
                layout.MANIFEST,
                0,
                pointer,
                "files must stand once each, sorted by path",
                got=entries[index].path,
                wanted=f"after {entries[index - 1].path}",
            )


def _check_file(folder: Path, entry: FileEntry) -> Iterator[Finding]:
    try:
        path = safe_join(folder, entry.path)
    except UnsafePathError as error:
        yield Finding(entry.path, 0, "", error.problem, got=error.got, wanted=error.wanted)
        return
    if path.is_symlink() or not path.is_file():
        found = "a link" if path.is_symlink() else "nothing" if not path.exists() else "no plain file"
        yield Finding(entry.path, 0, "", "the manifest lists this file", got=found, wanted="a file")
        return
    size = path.stat().st_size
    if size != entry.size:
        yield Finding(
            entry.path, 0, "", "another size than in the manifest", got=str(size), wanted=str(entry.size)
        )
    elif path.suffix != ".tar" and (found := sha256_file(path)) != entry.sha256:
        yield Finding(
            entry.path, 0, "", "another content than in the manifest", got=found, wanted=entry.sha256
        )
