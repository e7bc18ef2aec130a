"""A bench's folder in upstream's layout: its tables and metadata, which must go together, and its revision.

- A bench is `<theme>_bench.csv`, `<theme>_metadata.jsonl`, `source_videos/<theme>/ID.mp4` and, where there
  are any, `ref_images/<theme>/ID.png`.
- The revision is a hash over ids, prompts, scenes and source videos: verdicts on another one are never
  averaged with these.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparkle._files import safe_join
from sparkle.schemas import layout
from sparkle.schemas.canonical import fingerprint, sha256_file
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.validate import Finding, check_jsonl
from sparkle.schemas.verdicts import BenchIdentity


@dataclass(frozen=True)
class BenchItem:
    """A sample of a bench; scene and subtheme are empty where its metadata have no keyword."""

    id: str
    theme: str
    subtheme: str
    scene: str
    prompt: str


def is_bench(folder: Path) -> bool:
    """Whether a folder has a bench's table of any theme."""
    return any((folder / layout.bench_csv(theme)).is_file() for theme in THEMES)


def keyword_problem(keyword: str | None) -> str | None:
    """Why the `subtheme: scene` of a sample cannot name the folder of its edits; None where it can."""
    if not keyword:
        return "there is no keyword"
    subtheme, colon, scene = keyword.partition(": ")
    if not (subtheme and colon and scene) or ": " in scene:
        return "the keyword is not one subtheme and one scene"
    odd = any(part in keyword for part in ("/", "\\", "---")) or not keyword.isprintable()
    if odd or "." in (subtheme[0], scene[0]) or keyword != keyword.strip():
        return "the keyword cannot name a folder"
    return None


def themes_of(folder: Path) -> list[str]:
    """The themes of a bench; raises ReleaseError for a folder that is none."""
    themes = [theme for theme in THEMES if (folder / layout.bench_csv(theme)).is_file()]
    if not themes:
        wanted = f"a table such as {layout.bench_csv('location')}"
        raise ReleaseError("not a bench", got=folder, wanted=wanted)
    return themes


def read_theme(folder: Path, theme: str) -> dict[str, BenchItem]:
    """The samples of a theme by id, in the order of its table.

    Raises:
        ReleaseError: table or metadata cannot be read, or do not go together.
    """
    prompts = _prompts(folder, theme)
    keywords = _keywords(folder, theme, prompts)
    items = {}
    for sample_id, prompt in prompts.items():
        subtheme, _, scene = keywords[sample_id].partition(": ")
        items[sample_id] = BenchItem(sample_id, theme, subtheme, scene, prompt)
    return items


def read_bench(folder: Path) -> tuple[BenchIdentity, dict[str, BenchItem]]:
    """What a bench is, and its samples by id.

    Raises:
        ReleaseError: it is no bench, its tables and metadata do not go together, or a source cannot be read.
    """
    items: dict[str, BenchItem] = {}
    expected, sources = {}, dict[str, str]()
    for theme in themes_of(folder):
        found = read_theme(folder, theme)
        expected[theme] = len(found)
        if twice := sorted(found.keys() & items.keys()):
            where = folder / layout.bench_csv(theme)
            raise ReleaseError("an id stands in two themes", got=twice[0], where=where)
        items |= found
        for item in found.values():
            path = folder / layout.bench_source(theme, item.id)
            try:
                sources[item.id] = sha256_file(path)
            except OSError as error:
                problem = "a source video of the bench cannot be read"
                raise ReleaseError(problem, got=error.strerror, where=path) from None
    return BenchIdentity(folder.resolve().name, revision_of(items.values(), sources), expected), items


def revision_of(items: Iterable[BenchItem], sources: Mapping[str, str]) -> str:
    """Return the revision of a bench.

    Args:
        items: Its samples.
        sources: The sha256 of the source video of each, by id.
    """
    content = [[item.id, item.prompt, item.subtheme, item.scene, sources[item.id]] for item in items]
    return fingerprint(sorted(content))


def count_scenes(items: Iterable[BenchItem]) -> dict[str, dict[str, dict[str, int]]]:
    """Return how many samples each scene has: theme -> subtheme -> scene -> samples."""
    scenes: dict[str, dict[str, dict[str, int]]] = {}
    for item in items:
        found = scenes.setdefault(item.theme, {}).setdefault(item.subtheme, {})
        found[item.scene] = found.get(item.scene, 0) + 1
    return scenes


def csv_rows(
    path: Path, columns: Sequence[str], findings: list[Finding] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a csv file by line; with `findings`, a row that is torn or has other fields is one of them.

    Raises:
        ReleaseError: it cannot be read, or does not have each of the columns once.
    """

    def wrong(number: int, problem: str) -> None:
        if findings is None:
            raise ReleaseError(problem, where=f"{path}:{number}")
        findings.append(Finding(str(path), number, "", problem))

    try:
        text = path.read_text("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        names = rows.fieldnames or ()
        if not set(columns) <= {*names} or len({*names}) < len(names):
            problem = "a column stands twice" if len({*names}) < len(names) else "the table lacks columns"
            wanted, got = ", ".join(columns), ", ".join(names)
            raise ReleaseError(problem, got=got, wanted=wanted, where=path)
        try:
            for row in rows:
                if None in row.values() or None in row:
                    wrong(rows.line_num, "a row with another number of fields")
                else:
                    yield rows.line_num, row
        except csv.Error as error:
            wrong(rows.line_num + 1, f"not a row of a table: {error}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReleaseError("the table cannot be read", got=error, where=path) from None


def _prompts(folder: Path, theme: str) -> dict[str, str]:
    """Prompts by id, of a theme's table."""
    name = layout.bench_csv(theme)
    with (folder / name).open(encoding="utf-8-sig", newline="") as file:
        try:
            rows = csv.DictReader(file, strict=True)
            columns = tuple(rows.fieldnames or ())
            if columns != layout.BENCH_CSV_COLUMNS:
                wanted = ",".join(layout.BENCH_CSV_COLUMNS)
                raise ReleaseError(
                    "not a table of a bench", got=",".join(columns), wanted=wanted, where=folder / name
                )
            found = {}
            for row in rows:
                video = row["original_video"] or ""
                sample_id = Path(video).stem
                if row["edited_type"] != theme or video != layout.bench_source(theme, sample_id):
                    wanted = f"{theme}, ..., {layout.bench_source(theme, 'ID')}"
                    where = f"{folder / name}:{rows.line_num}"
                    raise ReleaseError("not a row of this table", got=row, wanted=wanted, where=where)
                safe_join(folder, video)
                if sample_id in found:
                    where = f"{folder / name}:{rows.line_num}"
                    raise ReleaseError("an id stands twice in the table", got=sample_id, where=where)
                found[sample_id] = row["prompt"]
        except (csv.Error, UnicodeDecodeError) as error:
            raise ReleaseError("the table cannot be read", got=error, where=folder / name) from None
    if not found:
        raise ReleaseError("the table has no rows", where=folder / name)
    return found


def _keywords(folder: Path, theme: str, prompts: dict[str, str]) -> dict[str, str]:
    """The `subtheme: scene` of a theme's samples, whose metadata must be that of its table."""
    path = folder / layout.bench_metadata(theme)
    if not path.is_file():
        raise ReleaseError("the bench lacks the metadata of a theme", wanted=path)
    known, keywords = {}, dict[str, str]()
    for number, value, findings in check_jsonl(path, "training_metadata"):
        for finding in findings:
            raise ReleaseError(
                finding.problem, got=finding.got, wanted=finding.wanted, where=f"{path}:{number}"
            )
        if value["id"] in known:
            raise ReleaseError(
                "an id stands twice in the metadata", got=value["id"], where=f"{path}:{number}"
            )
        known[value["id"]] = value["prompt"]
        keywords[value["id"]] = value["metadata"].get("chosen_keyword") or ""
    if known != prompts:
        unlike = sorted({*known.items()} ^ {*prompts.items()})[0][0]
        raise ReleaseError("table and metadata of a theme differ", got=unlike, where=path)
    return keywords
