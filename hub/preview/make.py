"""Makes the page of a release or a run, or brings it up to date.

How it works
- The media of a sample carry in their names a fingerprint of what they were made from (the artifacts' hashes,
  the way of drawing, the encoders). What is there under the right name is taken as it is: a rerun makes what
  is missing, after a kill as well as for a release that changed.
- `ID-FINGERPRINT.json` is written last and says what was made, so a sample is there whole or made again.
- Media first, then data, then what an earlier page had is removed: an open page stays whole meanwhile.
- What is wrong with an artifact is shown on the page and does not stop the others.
- A page that is opened from a disk may not fetch, so data are scripts that hand one JSON value to a function
  of the page. They hold text of models and people, which the page only ever shows as text. The first script
  has what the grid, the filters and the search need; boxes and reasonings are in chunks that are read when
  one of their samples is opened.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sparkle._files import TEMPORARY_MARK, exclusive, remove_leftovers, write_atomic
from sparkle._folders import is_junk
from sparkle._processes import cpus
from sparkle._progress import Progress, silent, time_text
from sparkle._scratch import scratch_folder
from sparkle.builders.release.manifest import list_files
from sparkle.hub.preview.clip import SHEET_SIDE, STILLS, TRACKS, VERSION, MediaPaths, PreviewClip, make_clip
from sparkle.hub.preview.rows import ReleaseRows
from sparkle.hub.preview.run_rows import RunRows
from sparkle.media.encode import encoder_versions
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_line, fingerprint, plain
from sparkle.schemas.errors import ArtifactError, RecordError, ReleaseError
from sparkle.schemas.ids import theme_of
from sparkle.schemas.layout import Kind
from sparkle.schemas.load import load
from sparkle.schemas.validate import parse_strict
from sparkle.schemas.version import __version__

Rows = ReleaseRows | RunRows

_MOST_WORKERS = 8  # a sample takes up to 300 MB while it is drawn: masks and frames of 720p
_MARK_DIGITS = 12
_SECONDS = 4.0  # of one CPU, for a 720p clip of 81 frames at `SHEET_SIDE`


@dataclass(frozen=True)
class PageSummary:
    """What a page has.

    Attributes:
        out: Its folder.
        samples: How many samples it shows.
        made: How many of them were drawn now; the others were there.
        bytes: Size of everything in the folder.
        problems: Id -> what is wrong with its artifacts.
    """

    out: Path
    samples: int
    made: int
    bytes: int
    problems: dict[str, tuple[str, ...]]


def make_page(
    where: str,
    out: Path,
    *,
    themes: Sequence[str] = (),
    ids: Collection[str] | None = None,
    limit: int | None = None,
    side: int = SHEET_SIDE,
    workers: int | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
) -> PageSummary:
    """Make the page of a release or a run.

    Args:
        where: A folder with a run, a release or an index, or `owner/name[@revision]` of the last two on a
            Hub.
        out: Where the page goes: an empty or new folder, or a page that is brought up to date.
        themes: The themes; none given is all.
        ids: The samples to choose from; None is all.
        limit: How many samples of each theme; None is all.
        side: Pixels of the shorter side of a picture.
        workers: How many samples are drawn at a time; None is one a processor.
        progress: Reports progress.
        say: Receives how many samples there are to draw and how long that takes, before it begins.

    Raises:
        ReleaseError: the release cannot be read, has no such theme or id, or `out` holds something else.
        RunError, RecordError: the run cannot be read.
        UnreachableError: a Hub does not answer.
    """
    out = out.resolve()
    opened = RunRows if (Path(where) / layout.RUN_CONFIG).is_file() else ReleaseRows
    rows = opened(where, themes, ids, limit)
    _refuse_inside(where, out)
    refuse_foreign(out)
    out.mkdir(parents=True, exist_ok=True)
    busy = ReleaseError("another process is making this page", where=out, fix="wait for it to end")
    with exclusive(out, busy):
        remove_leftovers(out)
        write_page(out)
        drawer = _Drawer(rows, out, side)
        threads = workers or min(_MOST_WORKERS, cpus())
        say(_estimate(drawer.missing(), len(rows.ids), threads, _SECONDS * side / SHEET_SIDE))
        drawn = _each(drawer.draw, len(rows.ids), threads, progress)
        media = [name for sample in drawn for name in sample.files]
        data = write_data(out, rows, [sample.shown for sample in drawn])
        remove_others(out, [*media, *data])
    return PageSummary(
        out=out,
        samples=len(rows.ids),
        made=sum(sample.fresh for sample in drawn),
        bytes=sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
        problems={
            sample_id: sample.shown.clip.problems
            for sample_id, sample in zip(rows.ids, drawn, strict=True)
            if sample.shown.clip.problems
        },
    )


@dataclass(frozen=True)
class _Drawn:
    """A sample's part of the page, the paths of its files, and whether it was drawn now."""

    shown: Shown
    files: tuple[str, ...]
    fresh: bool


class _Drawer:
    """Draws samples, or finds that they are there."""

    def __init__(self, rows: Rows, out: Path, side: int) -> None:
        self._rows = rows
        self._side = side
        self._out = out

    def draw(self, row: int) -> _Drawn:
        """A sample's media, made where they are not there."""
        artifacts, stem = self._rows.artifacts(row, (*TRACKS, *STILLS)), self._stem(row)
        clip = self._found(stem)
        if clip is not None:
            return _Drawn(Shown(clip, stem), _files(stem, clip), fresh=False)
        clip, whole = self._make(artifacts, stem)
        if whole:  # what could not be read now may be there next time
            write_atomic(self._out / f"{stem}.json", dump_line(clip))
        return _Drawn(Shown(clip, stem), _files(stem, clip), fresh=True)

    def missing(self) -> int:
        """How many samples are not there yet, as far as can be seen without reading."""
        return sum(not (self._out / f"{self._stem(row)}.json").exists() for row in range(len(self._rows.ids)))

    def _stem(self, row: int) -> str:
        sample_id = self._rows.ids[row]
        artifacts = self._rows.artifacts(row, (*TRACKS, *STILLS))
        return f"{MEDIA}/{theme_of(sample_id)}/{sample_id}-{_mark(artifacts, self._side)}"

    def _found(self, stem: str) -> PreviewClip | None:
        """What was made of a sample before; None where a file of it is missing."""
        try:
            clip = load(PreviewClip, parse_strict((self._out / f"{stem}.json").read_bytes()))
        except (FileNotFoundError, RecordError):
            return None
        return clip if all((self._out / name).is_file() for name in _files(stem, clip)) else None

    def _make(self, artifacts: dict[Kind, Artifact], stem: str) -> tuple[PreviewClip, bool]:
        """Draw a sample; gives also whether all of its artifacts could be read."""
        problems = []
        with scratch_folder() as folder:
            files = {}
            for kind, artifact in artifacts.items():
                path = folder / f"{kind.name}{kind.suffix}"
                try:
                    path.write_bytes(self._rows.read(artifact))
                except ArtifactError as error:
                    problems.append(f"{kind.name}: {error.problem}")
                else:
                    files[kind] = path
            (self._out / stem).parent.mkdir(parents=True, exist_ok=True)
            clip = make_clip(files, _places(self._out / stem), self._side)
        return replace(clip, problems=(*problems, *clip.problems)), not problems


def _refuse_inside(where: str, out: Path) -> None:
    if Path(where).is_dir() and out.is_relative_to(Path(where).resolve()):
        raise ReleaseError(
            "a preview cannot lie inside what it shows: a release would no longer be what its manifest lists",
            got=out,
            where=where,
            fix="choose another --out",
        )


def _mark(artifacts: dict[Kind, Artifact], side: int) -> str:
    """A fingerprint of what a sample's media are made from."""
    made_from = {
        kind.name: [artifact.file, artifact.offset, artifact.size]
        if artifact.sha256 is None
        else artifact.sha256.hex()
        for kind, artifact in artifacts.items()
    }
    return fingerprint([VERSION, encoder_versions(), side, made_from])[:_MARK_DIGITS]


def _places(stem: Path) -> MediaPaths:
    return MediaPaths(
        *(stem.with_name(f"{stem.name}{suffix}") for suffix in (".mp4", ".card.mp4", ".webp", ".stills.webp"))
    )


def _files(stem: str, clip: PreviewClip) -> tuple[str, ...]:
    """The paths of a sample's files, the one that says what was made among them."""
    names = [".json"]
    names += [".mp4", ".card.mp4", ".webp"] if clip.frames else []
    names += [".stills.webp"] if clip.stills else []
    return tuple(f"{stem}{name}" for name in names)


def _estimate(missing: int, count: int, threads: int, seconds: float) -> str:
    """What there is to do, and how long it takes at so many seconds per sample and CPU."""
    long = time_text(missing * seconds / min(threads, cpus()))
    time = f": about {long} for 720p clips" if missing else ""
    return f"{missing:,} of {count:,} samples to draw{time}"


def _each(draw: Callable[[int], _Drawn], count: int, threads: int, progress: Progress) -> list[_Drawn]:
    """Draw every sample, several at a time: decoding and encoding let go of Python's lock."""
    found = []
    with progress("drawing samples", count) as advance, ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(draw, row) for row in range(count)]
        try:
            for future in futures:
                found.append(future.result())
                advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return found


# --- the files of a page besides its media ---------------------------------------------------------


INDEX = "index.html"
ASSETS, DATA, MEDIA = "assets", "data", "media"
SAMPLES = f"{DATA}/samples.js"
CHUNK = 50  # samples a chunk of details: 100 to 500 KB with all reasonings

_PACKAGE = "sparkle.hub.preview"
_MARK = b'<meta name="generator" content="sparkle-hub preview">'


@dataclass(frozen=True)
class Shown:
    """A sample as the page finds it: its clip, and the path of its media without what tells them apart."""

    clip: PreviewClip
    stem: str


def refuse_foreign(out: Path) -> None:
    """Raise ReleaseError when a folder holds something else than a page that was made here before."""
    names = {path.name for path in out.iterdir()} if out.is_dir() else {out.name} if out.exists() else set()
    names = {name for name in names if not (name.startswith(TEMPORARY_MARK) or is_junk(name))}
    if not names:
        return
    others = sorted(names - {INDEX, ASSETS, DATA, MEDIA})
    index = out / INDEX
    if others or not index.is_file() or _MARK not in index.read_bytes():
        raise ReleaseError(
            "--out already contains files that do not belong to a preview",
            got=", ".join(others[:3]) or None,
            wanted="a new or empty folder, or a preview to bring up to date",
            where=out,
            fix="choose another --out",
        )


def write_page(out: Path) -> None:
    """Write the page itself: what it shows comes with `write_data`.

    The index, by which a folder is known as a page, is the first: a page that was killed goes on.
    """
    files = resources.files(_PACKAGE).joinpath("page").iterdir()
    for file in sorted(files, key=lambda file: (file.name != INDEX, file.name)):
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
    for number, start in enumerate(range(0, len(rows.ids), CHUNK)):
        details = rows.details(range(start, min(start + CHUNK, len(rows.ids))))
        paths.append(f"{DATA}/details-{number:04d}.js")
        write_atomic(out / paths[-1], _script("details", details))
    document = {
        "name": _name(rows.name),
        "version": __version__,
        "chunk": CHUNK,
        "limits": rows.limits,
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
    """What the page calls what it shows: `owner/name[@revision]`, or a folder's own name."""
    return Path(place).resolve().name if Path(place).is_dir() else place


def _sample(rows: Rows, row: int, shown: Shown) -> Mapping[str, Any]:
    sample: dict[str, Any] = {"id": rows.ids[row], **rows.facts(row)}
    if shown.clip.frames:
        clip = plain(shown.clip)
        del clip["problems"]
        sample |= {"media": shown.stem, "clip": clip}
    return sample | ({"problems": list(shown.clip.problems)} if shown.clip.problems else {})


def _script(name: str, value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"SPARKLE.{name}({text});\n".encode()
