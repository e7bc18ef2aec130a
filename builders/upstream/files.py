"""What stands where in a folder of upstream's layout: tars, loose files, text, and what does not belong.

- Tars and loose files (the first samples of each theme, or everything when tars were extracted) may stand
  beside each other, and intermediates at the root as well as below `intermediate_data`: extracting leaves
  them where it was called.
- Names that start with a dot are another tool's (`.git`, `.cache`) and are not looked at, nor is junk.
- A link is followed to a file inside the folder or, from a snapshot, to a blob (`leads_inside`). Others are
  left out: a release must not take in what lies elsewhere.
- Nothing is read but names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sparkle._folders import copy_command, is_junk, leads_inside
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES, index_reader
from sparkle.schemas.layout import KIND_BY_NAME, KINDS, Kind
from sparkle.schemas.misplaced import PACKED_SUFFIXES

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


def require_themes(files: UpstreamFiles, where: object) -> None:
    """Raise ReleaseError where there is no table of pairs, and say what may have been meant as one."""
    if files.themes:
        return
    packed = [path for path in files.others if path.endswith(PACKED_SUFFIXES)]
    passed = [
        (len(files.links), "links out of the folder or to nothing"),
        (len(packed), "packed files"),
    ]
    fix = "unpack them into the folder" if packed else None
    if files.links:
        fix = f"no link out of the folder is followed: `{copy_command(files.folder)}` makes a folder of files"
    raise ReleaseError(
        "not a folder in upstream's layout",
        got=", ".join(
            [f"{len(files.tars)} tars and no table of pairs", *(f"{n:,} {what}" for n, what in passed if n)]
        ),
        wanted=f"a table of pairs for each theme, such as {layout.prompts_csv('location')}",
        where=where,
        fix=fix,
    )


def list_upstream(folder: Path) -> UpstreamFiles:
    """Find out what stands where; raises OSError when a folder cannot be listed."""
    paths: list[str] = []
    links: list[str] = []
    for root, folders, files in os.walk(folder, onerror=_raise):
        below = os.path.relpath(root, folder)
        prefix = "" if below == "." else f"{below}/"
        folders[:] = [name for name in folders if not _is_hidden(name)]
        files = [name for name in files if not _is_hidden(name)]
        odd = {name for name in (*folders, *files) if _is_odd_link(Path(root, name), folder)}
        links += [f"{prefix}{name}" for name in odd]
        paths += [f"{prefix}{name}" for name in files if name not in odd]
    return sort_upstream(folder, paths, links)


def sort_upstream(folder: Path, paths: Iterable[str], links: Iterable[str] = ()) -> UpstreamFiles:
    """Find out what files are by their paths.

    Args:
        folder: Where the text files are, or will be.
        paths: Every file.
        links: What is left out, see `UpstreamFiles`.
    """
    tars: list[UpstreamTar] = []
    loose: dict[tuple[str, str, str], list[str]] = {}
    text: list[str] = []
    others: list[str] = []
    known_text = {path for theme in THEMES for path in layout.text_files(theme)}
    card = False
    for path in sorted(paths):
        below, _, name = path.rpartition("/")
        if any(map(_is_hidden, path.split("/"))):
            continue
        if match := _FOLDER.fullmatch(below):
            if _is_artifact(name, match["theme"], KIND_BY_NAME[match["kind"]]):
                loose.setdefault((below, match["theme"], match["kind"]), []).append(name)
            else:
                others.append(path)
        elif match := _TAR.fullmatch(path):
            kind = KIND_BY_NAME[match["kind"]]
            tars.append(UpstreamTar(path, match["theme"], kind, int(match["part"])))
        elif path in known_text:
            text.append(path)
        elif path == layout.CARD:
            card = True
        else:
            others.append(path)
    return UpstreamFiles(
        folder=folder,
        tars=tuple(tars),
        loose=tuple(
            LooseFiles(below, theme, KIND_BY_NAME[kind], tuple(names))
            for (below, theme, kind), names in sorted(loose.items())
        ),
        text=tuple(text),
        others=tuple(others),
        links=tuple(sorted(links)),
        card=card,
    )


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or is_junk(name)


def _is_odd_link(path: Path, folder: Path) -> bool:
    return path.is_symlink() and not (path.is_file() and leads_inside(path, folder))


def _is_artifact(name: str, theme: str, kind: Kind) -> bool:
    """Whether an artifact of the theme and kind may be called so: `ID.suffix`."""
    sample_id = name.removesuffix(kind.suffix)
    return sample_id != name and index_reader(theme)(sample_id) is not None


def _raise(error: OSError) -> None:
    raise error
