"""What a model has still to make of a bench: a job per sample, with the paths and sizes of upstream's script.

- A job is for a sample whose edit is missing or cannot be judged. What is there and whole is left out, so
  that a run that was ended goes on.
- Frames, width and height are what upstream's test script gives to the model: the first 4k + 1 frames, 81 at
  most; sides floored to multiples of 32, scaled only above 921,600 pixels, and what is over cropped away on
  both sides alike. The seed is that script's, too.
- The n-th row of each theme's table belongs to rank n modulo the number of ranks, as it has it.
"""

from __future__ import annotations

from pathlib import Path

from sparkle._progress import Progress, silent
from sparkle.builders.bench.edits import given
from sparkle.builders.bench.folder import BenchItem, read_theme, themes_of
from sparkle.builders.bench.results import read_results
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.records import Count, Record, Text

SEED = 0


class EditJob(Record, frozen=True):
    """A sample for a model to edit: read `source`, follow `prompt`, write `out`."""

    id: Text
    theme: Text
    source: Text
    prompt: Text
    out: Text
    frames: Count
    width: Count
    height: Count
    seed: Count


def list_jobs(
    bench: Path,
    results: Path,
    *,
    rank: int = 0,
    ranks: int = 1,
    workers: int = 1,
    progress: Progress = silent,
) -> list[EditJob]:
    """Return what is to be made, in the order of the bench.

    Args:
        bench: The bench's folder.
        results: The folder of the model's edits, which may not be there yet.
        rank: Whose part of the samples, from 0.
        ranks: How many parts there are.
        workers: How many processes decode what is there.
        progress: Told of each edit.

    Raises:
        ReleaseError: the bench or a source cannot be read, or the results are no folder.
    """
    if results.exists() and not results.is_dir():
        raise ReleaseError("results go into a folder", got=results)
    items = {
        item.id: item
        for theme in themes_of(bench)
        for item in [*read_theme(bench, theme).values()][rank::ranks]
    }
    found = read_results(bench, results, items, workers=workers, progress=progress)
    return [_job(bench, edit.item, edit.path) for edit in found.edits.values() if edit.status != "ok"]


def _job(bench: Path, item: BenchItem, out: Path) -> EditJob:
    source = bench / layout.bench_source(item.theme, item.id)
    _, part = given(source)
    return EditJob(
        id=item.id,
        theme=item.theme,
        source=str(source),
        prompt=item.prompt,
        out=str(out),
        frames=part.frames,
        width=part.width,
        height=part.height,
        seed=SEED,
    )
