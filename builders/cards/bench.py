"""The card of a bench in upstream's layout, a function of its files.

- A bench is `<theme>_bench.csv`, `<theme>_metadata.jsonl`, `source_videos/<theme>/ID.mp4` and, where there
  are any, `ref_images/<theme>/ID.png`. What is counted is what is there; a table that speaks of a video that
  is not, or that its metadata does not know, is an error.
- Every line of code in the card is run by a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkle._files import read_document
from sparkle.builders.bench.folder import read_theme, themes_of
from sparkle.builders.cards.card import THEME_TEXTS, render, size_category
from sparkle.media.probe import read_shape
from sparkle.schemas import layout
from sparkle.schemas.errors import MediaError, RecordError, ReleaseError
from sparkle.schemas.validate import check, parse_strict

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


def render_bench_card(folder: Path) -> str:
    """The card of a bench.

    Raises:
        ReleaseError: the folder is no bench, or its tables, metadata and videos do not go together.
    """
    themes = [_theme(folder, theme) for theme in themes_of(folder)]
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
        "made": _made(folder),
        "masks": any((folder / "masks").glob("*/*.npz")),
    }
    return render(_TEMPLATE, context)


def _made(folder: Path) -> dict[str, Any] | None:
    """What a bench of ours says of itself; None for one of somebody else's."""
    path = folder / layout.BENCH
    if not path.is_file():
        return None
    try:
        document: dict[str, Any] = parse_strict(read_document(path))
        check("bench", document, where=str(path))
    except RecordError as error:
        raise ReleaseError(error.problem, got=error.got, wanted=error.wanted, where=path) from None
    return document


def _theme(folder: Path, theme: str) -> BenchTheme:
    items = read_theme(folder, theme)
    scenes = {(item.subtheme, item.scene) for item in items.values() if item.subtheme}
    frames, sizes = [], dict[tuple[int, int], int]()
    for sample_id in items:
        path = folder / layout.bench_source(theme, sample_id)
        try:
            shape = read_shape(path.read_bytes(), path.suffix)
        except (OSError, MediaError) as error:
            raise ReleaseError("a source video of the bench cannot be read", got=error, where=path) from None
        frames.append(shape.frames)
        sizes[shape.width, shape.height] = sizes.get((shape.width, shape.height), 0) + 1
    references = (folder / layout.bench_reference(theme, sample_id) for sample_id in items)
    return BenchTheme(
        name=theme,
        samples=len(items),
        subthemes=len({subtheme for subtheme, _ in scenes}),
        scenes=len(scenes),
        references=sum(path.is_file() for path in references),
        frames=(min(frames), max(frames)),
        sizes=tuple(
            sorted(((*size, count) for size, count in sizes.items()), key=lambda size: (-size[2], size))
        ),
    )
