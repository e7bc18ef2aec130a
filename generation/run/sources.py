"""From a folder or a JSONL list to candidates: which clip is edited in which theme, by which prompt.

- A folder gives its video files in order of their path, known by their suffix, except hidden ones; what else
  is there is said. A list gives its lines in order. One with a bad line starts nothing: the error names it.
- A source is known by its content. The same content, theme and prompt is one candidate, however often
  it is listed; a run that is started again with more sources appends new candidates.
- A source that is no video is a candidate too, so that its outcome says why it failed. One that is missing or
  must not be read has no content to be known by: it is named, and the rest goes on.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparkle._files import read_jsonl
from sparkle._folders import is_junk
from sparkle.schemas.errors import MediaError, RecordError, SourceListError
from sparkle.schemas.ids import TAXONOMY_THEMES, THEMES, format_id, parse_id
from sparkle.schemas.records import Candidate, SourceRecord
from sparkle.schemas.validate import check

# Of the containers and streams that `sparkle.media` opens; those that hold audio as often are left out.
_VIDEO_SUFFIX = re.compile(
    "[.](mp4|mov|m4v|qt|3gp|3g2|3gpp|3gpp2|f4v|mj2|ismv|insv|mkv|mk3d|webm|avi|divx|amv"
    "|ts|mts|m2ts|m2t|tp|trp|tod|mpg|mpeg|mpe|m2p|vob|evo|mod|m1v|m2v|mpv"
    "|wmv|asf|dvr-ms|wtv|flv|ogv|ogm|mxf|gxf|dv|dif|nut|rm|rmvb|nsv"
    "|y4m|mjpg|mjpeg|ivf|obu|264|avc|h264|265|h265|hevc|266|h266|vvc)",
    re.IGNORECASE,
)
_USUAL = "such as .mp4, .mov, .mkv, .mts, .wmv"
_SHOWN_SUFFIXES = 10


@dataclass(frozen=True, slots=True)
class ListedSource:
    """A source as it was listed: where it is, its theme, its prompt (None: to compose) and its licence.

    There are a million of them in a large run: its place is text, which has a third of the bytes of a path.
    """

    place: str
    theme: str
    prompt: str | None
    licence: str | None = None

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(self.place)


@dataclass(frozen=True, slots=True)
class _Named:
    """A file, and what its line says of it."""

    place: str
    theme: str | None = None
    prompt: str | None = None
    licence: str | None = None


def list_sources(
    sources: Path,
    themes: Sequence[str],
    limit: int | None,
    *,
    out: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[ListedSource]:
    """Return what a folder or a JSONL list names; every source once per theme, unless it names its own.

    Args:
        sources: The folder, the list, or a single video.
        themes: For sources that name none.
        limit: Take this many sources at most.
        out: The run folder; a folder of sources must not hold it, or its own videos would be sources.
        say: Told what else a folder holds.

    Raises:
        SourceListError: nothing there, a bad line, a theme that needs prompts, a name that is not UTF-8, or
            folders inside one another.
        OSError: a folder cannot be listed.
    """
    if sources.is_dir():
        _refuse_overlap(sources, out)
        named = [_Named(str(path)) for path in _video_files(sources, say)]
    elif sources.is_file() and sources.suffix == ".jsonl":
        named = list(_read_list(sources))
    elif sources.is_file() and _VIDEO_SUFFIX.fullmatch(sources.suffix):
        named = [_Named(str(sources))]
    else:
        raise SourceListError(
            "no such source list",
            got=sources,
            wanted=f"a folder of videos, a .jsonl file, or a video ({_USUAL})",
        )
    if not named:
        wanted = f"video files, {_USUAL}" if sources.is_dir() else "a line or more"
        raise SourceListError("no sources", got=sources, wanted=wanted)
    listed = [
        ListedSource(item.place, sys.intern(theme), item.prompt, item.licence)
        for item in named[:limit]
        for theme in ([item.theme] if item.theme else themes)
    ]
    for item in listed:
        if item.prompt is None and item.theme not in TAXONOMY_THEMES:
            raise SourceListError(
                f"theme {item.theme} has no taxonomy to compose from",
                wanted="a prompt in the source list",
                where=item.path,
                fix=f"give a prompt, or one of the themes {', '.join(TAXONOMY_THEMES)}",
            )
    return listed


def _video_files(folder: Path, say: Callable[[str], None]) -> list[Path]:
    """The videos of a folder, sorted by path; what else it holds is said, but for junk."""
    found: list[Path] = []
    others: Counter[str] = Counter()
    for root, folders, files in os.walk(folder, onerror=_raise):
        shown = [name for name in folders if not is_junk(name)]
        folders[:] = [name for name in shown if not name.startswith(".")]
        others["hidden folders"] += len(shown) - len(folders)
        others["links to folders"] += sum(Path(root, name).is_symlink() for name in folders)
        for path in (Path(root, name) for name in files if not is_junk(name)):
            if path.name.startswith("."):
                others["hidden files"] += 1
            elif not path.is_file():
                others["links to nothing" if path.is_symlink() else "no plain files"] += 1
            elif _VIDEO_SUFFIX.fullmatch(path.suffix):
                found.append(path)
            else:
                others[path.suffix.lower() or "without a suffix"] += 1
    if told := [f"{what} ({count:,})" for what, count in sorted(others.items(), key=_most) if count]:
        more = len(told) - _SHOWN_SUFFIXES
        rest = f", and {more} other kinds" if more > 0 else ""
        say(f"passed over in {folder}, as no sources: {', '.join(told[:_SHOWN_SUFFIXES])}{rest}")
    found.sort(key=lambda path: path.relative_to(folder).as_posix())
    for path in found:
        if os.fsencode(path).decode("utf-8", "replace") != str(path):
            raise SourceListError("a file's name is not UTF-8", got=repr(path), fix="rename it")
    return found


def _most(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _raise(error: OSError) -> None:
    raise error


def _refuse_overlap(sources: Path, out: Path | None) -> None:
    if out is None:
        return
    folder, run = sources.resolve(), out.resolve()
    if run.is_relative_to(folder) or folder.is_relative_to(run):
        raise SourceListError(
            "the sources and the run are inside one another",
            got=f"sources {folder}, run {run}",
            wanted="two folders apart: the run's own videos would be sources",
            fix="choose another --out",
        )


def _read_list(path: Path) -> Iterator[_Named]:
    try:
        for number, value in read_jsonl(path):
            where = f"{path}:{number}"
            check("source_list", value, where=where)
            yield _Named(
                str(path.parent / value["path"]),
                value.get("theme"),
                value.get("prompt"),
                value.get("licence"),
            )
    except RecordError as error:
        raise SourceListError(
            f"the source list has a bad line: {error.problem}",
            got=error.got,
            wanted=error.wanted or '{"path": ..., "theme"?: ..., "prompt"?: ..., "licence"?: ...}',
            where=error.where,
            fix="mend the line; nothing was started",
        ) from None


def inspect_source(path: Path, sha256: str, licence: str | None = None) -> SourceRecord:
    """Return what a source file is; an unreadable one has a `problem`."""
    from sparkle.media.look_alike import median_hash
    from sparkle.media.probe import probe

    known = (sha256, str(path), path.stat().st_size)
    try:
        info = probe(path)
        seen = median_hash(path)
    except MediaError as error:
        return SourceRecord(*known, licence=licence, problem=str(error))
    return SourceRecord(*known, info.width, info.height, info.frames, info.fps, seen, licence)


def refuse_unreadable(
    unreadable: Mapping[Path, str], hashed: Sequence[tuple[str, ListedSource]], shard: tuple[int, int]
) -> None:
    """Raise SourceListError where what cannot be read leaves nothing to do, or would change others' ids."""
    if not unreadable or (hashed and shard[1] == 1):
        return
    path, problem = next(iter(unreadable.items()))
    more = f", and {len(unreadable) - 1:,} more" if len(unreadable) > 1 else ""
    raise SourceListError(
        "a source of a sharded run cannot be read, and ids follow from all of them"
        if hashed
        else "no source can be read",
        got=f"{problem}{more}",
        where=path,
        fix="make it readable, or take it off every shard's list"
        if hashed
        else "check paths and permissions",
    )


def licences(
    known: Mapping[str, SourceRecord], listed: Sequence[tuple[str, ListedSource]]
) -> dict[str, str | None]:
    """Return the licence of every listed source that is new, by its content; None where no line names one.

    Raises:
        SourceListError: two lines, or a line and the run, name different licences for the same content.
    """
    named: dict[str, str | None] = {}
    for sha256, item in listed:
        if item.licence is None:
            continue
        if sha256 not in named:
            named[sha256] = known[sha256].licence if sha256 in known else item.licence
        if named[sha256] != item.licence:
            raise SourceListError(
                "a source has two licences",
                got=item.licence,
                wanted=named[sha256] or "none, as the run was started with",
                where=item.path,
                fix="give one licence to all lines of a file; a run keeps the one that it was started with",
            )
    return {sha256: named.get(sha256) for sha256, _ in listed if sha256 not in known}


def new_candidates(
    known: Iterable[Candidate],
    listed: Sequence[tuple[str, ListedSource]],
    shard: tuple[int, int],
    id_offset: int = 0,
) -> list[Candidate]:
    """Return candidates for what is listed as (content sha256, item) and not known yet.

    New ids follow the highest known one of their theme, and begin at `id_offset` where there is none: by it,
    runs that are to be built into one release are numbered apart.

    A shard of several cannot see the others' candidates, so there ids follow from the whole list, before the
    shard takes every `count`-th item from `index` on: the shards of one list never share an id.

    Raises:
        SourceListError: the list of a sharded run is not the one that it was started with.
    """
    index, count = shard
    if count == 1:
        return _number(known, listed, id_offset)
    numbered = enumerate(_number((), listed, id_offset))
    share = [candidate for position, candidate in numbered if position % count == index]
    before = {candidate.id: candidate for candidate in known}
    expected = {candidate.id: candidate for candidate in share}
    if any(expected.get(sample_id) != candidate for sample_id, candidate in before.items()):
        raise SourceListError(
            "the sources of a sharded run have changed since it was started",
            wanted="the same list and --id-offset for every shard and every rerun",
            fix="start new shards in new folders, or restore the list",
        )
    return [candidate for candidate in share if candidate.id not in before]


def _number(
    known: Iterable[Candidate], listed: Sequence[tuple[str, ListedSource]], id_offset: int
) -> list[Candidate]:
    seen = set()
    following = dict.fromkeys(THEMES, id_offset)
    for candidate in known:
        seen.add(_digest(candidate.source, candidate.theme, candidate.prompt))
        theme, number = parse_id(candidate.id)
        following[theme] = max(following[theme], number + 1)
    found: list[Candidate] = []
    for sha256, item in listed:
        key = _digest(sha256, item.theme, item.prompt)
        if key not in seen:
            seen.add(key)
            found.append(
                Candidate(format_id(item.theme, following[item.theme]), sha256, item.theme, item.prompt)
            )
            following[item.theme] += 1
    return found


def _digest(sha256: str, theme: str, prompt: str | None) -> bytes:
    """What a candidate is known by, in the sixteen bytes of which memory holds a million."""
    told = f"{sha256} {theme}" if prompt is None else f"{sha256} {theme} {prompt}"
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).digest()
