"""The card of a bench in upstream's layout, a function of its files.

- A bench is `<theme>_bench.csv`, `<theme>_metadata.jsonl`, `source_videos/<theme>/ID.mp4` and, where there
  are any, `ref_images/<theme>/ID.png`. What is counted is what is there; a table that speaks of a video that
  is not, or that its metadata does not know, is an error.
- Every line of code in the card is run by a test.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkle._files import safe_join
from sparkle.builders.cards.card import THEME_TEXTS, render, size_category
from sparkle.media.probe import read_shape
from sparkle.schemas import layout
from sparkle.schemas.errors import MediaError, ReleaseError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.validate import check_jsonl

_TEMPLATE = "bench_card.md"


@dataclass(frozen=True)
class BenchTheme:
    """A theme of a bench.

    Attributes:
        name: The theme.
        samples: How many samples it has.
        subthemes: How many subthemes they are of.
        scenes: How many scenes.
        references: How many have an image of the background alone.
        frames: Least and greatest number of frames of the sources.
        sizes: Widths and heights of the sources with how many have them, commonest first.
    """

    name: str
    samples: int
    subthemes: int
    scenes: int
    references: int
    frames: tuple[int, int]
    sizes: tuple[tuple[int, int, int], ...]


def is_bench(folder: Path) -> bool:
    """Whether a folder has a bench's table of any theme."""
    return any((folder / layout.bench_csv(theme)).is_file() for theme in THEMES)


def render_bench_card(folder: Path) -> str:
    """The card of a bench.

    Raises:
        ReleaseError: the folder is no bench, or its tables, metadata and videos do not go together.
    """
    themes = [_theme(folder, theme) for theme in THEMES if (folder / layout.bench_csv(theme)).is_file()]
    if not themes:
        wanted = f"a table such as {layout.bench_csv('location')}"
        raise ReleaseError("not a bench", got=folder, wanted=wanted)
    total = sum(theme.samples for theme in themes)
    context: dict[str, Any] = {
        "themes": themes,
        "theme_texts": THEME_TEXTS,
        "total": total,
        "subthemes": sum(theme.subthemes for theme in themes),
        "scenes": sum(theme.scenes for theme in themes),
        "references": sum(theme.references for theme in themes),
        "size_category": size_category(total),
        "first_theme": themes[0].name,
        "columns": layout.BENCH_CSV_COLUMNS,
    }
    return render(_TEMPLATE, context)


def _theme(folder: Path, theme: str) -> BenchTheme:
    prompts = _prompts(folder, theme)
    keywords = _keywords(folder, theme, prompts)
    frames, sizes = [], dict[tuple[int, int], int]()
    for sample_id in prompts:
        path = folder / layout.bench_source(theme, sample_id)
        try:
            shape = read_shape(path.read_bytes(), path.suffix)
        except (OSError, MediaError) as error:
            raise ReleaseError("a source video of the bench cannot be read", got=error, where=path) from None
        frames.append(shape.frames)
        sizes[shape.width, shape.height] = sizes.get((shape.width, shape.height), 0) + 1
    references = (folder / layout.bench_reference(theme, sample_id) for sample_id in prompts)
    return BenchTheme(
        name=theme,
        samples=len(prompts),
        subthemes=len({keyword.partition(": ")[0] for keyword in keywords}),
        scenes=len(keywords),
        references=sum(path.is_file() for path in references),
        frames=(min(frames), max(frames)),
        sizes=tuple(
            sorted(((*size, count) for size, count in sizes.items()), key=lambda size: (-size[2], size))
        ),
    )


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
                found[sample_id] = row["prompt"]
        except (csv.Error, UnicodeDecodeError) as error:
            raise ReleaseError("the table cannot be read", got=error, where=folder / name) from None
    if not found:
        raise ReleaseError("the table has no rows", where=folder / name)
    return found


def _keywords(folder: Path, theme: str, prompts: dict[str, str]) -> set[str]:
    """The `subtheme: scene` of a theme's samples, whose metadata must be that of its table."""
    path = folder / layout.bench_metadata(theme)
    if not path.is_file():
        raise ReleaseError("the bench lacks the metadata of a theme", wanted=path)
    known, keywords = {}, set()
    for number, value, findings in check_jsonl(path, "training_metadata"):
        for finding in findings:
            raise ReleaseError(
                finding.problem, got=finding.got, wanted=finding.wanted, where=f"{path}:{number}"
            )
        known[value["id"]] = value["prompt"]
        if keyword := value["metadata"].get("chosen_keyword"):
            keywords.add(keyword)
    if known != prompts:
        unlike = sorted({*known.items()} ^ {*prompts.items()})[0][0]
        raise ReleaseError("table and metadata of a theme differ", got=unlike, where=path)
    return keywords
