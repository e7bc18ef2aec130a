"""What stands where in a folder of upstream's layout: tars, loose files, text, and what does not belong.

- Tars and loose files (the first samples of each theme, or everything when tars were extracted) may stand
  beside each other, and intermediates at the root as well as below `intermediate_data`: extracting leaves
  them where it was called.
- Names that start with a dot are another tool's (`.git`, `.cache`) and are not looked at.
- A link is followed to a file inside the folder, or among the `blobs` of the Hub client's cache, whose
  snapshots are made of such links. Others are left out: a release must not take in what lies elsewhere.
- Nothing is read but names.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from sparkle.schemas import layout
from sparkle.schemas.errors import RecordError
from sparkle.schemas.ids import THEMES, theme_of
from sparkle.schemas.layout import KIND_BY_NAME, KINDS, Kind

_BELOW = f"(?:{layout.INTERMEDIATE}/)?"
_THEME = f"(?P<theme>{'|'.join(THEMES)})"
_KIND = f"(?P<kind>{'|'.join(kind.name for kind in KINDS)})"
_TAR = re.compile(f"{_BELOW}{_THEME}_{_KIND}_part(?P<part>[0-9]{{2,}})[.]tar")
_FOLDER = re.compile(f"{_BELOW}{_THEME}/{_KIND}")


@dataclass(frozen=True)
class UpstreamTar:
    """A tar: its path, and what its name says that it holds."""

    path: str
    theme: str
    kind: Kind
    part: int


@dataclass(frozen=True)
class LooseFiles:
    """Artifacts of a kind that stand as files of their own in a folder; names are sorted."""

    folder: str
    theme: str
    kind: Kind
    names: tuple[str, ...]


@dataclass(frozen=True)
class UpstreamFiles:
    """The files of a folder of upstream's layout, as paths from it.

    Attributes:
        folder: The folder.
        tars: Its tars, sorted by path.
        loose: Its loose artifacts.
        text: Tables of pairs and JSON lines.
        others: Files that the layout does not have, sorted; the card is none of them.
        links: Links to folders, to nothing, and out of the folder, sorted.
        card: Whether it has upstream's card.
    """

    folder: Path
    tars: tuple[UpstreamTar, ...]
    loose: tuple[LooseFiles, ...]
    text: tuple[str, ...]
    others: tuple[str, ...]
    links: tuple[str, ...]
    card: bool

    @property
    def themes(self) -> tuple[str, ...]:
        """The themes that have a table of pairs, in the order of `THEMES`."""
        return tuple(theme for theme in THEMES if layout.prompts_csv(theme) in self.text)


def list_upstream(folder: Path) -> UpstreamFiles:
    """Find out what stands where; raises OSError when a folder cannot be listed."""
    tars: list[UpstreamTar] = []
    loose: list[LooseFiles] = []
    text: list[str] = []
    others: list[str] = []
    links: list[str] = []
    known_text = _text_paths()
    for root, folders, files in os.walk(folder, onerror=_raise):
        below = os.path.relpath(root, folder)
        prefix = "" if below == "." else f"{below}/"
        odd = {name for name in (*folders, *files) if _is_odd_link(Path(root, name), folder)}
        links += [f"{prefix}{name}" for name in odd if not name.startswith(".")]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found = sorted(name for name in files if not name.startswith(".") and name not in odd)
        if match := _FOLDER.fullmatch(below):
            kind = KIND_BY_NAME[match["kind"]]
            names = [name for name in found if _is_artifact(name, match["theme"], kind)]
            loose += [LooseFiles(below, match["theme"], kind, tuple(names))] if names else []
            others += [f"{prefix}{name}" for name in found if name not in set(names)]
            continue
        for path in (f"{prefix}{name}" for name in found):
            if match := _TAR.fullmatch(path):
                kind = KIND_BY_NAME[match["kind"]]
                tars.append(UpstreamTar(path, match["theme"], kind, int(match["part"])))
            elif path in known_text:
                text.append(path)
            elif path != layout.CARD:
                others.append(path)
    return UpstreamFiles(
        folder=folder,
        tars=tuple(sorted(tars, key=lambda tar: tar.path)),
        loose=tuple(sorted(loose, key=lambda found: found.folder)),
        text=tuple(sorted(text)),
        others=tuple(sorted(others)),
        links=tuple(sorted(links)),
        card=layout.CARD not in links and (folder / layout.CARD).is_file(),
    )


def artifact_id(name: str, theme: str, kind: Kind) -> str | None:
    """The id in a file name `ID.suffix`; None when no artifact of the theme and kind is called so."""
    sample_id = name.removesuffix(kind.suffix)
    if sample_id == name:
        return None
    try:
        return sample_id if theme_of(sample_id) == theme else None
    except RecordError:
        return None


def _is_odd_link(path: Path, folder: Path) -> bool:
    if not path.is_symlink():
        return False
    target = path.resolve()
    blobs = folder.parent.parent / "blobs"  # of a snapshot at ".../snapshots/COMMIT"
    return not (target.is_file() and (target.is_relative_to(folder) or target.is_relative_to(blobs)))


def _is_artifact(name: str, theme: str, kind: Kind) -> bool:
    return artifact_id(name, theme, kind) is not None


def _text_paths() -> frozenset[str]:
    steps = layout.RECORD_FILES
    return frozenset(
        path
        for theme in THEMES
        for path in (
            layout.prompts_csv(theme),
            layout.metadata_jsonl(theme),
            *(layout.record_file(theme, step) for step in steps),
        )
    )


def _raise(error: OSError) -> None:
    raise error
