"""A liar's last step: pages and manifest of a release are written anew, to fit files that were changed."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from sparkle.builders.cards.card import render_card
from sparkle.builders.release.manifest import FileEntry, dump_manifest, list_files
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document, sha256_file
from sparkle.schemas.errors import ReleaseError


def agree(folder: Path, *, card: bool = True, croissant: bool = True) -> None:
    """Make a release's manifest fit its files, and card and croissant.json where not told otherwise."""
    if card and (folder / layout.CARD).is_file():
        with suppress(ReleaseError):  # it is made of what is wrong
            (folder / layout.CARD).write_text(render_card(folder), "utf-8")
    path = folder / layout.CROISSANT
    if croissant and path.is_file():
        document = json.loads(path.read_bytes())
        there = [part for part in document["distribution"] if (folder / part.get("contentUrl", ".")).exists()]
        for part in (part for part in there if "sha256" in part):
            file = folder / part["contentUrl"]
            part |= {"contentSize": f"{file.stat().st_size} B", "sha256": sha256_file(file)}
        path.write_bytes(dump_document(document | {"distribution": there}))
    entries = []
    for name in list_files(folder):
        if name != layout.MANIFEST:
            path = folder / name
            entries.append(FileEntry(name, path.stat().st_size, sha256_file(path)))
    (folder / layout.MANIFEST).write_bytes(dump_manifest(entries))
