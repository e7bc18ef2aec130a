"""Is a model's folder whole, and does its card show what its verdicts give?"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from sparkle._processes import Pool
from sparkle.builders.cards.model import results_differ
from sparkle.builders.checks.failures import run_caught
from sparkle.builders.checks.files import check_document, check_files, hash_jobs
from sparkle.builders.release.manifest import FileEntry
from sparkle.schemas import layout
from sparkle.schemas.errors import ConfigError, ReleaseError, UnsafePathError
from sparkle.schemas.load import load
from sparkle.schemas.validate import Finding


def check_model(folder: Path, pool: Pool, *, contents: bool = True) -> Iterator[Finding]:
    """Yield everything in which a model differs from its manifest, and its card from its verdicts.

    Args:
        folder: The model.
        pool: Runs what reads files.
        contents: Whether to compare files with the manifest; `sparkle verify` has done so.
    """
    manifest, wrong = check_document(folder, layout.MANIFEST, "manifest")
    yield from wrong
    if not manifest:
        return
    entries = load(list[FileEntry], manifest["files"])
    if contents:
        found = list(check_files(folder, entries))
        yield from found
        for answer in run_caught(pool, hash_jobs(folder, entries, found, contents=True)):
            yield from [answer] if isinstance(answer, Finding) else answer
    yield from check_results(folder, {entry.path for entry in entries})


def check_results(folder: Path, listed: Collection[str]) -> Iterator[Finding]:
    """Yield where a model's card shows other results than the verdicts beside it give."""
    if not (folder / layout.CARD).is_file():
        return  # which is told with the files
    try:
        if results_differ(folder, listed):
            yield Finding(layout.CARD, 0, "", "the results are not those of the verdicts beside the card")
    except (ConfigError, ReleaseError, UnsafePathError) as error:
        where = str(error.where or "").removeprefix(f"{folder}/").partition(":")[0]
        wanted = None if error.wanted is None else str(error.wanted)
        got = None if error.got is None else str(error.got)
        yield Finding(where or layout.MODEL, 0, "", error.problem, got, wanted)
