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


def agree(folder: Path, *, pages: bool = True) -> None:
    """Make a release's manifest agree with its files; its card and croissant.json, too, with `pages`."""
    if pages and (folder / layout.CARD).is_file():
        with suppress(ReleaseError):  # it is made of what is wrong
            (folder / layout.CARD).write_text(render_card(folder), "utf-8")
    croissant = folder / layout.CROISSANT
    if pages and croissant.is_file():
        document = json.loads(croissant.read_bytes())
        there = [part for part in document["distribution"] if (folder / part.get("contentUrl", ".")).exists()]
        for part in (part for part in there if "sha256" in part):
            file = folder / part["contentUrl"]
            part |= {"contentSize": f"{file.stat().st_size} B", "sha256": sha256_file(file)}
        croissant.write_bytes(dump_document(document | {"distribution": there}))
    entries = []
    for name in list_files(folder):
        if name != layout.MANIFEST:
            path = folder / name
            entries.append(FileEntry(name, path.stat().st_size, sha256_file(path)))
    (folder / layout.MANIFEST).write_bytes(dump_manifest(entries))
