"""The room in a card that is its publisher's: what is written there stays when the card is rendered again.

Two comments, which no page shows, mark it. The second one carries a hash of the rest of the card, so that an
edit in the room can be told from one anywhere else, whichever version rendered the card. Ends of lines do not
count.
"""

from __future__ import annotations

import re
from pathlib import Path

from sparkle.builders.release.manifest import FileEntry, read_manifest
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ReleaseError

_BEGIN = "<!-- your words begin: what is between these two lines stays when the card is made again -->"
_ROOM = re.compile(
    r"^<!-- your words begin[^\n]*-->\n(?P<words>.*?)^<!-- your words end (?P<mark>\S*) ?-->$",
    re.DOTALL | re.MULTILINE,
)
# In a template: where the room is.
PLACE = "<!-- your words begin -->\n<!-- your words end -->"


def furnish(card: str, words: str) -> str:
    """A rendered card with words in its room."""
    words = words.strip("\n")
    inside = f"\n{words}\n\n" if words else ""
    before, _, after = card.partition(PLACE)
    return f"{before}{_BEGIN}\n{inside}<!-- your words end {_mark(before, after)} -->{after}"


def words_of(data: bytes, entry: FileEntry | None, where: object) -> str:
    """The words in the room of a card.

    Args:
        data: The card as it is.
        entry: What the manifest lists for it.
        where: The card, for messages.

    Raises:
        ReleaseError: it was edited elsewhere, which would be lost.
    """
    try:
        card = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ReleaseError("the card is not UTF-8", got=error, where=where) from None
    room = _ROOM.search(card)
    listed = entry is not None and entry.sha256 == sha256_bytes(data)
    if not listed and not _is_intact(card, room):
        raise ReleaseError(
            "the card was edited outside the room for your words, and that edit would be lost",
            got=None if room else "a card without such a room",
            wanted="edits between the lines `<!-- your words begin` and `<!-- your words end` only",
            where=where,
            fix="title, licence, authors and so on belong in release.toml (docs/cards.md), other words in "
            "the room; keep a copy of the card and delete it to have it written afresh",
        )
    return room["words"].strip("\n") if room else ""


def read_words(folder: Path) -> str:
    """The words in the room of the card of a release in a folder, none where somebody deleted the card.

    Raises:
        ReleaseError: it is no release, or as `words_of` raises it.
    """
    card = folder / layout.CARD
    entries = {entry.path: entry for entry in read_manifest(folder)}
    return words_of(card.read_bytes(), entries.get(layout.CARD), card) if card.is_file() else ""


def is_edited(folder: Path) -> bool:
    """Whether the card of a release in a folder is another one than its manifest lists."""
    card = folder / layout.CARD
    listed = {entry.path: entry.sha256 for entry in read_manifest(folder)}.get(layout.CARD)
    return card.is_file() and sha256_bytes(card.read_bytes()) != listed


def is_edited_inside(data: bytes) -> bool:
    """Whether everything outside the room of a card is as it was rendered."""
    card = data.decode("utf-8", "replace").replace("\r\n", "\n")
    return _is_intact(card, _ROOM.search(card))


def _is_intact(card: str, room: re.Match[str] | None) -> bool:
    return room is not None and _mark(card[: room.start()], card[room.end() :]) == room["mark"]


def _mark(before: str, after: str) -> str:
    return sha256_bytes(f"{before}\0{after.rstrip()}".encode())[:16]
