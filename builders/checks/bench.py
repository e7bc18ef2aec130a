"""Is a bench apart from a release that is trained on? By id, and by the content of the source videos.

- A bench is a folder as upstream publishes Sparkle-Bench: `<theme>_metadata.jsonl` and
  `source_videos/<theme>/ID.mp4`. Its metadata must follow its schema.
- Every source is compared with the sources of all themes: another edit of a clip that was trained on is no
  test. Sources that only look alike are not found: a release does not record perceptual hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparkle.builders.checks.rows import SampleRows, keys_of
from sparkle.builders.checks.theme import TABLE, Theme
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES, index_reader
from sparkle.schemas.validate import Finding, check_jsonl

_JOB_FILES = 50  # some 25 MB


@dataclass(frozen=True)
class BenchJob:
    """Hashes source videos of a bench.

    Attributes:
        folder: The bench.
        names: The videos.
    """

    folder: Path
    names: tuple[str, ...]

    @property
    def file(self) -> str:
        """The first of them."""
        return str(self.folder / self.names[0])

    def __call__(self) -> list[tuple[str, str]]:
        """Name and sha256 of each."""
        return [(name, sha256_file(self.folder / name)) for name in self.names]


def bench_jobs(folder: Path) -> list[BenchJob]:
    """What has to be hashed.

    Raises:
        ReleaseError: the folder is no bench.
    """
    found = [
        path.relative_to(folder).as_posix()
        for theme in THEMES
        for path in sorted((folder / "source_videos" / theme).glob("[!.]*.mp4"))
    ]
    for name in found:
        if not (folder / name).is_file():
            raise ReleaseError("not a bench", got="no plain file", where=folder / name)
    if not found:
        raise ReleaseError("not a bench", got=folder, wanted="a folder with source_videos/<theme>/ID.mp4")
    starts = range(0, len(found), _JOB_FILES)
    return [BenchJob(folder, tuple(found[start : start + _JOB_FILES])) for start in starts]


def check_bench(
    folder: Path, themes: Sequence[Theme], answers: Iterable[list[tuple[str, str]]]
) -> Iterator[Finding]:
    """What a bench shares with a release, whose rows were read before; `answers` are those of the jobs."""
    tables = [theme.rows[TABLE] for theme in themes if TABLE in theme.rows]
    trained = {}
    for table in tables:
        yield from _check_ids(folder, table)
        for row, sha256 in enumerate(table.columns[f"{layout.SOURCE_VIDEO.name}_sha256"]):
            trained[sha256.tobytes().hex()] = table, row
    for answer in answers:
        for name, sha256 in answer:
            if sha256 in trained:
                table, row = trained[sha256]
                problem = "the source is that of a sample of the release"
                yield Finding(str(folder / name), 0, "", problem, got=table.id(row))


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
