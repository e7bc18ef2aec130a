"""The files of a page besides its media: itself, and its data as scripts.

- A page that is opened from a disk may not fetch, so data are scripts that hand one JSON value to a function
  of the page. They hold text of models and people, which the page only ever shows as text.
- The first script has what the grid, the filters and the search need. Boxes and reasonings stand in chunks
  that are read when one of their samples is opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from sparkle.builders.manifest import list_files
from sparkle.hub.preview.clip import Clip
from sparkle.hub.preview.rows import Rows
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.fsio import write_atomic
from sparkle.schemas.version import __version__

INDEX = "index.html"
ASSETS, DATA, MEDIA = "assets", "data", "media"
SAMPLES = f"{DATA}/samples.js"
CHUNK = 50  # samples a chunk of details: 100 to 500 KB with all reasonings

_PACKAGE = "sparkle.hub.preview"
_MARK = b'<meta name="generator" content="sparkle-hub preview">'


@dataclass(frozen=True)
class Shown:
    """A sample as the page finds it: its clip, and the path of its media without what tells them apart."""

    clip: Clip
    stem: str


def refuse_foreign(out: Path) -> None:
    """Raise ReleaseError when a folder holds something else than a page that was made here before."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    others = (
        sorted({path.name for path in out.iterdir()} - {INDEX, ASSETS, DATA, MEDIA}) if out.is_dir() else []
    )
    index = out / INDEX
    if others or not index.is_file() or _MARK not in index.read_bytes():
        raise ReleaseError(
            "--out holds something else than a preview",
            got=", ".join(others[:3]) or None,
            wanted="a new or empty folder, or a preview to bring up to date",
            where=out,
            fix="choose another --out",
        )


def write_page(out: Path) -> None:
    """Write the page itself: what it shows comes with `write_data`."""
    for file in sorted(resources.files(_PACKAGE).joinpath("page").iterdir(), key=lambda file: file.name):
        target = out / INDEX if file.name == INDEX else out / ASSETS / file.name
        write_atomic(target, file.read_bytes())


def write_data(out: Path, rows: Rows, shown: Sequence[Shown]) -> list[str]:
    """Write the page's data; gives the paths that were written.

    Args:
        out: The page's folder.
        rows: The samples.
        shown: What was made of each.
    """
    paths = []
    for number, start in enumerate(range(0, len(rows), CHUNK)):
        details = rows.details(range(start, min(start + CHUNK, len(rows))))
        paths.append(f"{DATA}/details-{number:04d}.js")
        write_atomic(out / paths[-1], _script("details", details))
    document = {
        "name": _name(rows.place.name),
        "version": __version__,
        "chunk": CHUNK,
        "thresholds": rows.thresholds,
        "samples": [_sample(rows, row, found) for row, found in enumerate(shown)],
    }
    write_atomic(out / SAMPLES, _script("samples", document))
    return [*paths, SAMPLES]


def remove_others(out: Path, paths: Sequence[str]) -> None:
    """Remove what an earlier page had of data and media that this one has not."""
    keep = set(paths)
    for path in list_files(out):
        if path.startswith((f"{DATA}/", f"{MEDIA}/")) and path not in keep:
            (out / path).unlink()


def _name(place: str) -> str:
    """What the page calls its release: `owner/name[@revision]`, or a folder's own name."""
    return Path(place).resolve().name if Path(place).is_dir() else place


def _sample(rows: Rows, row: int, shown: Shown) -> Mapping[str, Any]:
    sample: dict[str, Any] = {"id": rows.ids[row], **rows.facts(row)}
    if shown.clip.frames:
        clip = shown.clip.to_json()
        del clip["problems"]
        sample |= {"media": shown.stem, "clip": clip}
    return sample | ({"problems": list(shown.clip.problems)} if shown.clip.problems else {})


def _script(name: str, value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"SPARKLE.{name}({text});\n".encode()
