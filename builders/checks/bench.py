"""Is a bench apart from a release that is trained on? By id, by content and by look of the source videos.

- A bench is a folder as upstream publishes Sparkle-Bench: `<theme>_metadata.jsonl` and
  `source_videos/<theme>/ID.mp4`. Its metadata must follow its schema.
- Every source is compared with the sources of all themes (`bench.contamination`): another edit of a clip that
  was trained on is no test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path

import numpy as np

from sparkle.builders.bench.contamination import BenchSource, SourcesJob, Trained, find_trained, source_jobs
from sparkle.builders.checks.rows import SampleRows, keys_of
from sparkle.builders.checks.theme import TABLE, Theme
from sparkle.media.look_alike import NEAR
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES, index_reader
from sparkle.schemas.validate import Finding, check_jsonl


def bench_jobs(folder: Path) -> list[SourcesJob]:
    """What has to be read of a bench.

    Raises:
        ReleaseError: the folder is no bench.
    """
    found = [
        path for theme in THEMES for path in sorted((folder / "source_videos" / theme).glob("[!.]*.mp4"))
    ]
    for path in found:
        if not path.is_file():
            raise ReleaseError("not a bench", got="no plain file", where=path)
    if not found:
        raise ReleaseError("not a bench", got=folder, wanted="a folder with source_videos/<theme>/ID.mp4")
    return source_jobs([(path.stem, path, None) for path in found])


def check_bench(
    folder: Path,
    trained: Trained,
    themes: Sequence[Theme],
    answers: Iterable[Sequence[BenchSource]],
    accepted: Set[tuple[str, str]],
) -> Iterator[Finding]:
    """What a bench shares with a release, whose rows were read before; `answers` are those of the jobs."""
    for table in (theme.rows[TABLE] for theme in themes if TABLE in theme.rows):
        yield from _check_ids(folder, table)
    clips = [clip for answer in answers for clip in answer]
    for clip in clips:
        if clip.problem is not None:
            yield Finding(
                str(clip.path), 0, "", "a source video of the bench cannot be read", got=clip.problem
            )
    for match in find_trained(clips, trained, accepted, within=NEAR):
        yield match.finding()


def _check_ids(folder: Path, table: SampleRows) -> Iterator[Finding]:
    path = folder / f"{table.theme}_metadata.jsonl"
    if not path.is_file():
        return
    index_of, ours = index_reader(table.theme), set(table.keys.tolist())
    for number, value, findings in check_jsonl(path, "training_metadata"):
        yield from findings
        index = index_of(value["id"]) if not findings else None
        if index is not None and int(keys_of(np.array([index]))[0]) in ours:
            problem = "the id is that of a sample of the release"
            yield Finding(str(path), number, "/id", problem, got=value["id"])
