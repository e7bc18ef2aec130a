"""Where a model's edits of a bench are, and what is wrong with each.

- Results are a folder, in upstream's tree (`<theme>/<subtheme>---<scene>/ID_edited.mp4`, also below
  `sparkle_bench/`, as its script makes it), as `<theme>/ID.mp4`, or as Kiwi-Edit's script makes it
  (`openve/ID_edited.mp4`); or OpenVE-Bench's csv with a column `edited_result_path`, whose paths are those of
  files below the csv's folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import msgspec

from sparkle._files import read_document, safe_join, write_atomic
from sparkle._folders import is_junk
from sparkle._processes import pool_of
from sparkle._progress import Progress, silent
from sparkle.builders.bench.edits import BenchEdit, EditLook
from sparkle.builders.bench.folder import BenchItem, csv_rows
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ReleaseError, UnsafePathError
from sparkle.schemas.ids import ID_PATTERN
from sparkle.schemas.records import Record, Sha256, Text
from sparkle.schemas.validate import Finding
from sparkle.schemas.verdicts import Verdict

RESULT_COLUMNS = ("edited_type", "prompt", "original_video", "edited_result_path")
_ID = re.compile(ID_PATTERN.strip("^$"))


class BaselineMark(Record, frozen=True):
    """What `baseline.json` says: that no model made these results, and of which bench they are."""

    baseline: Text
    revision: Sha256


@dataclass(frozen=True)
class Results:
    """What a model made of a bench.

    Attributes:
        edits: One per sample of the bench, by id, in its order.
        strays: What is in the results and no sample's edit.
        baseline: What they say if they are a baseline; None for a model's.
    """

    edits: dict[str, BenchEdit]
    strays: tuple[Finding, ...] = ()
    baseline: BaselineMark | None = None

    def findings(self) -> list[Finding]:
        """Everything that is wrong."""
        return [finding for edit in self.edits.values() for finding in edit.findings()] + [*self.strays]


def read_results(
    bench: Path,
    results: Path,
    items: Mapping[str, BenchItem],
    *,
    revision: str | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> Results:
    """Look at every edit.

    Args:
        bench: The bench's folder.
        results: The results: a folder, which may not be there yet, or OpenVE-Bench's csv.
        items: The samples of the bench, from `read_bench`.
        revision: The bench's, from there; a baseline of another one is then a stray.
        workers: How many processes decode.
        progress: Told of each edit.

    Raises:
        ReleaseError: a table, a mark or a source cannot be read.
    """
    edits, strays = _find(results, items)
    mark = baseline_of(results)
    if mark is not None and revision is not None and mark.revision != revision:
        problem = "a baseline of another bench, or of another revision"
        found = (mark.revision[:12], revision[:12])
        strays = (Finding(str(results / layout.BASELINE), 0, "/revision", problem, *found), *strays)
    jobs = [
        EditLook(edit, bench / layout.bench_source(edit.item.theme, edit.item.id)) for edit in edits.values()
    ]
    looked = {}
    with pool_of(workers) as pool, progress("looking at edits", len(jobs)) as advance:
        for edit in pool(jobs):
            looked[edit.item.id] = edit
            advance()
    if mark is not None and mark.baseline == "source":
        looked = {sample_id: replace(edit, suspect=None) for sample_id, edit in looked.items()}
    return Results(_with_twins(looked), strays, mark)


def baseline_of(results: Path) -> BaselineMark | None:
    """Which baseline some results are; None where they are a model's.

    Raises:
        ReleaseError: there is a mark, and it cannot be read.
    """
    path = results / layout.BASELINE
    if not results.is_dir() or not path.is_file():
        return None
    try:
        return msgspec.json.decode(read_document(path), type=BaselineMark)
    except msgspec.DecodeError as error:
        raise ReleaseError("the mark of a baseline cannot be read", got=error, where=path) from None


def mark_baseline(results: Path, name: str, revision: str) -> None:
    """Say of a folder of results that they are a baseline; what is there already goes on.

    Raises:
        ReleaseError: the folder has other results, or those of another bench.
    """
    mark, there = BaselineMark(name, revision), baseline_of(results)
    if there is None and results.exists() and (not results.is_dir() or any(results.iterdir())):
        raise ReleaseError(
            "there are other results in place of a baseline", got=results, wanted="a new folder"
        )
    if there is not None and there != mark:
        raise ReleaseError(
            "the baseline that is there is another one, or of another bench",
            got=f"{there.baseline}, of revision {there.revision[:12]}",
            wanted=f"{name}, of revision {revision[:12]}",
            where=results,
            fix="choose another --out, or remove that folder",
        )
    write_atomic(results / layout.BASELINE, dump_document(mark))


def edit_places(item: BenchItem | Verdict) -> list[str]:
    """Where in a folder of results a sample's edit may be; the first is upstream's."""
    tree = layout.bench_edited(item.theme, item.subtheme, item.scene, item.id)
    flat = layout.bench_edited_flat(item.theme, item.id)
    places = [f"{root}{place}" for place in (tree, flat) for root in ("", f"{layout.RESULTS}/")]
    return [*places, layout.bench_edited_kiwi(item.id)]


def find_edit(results: Path, item: BenchItem | Verdict) -> Path | None:
    """A sample's edit in a folder of results; None where there is none.

    Raises:
        UnsafePathError: what the sample says of itself makes a path that leaves the folder.
    """
    places = (safe_join(results, place) for place in edit_places(item))
    return next((place for place in places if place.is_file()), None)


# --- where edits are -------------------------------------------------------------------------------


def _find(results: Path, items: Mapping[str, BenchItem]) -> tuple[dict[str, BenchEdit], tuple[Finding, ...]]:
    """Where the edits are, before anybody has looked at them; and what is no edit."""
    if results.is_file():
        return _in_table(results, items)
    edits = {item.id: _in_folder(results, item) for item in items.values()}
    return edits, tuple(_strays(results, items))


def _in_folder(results: Path, item: BenchItem) -> BenchEdit:
    places = [safe_join(results, place) for place in edit_places(item)]
    found = [place for place in places if os.path.lexists(place)]
    if len(found) > 1:
        reason = f"there are two edits of it, the other is {found[1].relative_to(results)}"
        return BenchEdit(item, found[0], "unusable", reason)
    if found:
        return BenchEdit(item, found[0])
    beside = [place for place in map(layout.bench_concat, edit_places(item)) if (results / place).is_file()]
    reason = "there is no edit of it"
    if beside:
        reason += f", only source and edit side by side, {beside[0]}"
    upstreams, below, *_ = places
    return BenchEdit(item, below if (results / layout.RESULTS).is_dir() else upstreams, "missing", reason)


def _strays(results: Path, items: Mapping[str, BenchItem]) -> Iterator[Finding]:
    """The videos of a folder that are nobody's edit."""
    places = {place for item in items.values() for place in edit_places(item)}
    places |= {layout.bench_concat(place) for place in places}
    for root, folders, files in os.walk(results):
        folders.sort()
        below = PurePosixPath(Path(root).relative_to(results).as_posix())
        for name in sorted(files):
            path = str(below / name)
            if not name.lower().endswith(".mp4") or path in places or name.startswith(".") or is_junk(path):
                continue
            match = _ID.match(name)
            item = items.get(match[0]) if match else None
            if item is not None:
                problem, wanted = "an edit in another place than its sample's", edit_places(item)[0]
            else:
                problem, wanted = "the bench has no such sample", "edits of its ids"
            shown = match[0] if match else name
            yield Finding(str(results / path), 0, "", problem, got=shown, wanted=wanted)


def _in_table(path: Path, items: Mapping[str, BenchItem]) -> tuple[dict[str, BenchEdit], tuple[Finding, ...]]:
    """The same by OpenVE-Bench's table of results."""
    places: dict[str, list[str]] = {}
    strays = []
    for number, row in csv_rows(path, RESULT_COLUMNS):
        item = items.get(PurePosixPath(row["original_video"]).stem)
        if item is None or (item.theme, item.prompt) != (row["edited_type"], row["prompt"]):
            problem = "a row that the bench does not have"
            strays.append(Finding(str(path), number, "", problem, got=row["original_video"]))
        else:
            places.setdefault(item.id, []).append(row["edited_result_path"])
    edits = {item.id: _by_table(path, item, places.get(item.id, [])) for item in items.values()}
    return edits, tuple(strays)


def _by_table(path: Path, item: BenchItem, places: list[str]) -> BenchEdit:
    """The edit of a sample by its rows."""
    if len(places) > 1:
        return BenchEdit(item, path, "unusable", "the table has several rows of it")
    if not places or not places[0]:
        return BenchEdit(item, path, "missing", "the table has no edit of it")
    place = os.path.relpath(places[0], path.parent.absolute()) if os.path.isabs(places[0]) else places[0]
    try:
        return BenchEdit(item, safe_join(path.parent, place))
    except UnsafePathError as error:
        return BenchEdit(item, path, "missing", f"its path is refused: {error.problem}: {error.got}")


def _with_twins(edits: dict[str, BenchEdit]) -> dict[str, BenchEdit]:
    """Edits as they are, but those suspect that have the bytes of another one."""
    ids: dict[str | None, list[str]] = {}
    for edit in edits.values():
        ids.setdefault(edit.sha256 if edit.status == "ok" else None, []).append(edit.item.id)
    for sha256, alike in ids.items():
        for sample_id in alike if sha256 is not None and len(alike) > 1 else ():
            other = next(other for other in alike if other != sample_id)
            suspect = f"another sample's edit: it has the same bytes as that of {other}"
            edits[sample_id] = replace(edits[sample_id], suspect=suspect)
    return edits
